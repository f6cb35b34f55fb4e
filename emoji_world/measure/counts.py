"""What the detectors count on composed scenes, against what is there: objects, and gender × tone together.

The images go through the code of audits and of `detect --objects`. No training has used the scenes. Half of them are
places, which hold 14 of the 22 kinds of objects: sampled as in training, most objects would be so rare that missing all
of them would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emoji_world.drawing.compose import Composition, compose
from emoji_world.measure.common import SEED
from emoji_world.measure.detector import shown
from emoji_world.scenes import Scene, sample_scene
from emoji_world.tables import Row
from emoji_world.world import kinds
from equinoise.axes import Axis, load_axis
from equinoise.detectors import DetectorSpec, load_detector, read_label
from equinoise.detectors.object_loading import ObjectSpec, load_object_detector
from equinoise.language import normalised
from equinoise.results.base import Value
from equinoise.run import Record
from equinoise.statistics import share_intervals
from equinoise.understanding.counts import cross, tally
from equinoise.understanding.objects import count_objects, found_phrases, spellings
from equinoise.understanding.phrases import merge

BATCH = 64
CLOSE = 0.03
"""How near a counted share must come to the known one."""


class CountedShare(Value):
    """How many of n images show an object, or an intersection of classes, as known and as counted.

    Attributes:
        what: `objects`, or the axes of the intersection.
        off: counted share less known share.
        right: whether it is as near as it should be: within 0.03, or the known share within the counted interval.
        missed, invented: images of the object that were not found, and images without it that it was found in.
        low, high: the interval of an intersection's counted share.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {name: name for name in ("missed", "invented", "low", "high")}

    what: str
    name: str
    known: int
    counted: int
    n: int
    off: float
    right: bool
    missed: int | None = None
    invented: int | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scenes:
    """Composed scenes, and what is in them."""

    scenes: Sequence[Scene]
    pictures: Sequence[Composition]

    @classmethod
    def sample(cls, n: int) -> Scenes:
        """n fresh scenes, every second a place, the others of the other kinds in turn."""
        rng = np.random.default_rng(SEED + 17)
        others = [kind for kind in kinds() if kind != "place"]
        scenes = [sample_scene(rng, "place" if i % 2 else others[i // 2 % len(others)]) for i in range(n)]
        return cls(scenes, [compose(rng, scene) for scene in scenes])


def counts(n: int, device: str = "cpu") -> list[CountedShare]:
    """A row for each object, then a row for each intersection of gender and tone."""
    made = Scenes.sample(n)
    return [*_objects(made, device), *_intersections(made, device)]


def summary(rows: Sequence[CountedShare]) -> list[Row]:
    """By kind of row: how many are as near to the known share as they should be, and the largest distance."""
    return [
        {
            "what": what,
            "rows": len(those),
            "as they should be": sum(row.right for row in those),
            "furthest off, points": max(abs(row.off) for row in those) * 100,
        }
        for what in dict.fromkeys(row.what for row in rows)
        for those in [[row for row in rows if row.what == what]]
    ]


def _objects(made: Scenes, device: str) -> list[CountedShare]:
    found = load_object_detector(ObjectSpec("emoji", device=device))
    images = [picture.image for picture in made.pictures]
    seen = [entry for i in range(0, len(images), BATCH) for entry in found.objects(images[i : i + BATCH])]
    records = [Record(str(i), "", i, objects=[item.to_json() for item in items]) for i, items in enumerate(seen)]
    counts = {row.phrase: row.count for row in count_objects(records, merge(spellings(records), "phrase"))}
    rows = []
    for label in found.labels or ():
        there = [any(name == label for name, _ in picture.objects) for picture in made.pictures]
        told = [label in found_phrases(record) for record in records]
        count = counts.get(normalised(label), 0)  # as phrases are merged: "books" is *book*
        off = (count - sum(there)) / len(images)
        rows.append(
            CountedShare(
                what="objects",
                name=label,
                known=sum(there),
                counted=count,
                n=len(images),
                off=off,
                right=abs(off) <= CLOSE,
                missed=sum(a and not b for a, b in zip(there, told, strict=True)),
                invented=sum(b and not a for a, b in zip(there, told, strict=True)),
            )
        )
    return rows


def _intersections(made: Scenes, device: str) -> list[CountedShare]:
    axes = [load_axis("gender"), load_axis("tone")]
    people = [
        (scene, picture)
        for scene, picture in zip(made.scenes, made.pictures, strict=True)
        if all(shown(scene, axis.name) for axis in axes)
    ]
    known = [Record(str(i), "", i, labels=_shown(scene, axes)) for i, (scene, _) in enumerate(people)]
    read = [
        Record(str(i), "", i, labels=labels)
        for i, labels in enumerate(_labels([picture for _, picture in people], axes, device))
    ]
    rows = []
    (true,), (counts,) = (tally(found, [both]) for found, both in (cross(records, axes) for records in (known, read)))
    intervals = share_intervals(list(counts.classes.values()))
    for (name, count), interval in zip(counts.classes.items(), intervals, strict=True):
        share = true.classes[name] / len(people)
        rows.append(
            CountedShare(
                what="gender × tone",
                name=name,
                known=true.classes[name],
                counted=count,
                n=counts.clear,
                off=count / counts.clear - share,
                right=interval.low <= share <= interval.high,
                low=interval.low,
                high=interval.high,
            )
        )
    return rows


def _shown(scene: Scene, axes: Sequence[Axis]) -> dict[str, str]:
    return {axis.name: str(shown(scene, axis.name)) for axis in axes}


def _labels(pictures: Sequence[Composition], axes: Sequence[Axis], device: str) -> list[dict[str, str]]:
    spec = DetectorSpec("emoji", device)
    detector, images = load_detector(spec), [picture.image for picture in pictures]
    labels: list[dict[str, str]] = [{} for _ in images]
    for axis in axes:
        parts = [detector.probabilities(images[i : i + BATCH], axis) for i in range(0, len(images), BATCH)]
        for entry, row in zip(labels, np.concatenate(parts), strict=True):
            entry[axis.name] = read_label(dict(zip(axis.classes, row, strict=True)), spec.threshold(axis.name))
    return labels
