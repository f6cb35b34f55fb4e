"""What a method did: its images held against the untouched ones of the same seeds and those of named prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from scipy import stats

from equinoise import statistics
from equinoise.axes import Axis
from equinoise.errors import EquinoiseError
from equinoise.results.audits import Audit, ClassShare
from equinoise.results.interactions import AxisEffect
from equinoise.results.quality import FidelityKept, Measure, WithinClasses
from equinoise.understanding.quality import ImageVectors, Roles, compare_within, fidelity_kept, off_target


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What every method of a concept and axis is held against.

    Attributes:
        untouched: images of the same seeds.
        named: images whose prompts name the classes.
        roles: prompt → the role that is faithful to it.
    """

    axis: Axis
    others: Sequence[Axis]
    untouched: ImageVectors
    named: ImageVectors
    roles: Roles

    def within(self, made: ImageVectors) -> WithinClasses | None:
        """Diversity and kernel distance within the classes of the axis; None where no class has two images."""
        try:
            return compare_within(made, self.named, [self.axis.name])
        except EquinoiseError:
            return None

    def kept(self, made: ImageVectors) -> FidelityKept | None:
        """How often the concept is right, against untouched."""
        return fidelity_kept(self.untouched.records, made.records, self.roles)

    def off_target(self, made: ImageVectors) -> dict[str, AxisEffect]:
        """Every other axis, paired."""
        classes = {axis.name: axis.classes for axis in self.others if axis.name != self.axis.name}
        return off_target(self.untouched.records, made.records, classes)

    @cached_property
    def bare(self) -> WithinClasses | None:
        """Diversity and kernel distance of the untouched images themselves."""
        return self.within(self.untouched)

    def moved(self, made: ImageVectors) -> Measure | None:
        """Mean of 1 − cosine between an image and the untouched one of its seed, with the interval of the mean (t).

        None for fewer than two pairs.
        """
        before = {
            record.seed: vector for record, vector in zip(self.untouched.records, self.untouched.vectors, strict=True)
        }
        pairs = [(before[r.seed], v) for r, v in zip(made.records, made.vectors, strict=True) if r.seed in before]
        gaps = np.array([1 - float(a @ b) for a, b in pairs])
        if len(gaps) < 2:
            return None
        half = float(stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / sqrt(len(gaps)))
        mean = float(gaps.mean())
        return Measure(value=mean, low=mean - half, high=mean + half)

    def worse(self, kept: FidelityKept | None, within: WithinClasses | None) -> list[str]:
        """The gates that are not passed: the concept right less often, the images farther, than untouched."""
        found = ["concept"] if kept and kept.difference.high < 0 else []
        return found + (["images"] if self.bare and within and larger(within.kid, self.bare.kid) else [])


def larger(ours: Measure, theirs: Measure) -> bool:
    """Whether a number is larger than another beyond chance, by their intervals (Zou and Donner 2008)."""
    return ours.value - theirs.value > sqrt((ours.value - ours.low) ** 2 + (theirs.high - theirs.value) ** 2)


def gap_squared(audit: Audit) -> Measure | None:
    """The unbiased squared gap to the target with its interval; None for fewer than two clear images."""
    counts, target = [found.count for found in audit.classes.values()], list(audit.target.values())
    value, ends = audit.gap_squared_unbiased, statistics.gap_squared_interval(counts, target)
    return Measure(value=value, low=ends[0], high=ends[1]) if value is not None and ends else None


def counted(count: int, n: int) -> ClassShare:
    """A share of n images with its interval."""
    interval = statistics.wilson(count, n)
    return ClassShare(count=count, share=count / n, low=interval.low, high=interval.high)
