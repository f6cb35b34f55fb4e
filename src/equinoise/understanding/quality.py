"""Quality beside fairness: is the concept still shown, is variety kept, are the pictures as good, what else moved?

Each question compares with something: fidelity and the other axes with the untouched images of the same seeds, variety
and realism with images whose prompts name the classes, since a model can show those without any intervention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equinoise import statistics
from equinoise.axes import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.results.interactions import AxisEffect
from equinoise.results.quality import ComparedClass, Fidelity, FidelityKept, Measure, WithinClasses
from equinoise.run import ROLE, UNTOUCHED, Record
from equinoise.statistics.quality import LEAST
from equinoise.understanding.counts import likeliest
from equinoise.understanding.interactions import measure_effects

Roles = Callable[[str], str | None]
"""Prompt → the role that is faithful to it; None where no role can be told."""
MOVED = "moved"


@dataclass(frozen=True, eq=False)
class ImageVectors:
    """Images of a run: their records, and in the same order their vectors (n, d) of unit length."""

    records: Sequence[Record]
    vectors: NDArray[np.float64]

    def by_class(self, axes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Class, or combination of classes ("woman & dark") → vectors; images that are unclear on an axis left out."""
        cells = [tuple(record.labels.get(axis, UNCLEAR) for axis in axes) for record in self.records]
        found = {cell for cell in cells if UNCLEAR not in cell}
        return {" & ".join(cell): self.vectors[[own == cell for own in cells]] for cell in sorted(found)}


def compare_within(ours: ImageVectors, theirs: ImageVectors, axes: Sequence[str]) -> WithinClasses:
    """Diversity and kernel distance of two sets of images within the classes of the axes.

    Classes with fewer than two images on a side are left out; `compared` says how many of our images are left.

    Raises:
        EquinoiseError: no class has two images on both sides.
    """
    mine, other = ours.by_class(axes), theirs.by_class(axes)
    shared = [name for name, found in mine.items() if min(len(found), len(other.get(name, ()))) >= LEAST]
    if not shared:
        raise EquinoiseError(
            f"no class of {', '.join(axes)} has two images in both runs; generate more, or compare with a run whose "
            "prompts name the classes"
        )
    pairs = [(mine[name], other[name]) for name in shared]
    return WithinClasses(
        diversity=Measure(**statistics.diversity_ratio(pairs)._asdict()),
        kid=Measure(**statistics.kernel_distance(pairs)._asdict()),
        classes=tuple(ComparedClass(label=name, n=len(mine[name]), against=len(other[name])) for name in shared),
        compared=sum(len(mine[name]) for name in shared),
    )


def fidelity(records: Sequence[Record], roles: Roles) -> Fidelity | None:
    """The share of images that show the role asked for, with its interval; None where no role can be told."""
    seen = list(faithful(records, roles).values())
    if not seen:
        return None
    interval = statistics.wilson(sum(seen), len(seen))
    return Fidelity(n=len(seen), share=sum(seen) / len(seen), low=interval.low, high=interval.high)


def fidelity_kept(before: Sequence[Record], after: Sequence[Record], roles: Roles) -> FidelityKept | None:
    """Fidelity after against before on the same prompts and seeds, paired; None where nothing pairs."""
    first, second = faithful(before, roles), faithful(after, roles)
    both = [key for key in first if key in second]
    if not both:
        return None
    was, now = [first[key] for key in both], [second[key] for key in both]
    difference = _measure(*statistics.paired_difference(was, now))
    ratio = _measure(*statistics.paired_ratio(was, now)) if any(was) and any(now) else None
    return FidelityKept(pairs=len(both), difference=difference, ratio=ratio)


def faithful(records: Sequence[Record], roles: Roles) -> dict[tuple[str, int], bool]:
    """Prompt and seed → whether the image shows the role asked for; images whose role cannot be told are left out."""
    asked = {prompt: roles(prompt) for prompt in {record.prompt for record in records}}
    known = [record for record in records if asked[record.prompt] and ROLE in record.detections]
    return {(record.prompt, record.seed): likeliest(record, ROLE) == asked[record.prompt] for record in known}


def off_target(
    before: Sequence[Record], after: Sequence[Record], classes: Mapping[str, Sequence[str]]
) -> dict[str, AxisEffect]:
    """The effect on every axis that was not meant to move, paired, all interventions taken together.

    `classes`: axis → its classes; the result is empty where there is no such axis.
    """
    if not classes:
        return {}
    untouched = [replace(record, intervention=UNTOUCHED) for record in before]
    (effect,) = measure_effects([*untouched, *(replace(record, intervention=MOVED) for record in after)], classes)
    return effect.axes


def _measure(value: float, interval: statistics.Interval) -> Measure:
    return Measure(value=value, low=interval.low, high=interval.high)
