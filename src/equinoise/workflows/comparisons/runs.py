"""`compare_runs`: what changed between two runs on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from equinoise.errors import EquinoiseError
from equinoise.results.audits import AuditResult
from equinoise.results.base import Result
from equinoise.results.comparisons.runs import ChangesResult
from equinoise.results.reading import read_result
from equinoise.run import Record
from equinoise.understanding.pairing import paired_changes

Audited = AuditResult | str | Path
"""What `audit` gave, or its run folder."""


def compare_runs(before: Audited, after: Audited, *, axes: Sequence[str] | None = None) -> ChangesResult:
    """Of each class the share after less the share before on the same seeds, with its paired 95% interval.

    Args:
        before: what `audit` gave, or its run folder.
        after: the same concepts on the same seeds, with a plan or another intervention.
        axes: only these; default every axis that both have.

    Raises:
        EquinoiseError: a run is no audit, the two share no concept or axis, or are not over the same seeds.
    """
    first, second = _audit(before), _audit(after)
    shared = [audit for audit in first.audits if (audit.concept, audit.axis) in _keys(second)]
    wanted = [audit for audit in shared if axes is None or audit.axis in axes]
    if not wanted:
        asked = f" of {', '.join(axes)}" if axes else ""
        raise EquinoiseError(
            f"the two runs share no concept and axis{asked}; audit both with the same --concept, --axis"
        )
    rows, others = _by_concept(first), _by_concept(second)
    return ChangesResult(
        changes=tuple(
            paired_changes(rows[a.concept], others[a.concept], a.concept, a.axis, list(a.classes)) for a in wanted
        )
    )


def _audit(run: Audited) -> AuditResult:
    found: Result = read_result(Path(run)) if isinstance(run, str | Path) else run
    if not isinstance(found, AuditResult):
        raise EquinoiseError(f"{run} is not the run of an audit; make one with audit … -o RUN")
    return found


def _keys(result: AuditResult) -> set[tuple[str, str]]:
    return {(audit.concept, audit.axis) for audit in result.audits}


def _by_concept(result: AuditResult) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in result.run.records:
        found.setdefault(record.prompt, []).append(record)
    return found
