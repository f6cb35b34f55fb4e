"""`audit_counts`: labels from anywhere, as a table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equinoise.axes import Axis, catalogue
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file
from equinoise.results.audits import AuditResult
from equinoise.run import start_run
from equinoise.runtime.question import Axes, Question
from equinoise.understanding.audit import Measures
from equinoise.understanding.calibration import calibrations_for
from equinoise.understanding.counts import Counts, merged
from equinoise.understanding.labels import LabelTable
from equinoise.understanding.targets import Wanted

if TYPE_CHECKING:
    import pandas as pd


def audit_counts(
    counts: str | Path | pd.DataFrame | Sequence[str | Path] | Sequence[Counts],
    *,
    axes: Axes | None = None,
    classes: Sequence[str] | None = None,
    concepts: Sequence[str] = (),
    targets: Mapping[str, Wanted] | None = None,
    reference: str | Path | None = None,
    confusion: Sequence[str | Path] = (),
    out: str | Path | None = None,
) -> AuditResult:
    """Shares of each class over counts: CSV files, a pandas DataFrame, or `Counts`. Counts of several files add up.

    Args:
        counts: columns `concept`, `axis`, `class` (may be `unclear`) and `count`; a row an image has a count of 1.
        axes: default every axis that the table holds.
        classes: the declared classes of an axis that is not built in.
        concepts: only these.
        targets, reference: as of `audit`.
        confusion: confusion matrices to correct shares by.
        out: a run folder without images, for a report or a check.

    Raises:
        EquinoiseError: a table is wrong, or a concept is not in it.
    """
    given: list[Any] = [counts] if isinstance(counts, str | Path) or hasattr(counts, "columns") else list(counts)
    if not given:
        raise EquinoiseError("no counts: give CSV files, a DataFrame or Counts")
    tables = [_table(source) for source in given if not isinstance(source, Counts)]
    ready = [source for source in given if isinstance(source, Counts)]
    own = _own_axes(ready) if classes is None else {}
    names = [*(name for table in tables for name in table.axes), *(c.axis for c in ready)]
    asked = dict.fromkeys(names) if axes is None else [axes] if isinstance(axes, str | Axis) else axes
    named = [own.get(axis, axis) if isinstance(axis, str) else axis for axis in asked]
    question = Question.asking(named, (), targets, reference, classes)
    known, here = list(question.axes), {axis.name: axis for axis in question.axes}
    parts = [
        *(_ordered(c, here[c.axis]) for c in ready if c.axis in here),
        *(c for t in tables for c in t.count([a for a in known if axes is not None or a.name in t.axes])),
    ]
    found = merged(parts)
    absent = [concept for concept in concepts if all(c.concept != concept for c in found)]
    if absent:
        there = ", ".join(dict.fromkeys(c.concept for c in found))
        raise EquinoiseError(f"no rows of concept '{absent[0]}'; there are {there}")
    wanted = [c for c in found if not concepts or c.concept in concepts]
    calibrations = calibrations_for([Path(file) for file in confusion], known)
    matrices = {a.name: calibrations[a.name].ordered_as(a.classes) for a in known if a.name in calibrations}
    measures = Measures(question.targets, matrices, question.references)
    origins = {name: dict(calibrations[name].about) for name in matrices}
    result = measures.audit(wanted).model_copy(update={"corrected_by": origins})
    if out is None:
        return result
    files, matrix_files = (
        [describe_file(Path(file)) for file in group if isinstance(file, str | Path)] for group in (given, confusion)
    )
    more = {"confusion": matrix_files} if matrix_files else {}
    about = {"command": "audit", "sources": files, **question.to_json(), **more}
    run = start_run(Path(out), {**about, "concepts": list(dict.fromkeys(c.concept for c in wanted))})
    return result.with_run(run.finish([], result.to_json()))


def _table(source: str | Path | pd.DataFrame) -> LabelTable:
    return LabelTable.read(Path(source)) if isinstance(source, str | Path) else LabelTable.of_frame(source)


def _own_axes(counts: Sequence[Counts]) -> dict[str, Axis]:
    """Axes that are not built in and that the counts declare by their classes."""
    return {c.axis: Axis(c.axis, tuple(c.classes), False, {}, {}) for c in counts if c.axis not in catalogue()}


def _ordered(counts: Counts, axis: Axis) -> Counts:
    """The counts with the classes of the axis in its order; those that do not come are 0.

    Raises:
        EquinoiseError: a class is not declared.
    """
    for name in counts.classes:
        axis.require(name)
    return replace(counts, classes={name: counts.classes.get(name, 0) for name in axis.classes})
