"""`audit`: of a model, of images that are there already, or of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, load_axis
from equinoise.errors import EquinoiseError
from equinoise.run import Record, RunFolder
from equinoise.statistics import Confusion, share_intervals
from equinoise.understanding import (
    Reference,
    audit,
    audit_counts,
    cross,
    crossed,
    merged,
    read_labels,
    read_reference,
    targets_of,
)
from equinoise.understanding.audit import Intervals
from equinoise.understanding.calibration import calibrations_for


@dataclass(frozen=True)
class Question:
    """What an audit asks, wherever its labels come from.

    Attributes:
        axes: by name, in the order asked for.
        crosses: groups of these whose intersection is audited as well.
        targets: by axis; uniform where there is none.
        references: published shares by concept and axis.
        confusion_files: confusion matrices that were given.
    """

    axes: Mapping[str, Axis]
    crosses: tuple[tuple[Axis, ...], ...] = ()
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    references: Mapping[tuple[str, str], Reference] = field(default_factory=dict)
    confusion_files: tuple[Path, ...] = ()

    def about(self) -> dict[str, Any]:
        """For the record of a run."""
        return {"axes": {name: axis.digest for name, axis in self.axes.items()}, "targets": dict(self.targets)}

    def all_axes(self) -> list[Axis]:
        """The axes and the intersections."""
        return [*self.axes.values(), *map(crossed, self.crosses)]

    def answer(
        self,
        records: Sequence[Record],
        asked: Mapping[str, str | None],
        confusions: Mapping[str, Confusion],
        intervals: Intervals = share_intervals,
    ) -> dict[str, Any]:
        """The audit object of labelled records."""
        axes = list(self.axes.values())
        for group in self.crosses:
            records, both = cross(records, group)
            axes.append(both)
        return audit(records, axes, self.targets, asked, confusions, self.references, intervals).to_json()


def ask(
    axes: Sequence[str],
    targets: Sequence[str] = (),
    crosses: Sequence[str] = (),
    reference: Path | None = None,
    confusions: Sequence[Path] = (),
    classes: str | None = None,
) -> Question:
    """The question that the flags of the command line ask.

    `classes` declares those of an axis that is not built in, for labels from elsewhere.

    Raises:
        EquinoiseError: a flag makes no sense.
    """
    loaded = {axis.name: axis for axis in (_declared(name, classes) for name in axes)}
    if len(loaded) < len(axes):
        raise EquinoiseError("an axis is given twice; give each once")
    groups = tuple(_group(text, loaded) for text in crosses)
    known = loaded | {both.name: both for both in map(crossed, groups)}
    references = read_reference(reference, list(known.values())) if reference else {}
    return Question(loaded, groups, targets_of(targets, known), references, tuple(confusions))


def _declared(name: str, classes: str | None) -> Axis:
    if classes is None:
        return load_axis(name)
    names = tuple(part.strip() for part in classes.split(","))
    if len(set(names)) < max(2, len(names)) or not all(names) or "unclear" in names:
        raise EquinoiseError(f"--classes {classes}: name two or more different classes, such as long,short")
    try:
        load_axis(name)
    except EquinoiseError:
        return Axis(name, names, False, {}, {})
    raise EquinoiseError(f"axis '{name}' is built in and has its own classes; leave --classes out or call it otherwise")


def _group(text: str, axes: Mapping[str, Axis]) -> tuple[Axis, ...]:
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) < max(2, len(names)) or any(name not in axes for name in names):
        raise EquinoiseError(f"--cross {text}: name two or more of the axes {', '.join(axes)}, such as gender,tone")
    return tuple(axes[name] for name in names)


def audit_labels(
    files: Sequence[Path], question: Question, concepts: Sequence[str] = (), out: Path | None = None
) -> dict[str, Any]:
    """The audit object of counts in CSV files; the counts of several files add up.

    `concepts`: only these. `out`: a run folder without images, for a report or a check.

    Raises:
        EquinoiseError: a file is wrong, a concept is not in it, or an intersection is asked of counts.
    """
    if question.crosses:
        raise EquinoiseError("--cross needs images; a file of counts holds each axis by itself")
    axes = list(question.axes.values())
    counts = merged(part for file in files for part in read_labels(file, axes))
    absent = [concept for concept in concepts if all(c.concept != concept for c in counts)]
    if absent:
        raise EquinoiseError(
            f"no rows of concept '{absent[0]}'; there are {', '.join(dict.fromkeys(c.concept for c in counts))}"
        )
    wanted = [c for c in counts if not concepts or c.concept in concepts]
    given = calibrations_for(question.confusion_files, axes)
    confusions = {name: found.ordered_as(question.axes[name].classes) for name, found in given.items()}
    result = {
        **audit_counts(wanted, question.targets, confusions, question.references).to_json(),
        "corrected_by": {name: dict(found.about) for name, found in given.items()},
    }
    if out:
        about = {"command": "audit", "sources": [file.name for file in files], **question.about()}
        run = RunFolder(out, {**about, "concepts": list(dict.fromkeys(c.concept for c in wanted))})
        run.finish([], result)
    return result
