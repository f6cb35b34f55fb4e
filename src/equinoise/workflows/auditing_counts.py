"""`audit_counts`: labels from anywhere, as a table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equinoise.axes import Axis, catalogue, one_form, same_name
from equinoise.errors import EquinoiseError, listed, warn
from equinoise.files import describe_file
from equinoise.results.audits import AuditResult
from equinoise.run import start_run
from equinoise.runtime.question import Axes, Question
from equinoise.understanding.audit import Measures
from equinoise.understanding.calibration import calibrations_for
from equinoise.understanding.counts import Counts, merged, respelling, warn_of_near_names
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
        counts: columns `concept`, `axis`, `class` (may be `unclear`) and `count`; without `count` a row is an image.
            Or what FairFace or DeepFace writes of faces.
        axes: default every axis that the table holds.
        classes: the declared classes of an axis that is not built in.
        concepts: only these; a spelling with other case or spaces counts as the one given here.
        targets, reference: as of `audit`.
        confusion: confusion matrices to correct shares by.
        out: a run folder without images, for a report or a check.

    Raises:
        EquinoiseError: a table is wrong or given twice, or a concept is not in it.
    """
    given: list[Any] = [counts] if isinstance(counts, str | Path) or hasattr(counts, "columns") else list(counts)
    if not given:
        raise EquinoiseError("no counts: give CSV files, a DataFrame or Counts")
    _require_apart(given)
    tables = [_table(source) for source in given if not isinstance(source, Counts)]
    ready = [source for source in given if isinstance(source, Counts)]
    question = Question.asking(_asked(axes, classes, tables, ready), (), targets, reference, classes)
    known, here = list(question.axes), {axis.name: axis for axis in question.axes}
    parts = [
        *(_ordered(c, here[c.axis]) for c in ready if c.axis in here),
        *(c for t in tables for c in t.count(known if axes is not None else _of(t, known))),
    ]
    spelled = respelling(concepts)
    found = merged(replace(counts, concept=spelled(counts.concept)) for counts in parts)
    there = dict.fromkeys(c.concept for c in found)
    absent = [concept for concept in concepts if one_form(concept) not in there]
    if absent:
        raise EquinoiseError(f"no rows of concept '{absent[0]}'; there are {listed(list(there))}")
    chosen = {one_form(concept) for concept in concepts}
    wanted = [c for c in found if not chosen or c.concept in chosen]
    calibrations = calibrations_for([Path(file) for file in confusion], known)
    matrices = {a.name: calibrations[a.name].ordered_as(a.classes) for a in known if a.name in calibrations}
    measures = Measures(question.targets, matrices, question.references)
    origins = {name: dict(calibrations[name].about) for name in matrices}
    result = measures.audit(wanted).model_copy(update={"corrected_by": origins})
    _warn_of_what_was_read(tables, known if axes is not None else None, wanted)
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


def _warn_of_what_was_read(tables: Sequence[LabelTable], axes: Sequence[Axis] | None, counts: Sequence[Counts]) -> None:
    """Say what a table holds that was left out, or was not read as it stands."""
    for table in tables:
        for said in (table.note, table.omitted(axes) if axes else ""):
            if said:
                warn(said)
    warn_of_near_names(counts)


def _require_apart(given: Sequence[object]) -> None:
    """No evidence counts twice: neither a DataFrame, nor a file, nor a file and its copy."""
    seen: dict[str, object] = {}
    for source in given:
        if isinstance(source, Counts):
            continue
        key = describe_file(Path(source))["sha256"] if isinstance(source, str | Path) else str(id(source))
        if key in seen:
            same = f"{seen[key]} and {source} hold the same bytes" if isinstance(source, str | Path) else "a table"
            raise EquinoiseError(f"{same}: counts of one table are given twice; give each table once")
        seen[key] = source


def _asked(
    axes: Axes | None, classes: Sequence[str] | None, tables: Sequence[LabelTable], ready: Sequence[Counts]
) -> list[str | Axis]:
    """The axes that are asked for, else all that there are, those that `Counts` declare with their classes."""
    own = {} if classes else {c.axis: _declared(c) for c in ready if c.axis not in catalogue()}
    names = [*(name for table in tables for name in table.axes), *(c.axis for c in ready)]
    asked = list({same_name(name): name for name in names}.values()) if axes is None else axes
    return [own.get(axis, axis) if isinstance(axis, str) else axis for axis in _list(asked)]


def _list(axes: Axes) -> list[str | Axis]:
    return [axes] if isinstance(axes, str | Axis) else list(axes)


def _of(table: LabelTable, axes: Sequence[Axis]) -> list[Axis]:
    """Those of the axes that a table has."""
    names = set(map(same_name, table.axes))
    return [axis for axis in axes if same_name(axis.name) in names]


def _declared(counts: Counts) -> Axis:
    """An axis that is not built in and that counts declare by their classes."""
    return Axis(counts.axis, tuple(counts.classes), False, {}, {})


def _ordered(counts: Counts, axis: Axis) -> Counts:
    """The counts with the classes of the axis in its order; those that do not come are 0.

    Raises:
        EquinoiseError: a class is not declared.
    """
    for name in counts.classes:
        axis.require(name)
    return replace(counts, classes={name: counts.classes.get(name, 0) for name in axis.classes})
