"""`check`: the gate of a build server, over what an audit found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError
from equinoise.files import read_json, write_whole
from equinoise.results.audits import Audit, each_once
from equinoise.results.base import Result
from equinoise.results.checks import CheckResult
from equinoise.results.reading import read_result
from equinoise.understanding.gate import judge, junit


def check(
    run: Result | str | Path,
    *,
    max_spd: float | None = None,
    max_tv: float | None = None,
    strict: bool = False,
    junit_file: str | Path | None = None,
) -> CheckResult:
    """Do the whole intervals lie within the limits? Pass, fail, or inconclusive.

    Args:
        run: what `audit` gave, its run folder, or its JSON in a file. Of a run that mitigates (a demo, a plan) the
            mitigated images are judged.
        max_spd: limit of the largest share − the smallest.
        max_tv: limit of the total variation from the target.
        strict: an inconclusive verdict fails the check too.
        junit_file: JUnit XML for a build server.

    Raises:
        EquinoiseError: no limit, one that is no number in 0–1, or nothing that was audited.
    """
    limits = {name: value for name, value in (("spd", max_spd), ("tv", max_tv)) if value is not None}
    if not limits:
        raise EquinoiseError("give a limit: --max-spd X (largest share − smallest) or --max-tv X (distance to target)")
    for name, value in limits.items():
        if not 0 <= value <= 1:
            raise EquinoiseError(f"--max-{name} {value}: a limit lies between 0 and 1")
    verdicts = tuple(verdict for audit in _audits(run) for verdict in judge(audit, limits))
    bad = {"fail", "inconclusive"} if strict else {"fail"}
    if junit_file:
        write_whole(Path(junit_file), junit(verdicts, strict))
    return CheckResult(verdicts=verdicts, passed=not any(v.verdict in bad for v in verdicts), strict=strict)


def _audits(run: Result | str | Path) -> Sequence[Audit]:
    if isinstance(run, Result):
        found = run
    elif Path(run).is_file() and Path(run).name != "run.json":
        return _in_json(read_json(Path(run)), str(run))
    else:
        found = read_result(Path(run).parent if Path(run).name == "run.json" else Path(run))
    mitigated = getattr(found, "after", None) or getattr(found, "verified", None) or found
    audits: Sequence[Audit] = getattr(mitigated, "audits", ())
    if not audits:
        raise EquinoiseError(f"{run} holds no audit; make one with 'equinoise audit … -o RUN'")
    return audits


def _in_json(content: Any, where: str) -> Sequence[Audit]:
    """The audits in what a command printed with `--json`, or in a copy of a `run.json`.

    Only what is judged must be there: other versions of equinoise print other measures.
    """
    try:
        printed = content.get("results", content)
        entries = (printed.get("after") or printed.get("verified") or printed).get("audits")
        if not entries:
            raise EquinoiseError(f"{where} holds no audit; make one with 'equinoise audit … --json'")
        known = [{name: entry.get(name) for name in Audit.model_fields} for entry in entries]
    except (AttributeError, TypeError) as error:
        raise EquinoiseError(f"{where} is no JSON of an audit; make one with 'equinoise audit … --json'") from error
    audits = tuple(Audit.from_json(entry, f"{where}: audits.{place}") for place, entry in enumerate(known))
    try:
        return each_once(audits)
    except ValueError as error:
        raise EquinoiseError(f"{where}: {error}; give an audit once") from error
