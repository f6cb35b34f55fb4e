"""Records → counts of each class, in one pass. Counts add: k parts together are the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from equinoise.axes import UNCLEAR, Axis, one_form, same_name
from equinoise.errors import EquinoiseError, warn
from equinoise.no_picture import NoPicture, count_reasons
from equinoise.run import UNTOUCHED, Record

CROSS = "*"
"""Between the names of the axes of an intersection."""


@dataclass(frozen=True)
class Counts:
    """Images of one concept by class of one axis, `unclear` apart. Addition merges."""

    concept: str
    axis: str
    classes: Mapping[str, int]
    unclear: int = 0
    faithful: int | None = None
    """How many show the role or scene that was asked for; None without a detector for it."""
    intervention: str = UNTOUCHED
    no_picture: Mapping[NoPicture, int] = field(default_factory=dict)
    """How many of the unclear images are no pictures, by reason."""

    def __add__(self, other: Counts) -> Counts:
        if self.key != other.key or list(self.classes) != list(other.classes):
            raise ValueError("only counts of the same concept and axis add up")
        known = self.faithful is not None and other.faithful is not None
        return replace(
            self,
            classes={name: self.classes[name] + other.classes[name] for name in self.classes},
            unclear=self.unclear + other.unclear,
            faithful=(self.faithful or 0) + (other.faithful or 0) if known else None,
            no_picture=dict(Counter(self.no_picture) + Counter(other.no_picture)),
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """What was counted: counts of the same key add."""
        return self.concept, self.intervention, self.axis

    @property
    def clear(self) -> int:
        """Images with a class; what shares are over."""
        return sum(self.classes.values())

    @property
    def n(self) -> int:
        """All images."""
        return self.clear + self.unclear

    @property
    def shares(self) -> list[float] | None:
        """Share of each class over the clear images; None where there is none."""
        return [value / self.clear for value in self.classes.values()] if self.clear else None


def tally(
    records: Iterable[Record], axes: Sequence[Axis], asked: Mapping[str, str | None] | None = None
) -> list[Counts]:
    """Counts of every concept and axis, in the order of the records; images under different interventions apart.

    `asked` maps a concept to the class of the role axis that is faithful to it.

    Raises:
        EquinoiseError: a label that is no class of its axis.
    """
    asked = {one_form(concept): role for concept, role in (asked or {}).items()}
    labels: dict[tuple[str, str], list[Counter[str]]] = {}
    faithful: Counter[tuple[str, str]] = Counter()
    none: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        group = one_form(record.prompt), record.intervention
        counters = labels.get(group)
        if counters is None:
            counters = labels[group] = [Counter() for _ in axes]
        for counter, axis in zip(counters, axes, strict=True):
            counter[record.labels[axis.name]] += 1
        if record.no_picture:
            none.setdefault(group, []).append(record)
        role = asked.get(group[0])
        if role and likeliest(record, "role") == role:
            faithful[group] += 1
    return [
        _counts(group, axis, counter, faithful[group] if asked.get(group[0]) else None, none.get(group, ()))
        for group, counters in labels.items()
        for axis, counter in zip(axes, counters, strict=True)
    ]


def _counts(
    group: tuple[str, str], axis: Axis, found: Counter[str], faithful: int | None, none: Sequence[Record]
) -> Counts:
    """The counts of a group; of its images that are no pictures those are counted that no one has labelled."""
    strange = next((label for label in found if label != UNCLEAR and label not in axis.classes), None)
    if strange is not None:
        raise EquinoiseError(f"axis '{axis.name}' has no class '{strange}'; it has {', '.join(axis.classes)}")
    reasons = count_reasons(record.no_picture for record in none if record.labels[axis.name] == UNCLEAR)
    classes = {name: found[name] for name in axis.classes}
    return Counts(group[0], axis.name, classes, found[UNCLEAR], faithful, group[1], reasons)


def likeliest(record: Record, axis: str) -> str:
    """The most probable class, clear or not; `unclear` where none has a probability, or the image is no picture."""
    probabilities = record.detections[axis]
    label = max(probabilities, key=lambda name: probabilities[name])
    return label if probabilities[label] > 0 and record.no_picture is None else UNCLEAR


def merged(parts: Iterable[Counts]) -> list[Counts]:
    """Counts of the same concept and axis added up, in the order in which they first come."""
    whole: dict[tuple[str, str, str], Counts] = {}
    for part in parts:
        whole[part.key] = whole[part.key] + part if part.key in whole else part
    return list(whole.values())


def respelling(concepts: Sequence[str]) -> Callable[[str], str]:
    """Concept → as one of `concepts` spells it, if that is the same by `same_name`; else as it is."""
    wanted = {same_name(concept): one_form(concept) for concept in concepts}
    exact = set(wanted.values())
    return lambda concept: concept if concept in exact else wanted.get(same_name(concept), concept)


def warn_of_near_names(counts: Iterable[Counts]) -> None:
    """Warn of concepts that differ in case or spaces alone: they are prompts of their own, or a slip."""
    spelled: dict[str, dict[str, None]] = {}
    for c in counts:
        spelled.setdefault(same_name(c.concept), {})[c.concept] = None
    for names in spelled.values():
        if len(names) > 1:
            warn(
                f"counted apart, but alike except for case or spaces: {', '.join(map(repr, names))}; spell them in one "
                "way, or name one with --concept"
            )


def cross(records: Iterable[Record], axes: Sequence[Axis]) -> tuple[list[Record], Axis]:
    """The records labelled on the intersection of axes too ("woman & dark"), and that axis (`gender*tone`).

    An image that is unclear on one of them is unclear on the intersection.
    """
    both = crossed(axes)
    return [replace(r, labels={**r.labels, both.name: label_on(r, both.name)}) for r in records], both


def label_on(record: Record, axis: str) -> str:
    """The class of an image on an axis, or on an intersection of axes such as `gender*tone`."""
    if axis in record.labels:
        return record.labels[axis]
    parts = [record.labels[name] for name in axis.split(CROSS)]
    return UNCLEAR if UNCLEAR in parts else " & ".join(parts)


def crossed(axes: Sequence[Axis]) -> Axis:
    """The intersection of two or more axes: a class for every combination of theirs."""
    names = [""]
    for axis in axes:
        names = [f"{name} & {label}" if name else label for name in names for label in axis.classes]
    return Axis(CROSS.join(axis.name for axis in axes), tuple(names), False, {}, {})
