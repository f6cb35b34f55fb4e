"""`audit`: of a model, of images that are there already, or of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, catalogue, load_axis
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file
from equinoise.run import Record, RunFolder
from equinoise.statistics import Confusion, share_intervals
from equinoise.understanding.audit import Intervals, audit_counts
from equinoise.understanding.calibration import calibrations_for
from equinoise.understanding.counts import Counts, cross, crossed, merged, tally
from equinoise.understanding.labels import read_labels
from equinoise.understanding.reference import Reference, read_reference
from equinoise.understanding.targets import targets_of


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
    reference_file: Path | None = None

    def about(self) -> dict[str, Any]:
        """For the record of a run."""
        more = {
            "crosses": [axis.name for axis in map(crossed, self.crosses)],
            "reference": describe_file(self.reference_file) if self.reference_file else None,
            "confusion": [describe_file(file) for file in self.confusion_files],
        }
        return {
            "axes": {name: axis.digest for name, axis in self.axes.items()},
            "targets": dict(self.targets),
            **{key: value for key, value in more.items() if value},
        }

    def given_confusions(self) -> tuple[dict[str, Confusion], dict[str, dict[str, Any]]]:
        """By axis the confusion matrices that were given and where they come from, for labels that are not ours."""
        given = calibrations_for(self.confusion_files, list(self.axes.values()))
        confusions = {name: found.ordered_as(self.axes[name].classes) for name, found in given.items()}
        return confusions, {name: dict(found.about) for name, found in given.items()}

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
        counts = self.count(records, asked)
        return audit_counts(counts, self.targets, confusions, self.references, intervals).to_json()

    def count(self, records: Sequence[Record], asked: Mapping[str, str | None] | None = None) -> list[Counts]:
        """Counts on the axes and the intersections."""
        for group in self.crosses:
            records, _ = cross(records, group)
        return tally(records, self.all_axes(), asked)


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
    if classes is not None and all(name in catalogue() or name.endswith(".toml") for name in axes):
        raise EquinoiseError("--classes declares those of an axis that is not built in, and all of these are")
    loaded = {axis.name: axis for axis in (_declared(name, classes) for name in axes)}
    if len(loaded) < len(axes):
        raise EquinoiseError("an axis is given twice; give each once")
    groups = tuple(_group(text, loaded) for text in crosses)
    known = loaded | {both.name: both for both in map(crossed, groups)}
    references = read_reference(reference, list(known.values())) if reference else {}
    return Question(loaded, groups, targets_of(targets, known), references, tuple(confusions), reference)


def _declared(name: str, classes: str | None) -> Axis:
    if classes is None or name in catalogue() or name.endswith(".toml"):
        return load_axis(name)
    names = tuple(part.strip() for part in classes.split(","))
    if len(set(names)) < max(2, len(names)) or not all(names) or "unclear" in names:
        raise EquinoiseError(f"--classes {classes}: name two or more different classes, such as long,short")
    return Axis(name, names, False, {}, {})


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
    confusions, origins = question.given_confusions()
    result = {
        **audit_counts(wanted, question.targets, confusions, question.references).to_json(),
        "corrected_by": origins,
    }
    if out:
        about = {"command": "audit", "sources": [describe_file(file) for file in files], **question.about()}
        run = RunFolder(out, {**about, "concepts": list(dict.fromkeys(c.concept for c in wanted))})
        run.finish([], result)
    return result
