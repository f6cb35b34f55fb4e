"""Audits: counts → shares with intervals, disparity, distance to a target, correction, amplification.

Every number here is a function of counts, and counts add: the audit of k parts together is the audit of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from equinoise import statistics
from equinoise.results.audits import AmplifiedShare, Audit, AuditResult, ClassShare, Pooled, PooledShare
from equinoise.run import UNTOUCHED
from equinoise.statistics import Confusion, Interval
from equinoise.understanding.counts import Counts
from equinoise.understanding.reference import Reference
from equinoise.understanding.targets import uniform

Intervals = Callable[[Sequence[int]], list[Interval]]
"""Counts of the classes → an interval for each share: `share_intervals`, or `share_sequences` where one may stop."""


@dataclass(frozen=True)
class Measures:
    """What counts are held against.

    Attributes:
        targets: by axis; uniform where there is none.
        confusions: by axis, what the detector gets wrong; without one nothing is corrected.
        references: published shares by concept and axis; without one no amplification.
        intervals: how the intervals of shares are made.
    """

    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    references: Mapping[tuple[str, str], Reference] = field(default_factory=dict)
    intervals: Intervals = statistics.share_intervals

    def audit(self, counts: Iterable[Counts]) -> AuditResult:
        """The audit of each concept and axis, and each axis pooled over the concepts."""
        known = list(counts)
        audits = tuple(self._audit(c) for c in known)
        groups: dict[tuple[str, str], list[Counts]] = {}
        for c in known:
            groups.setdefault((c.axis, c.intervention), []).append(c)
        return AuditResult(audits=audits, pooled=tuple(self._pool(group) for group in groups.values()))

    def _audit(self, c: Counts) -> Audit:
        target = dict(self.targets.get(c.axis) or uniform(list(c.classes)))
        found = self.intervals(list(c.classes.values())) if c.clear else []
        reference = self.references.get((c.concept, c.axis))
        compared = reference is not None and c.shares is not None
        shares, theirs = c.shares or [], list(reference.shares.values()) if reference else []
        disparity = _Disparity.measured(c, list(target.values()), found)
        return Audit(
            concept=c.concept,
            axis=c.axis,
            intervention=None if c.intervention == UNTOUCHED else c.intervention,
            n=c.n,
            unclear=c.unclear,
            no_picture=dict(c.no_picture) or None,
            classes=self._classes(c, found),
            target=target,
            **vars(disparity),
            concept_fidelity=c.faithful / c.n if c.faithful is not None and c.n else None,
            amplification=_amplified(c, reference, found) if reference and compared else None,
            bias_amplification=statistics.bias_amplification(shares, theirs) if compared else None,
        )

    def _classes(self, c: Counts, found: Sequence[Interval]) -> dict[str, ClassShare]:
        confusion = self.confusions.get(c.axis)
        # an image that is no picture says nothing of any class, so that it is no evidence of one that is often unclear
        read = [*c.classes.values(), c.unclear - sum(c.no_picture.values())]
        truth = statistics.correct(read, confusion) if confusion and sum(read) else None
        corrected = zip(truth.shares, truth.intervals, strict=True) if truth else repeat((None, None))
        intervals: Iterable[tuple[float | None, float | None]] = found or repeat((None, None))
        return {
            name: ClassShare(
                count=count,
                share=count / c.clear if c.clear else None,
                low=low,
                high=high,
                corrected=share,
                corrected_low=ends[0] if ends else None,
                corrected_high=ends[1] if ends else None,
            )
            for (name, count), (low, high), (share, ends) in zip(c.classes.items(), intervals, corrected, strict=False)
        }

    def _pool(self, counts: Sequence[Counts]) -> Pooled:
        """Mean share over the prompts with a clear image; its interval counts prompts, None for a single prompt."""
        first, clear = counts[0], [c for c in counts if c.clear]
        images = sum(c.clear for c in clear)
        each = 1 - 0.05 / (1 if len(first.classes) == 2 else len(first.classes))  # all classes hold together
        classes = {}
        for index, name in enumerate(first.classes):
            shares = [c.shares[index] for c in clear if c.shares]
            low, high = statistics.over_prompts(shares, images, each) or (None, None)
            classes[name] = PooledShare(share=sum(shares) / len(shares) if shares else None, low=low, high=high)
        values = self._amplifications(counts)
        low, high = (statistics.mean_over_prompts(values) if values else None) or (None, None)
        return Pooled(
            axis=first.axis,
            intervention=None if first.intervention == UNTOUCHED else first.intervention,
            prompts=len(clear),
            n=sum(c.n for c in counts),
            classes=classes,
            bias_amplification=sum(values) / len(values) if values else None,
            bias_amplification_low=low,
            bias_amplification_high=high,
            bias_amplification_prompts=None if values is None else len(values),
        )

    def _amplifications(self, counts: Sequence[Counts]) -> list[float] | None:
        """Bias amplification of each prompt with a skewed reference; None where no prompt has a reference."""
        pairs = [(c.shares, self.references.get((c.concept, c.axis))) for c in counts]
        if all(reference is None for _, reference in pairs):
            return None
        values = [
            statistics.bias_amplification(shares, list(reference.shares.values()))
            for shares, reference in pairs
            if reference and shares
        ]
        return [value for value in values if value is not None]


@dataclass(frozen=True)
class _Disparity:
    """The measures of one audit; None throughout where no image was clear."""

    spd: float | None = None
    spd_low: float | None = None
    spd_high: float | None = None
    tv: float | None = None
    tv_low: float | None = None
    tv_high: float | None = None
    kl_bits: float | None = None
    entropy_bits: float | None = None
    mean_pairwise_gap: float | None = None
    heim_imbalance: float | None = None
    floor: float | None = None
    gap_squared_unbiased: float | None = None

    @classmethod
    def measured(cls, c: Counts, target: Sequence[float], found: Sequence[Interval]) -> _Disparity:
        shares = c.shares
        if shares is None:
            return cls()
        spd, tv = statistics.parity_bounds(found), statistics.variation_bounds(found, target)
        return cls(
            spd=statistics.parity_difference(shares),
            spd_low=spd.low,
            spd_high=spd.high,
            tv=statistics.total_variation(shares, target),
            tv_low=tv.low,
            tv_high=tv.high,
            kl_bits=statistics.kl_bits(shares, target),
            entropy_bits=statistics.entropy_bits(shares),
            mean_pairwise_gap=statistics.mean_pairwise_gap(shares),
            heim_imbalance=statistics.heim_imbalance(shares),
            floor=statistics.sampling_floor(target, c.clear),
            gap_squared_unbiased=statistics.gap_squared_unbiased(list(c.classes.values()), target),
        )


def _amplified(c: Counts, reference: Reference, found: Sequence[Interval]) -> dict[str, AmplifiedShare]:
    """What the model adds to the reference: each class's difference with its interval."""
    counted, shares = reference.counts, c.shares or []
    known = [None] * len(c.classes) if counted is None else statistics.share_intervals(list(counted.values()))
    differences = {}
    for name, share, interval, theirs in zip(c.classes, shares, found, known, strict=True):
        at = reference.shares[name]
        low, high = statistics.difference_from(share, interval, at, theirs)
        differences[name] = AmplifiedShare(reference=at, difference=share - at, low=low, high=high)
    return differences
