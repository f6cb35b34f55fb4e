"""Audits: counts → shares with intervals, disparity, distance to a target, correction, amplification.

Every number here is a function of counts, and counts add: the audit of k parts together is the audit of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise import statistics
from equinoise.axes import UNCLEAR, Axis
from equinoise.errors import EquinoiseError
from equinoise.run import UNTOUCHED, Record
from equinoise.statistics import Confusion, Interval
from equinoise.understanding.counts import Counts, tally
from equinoise.understanding.reference import Reference, amplification
from equinoise.understanding.targets import uniform

Intervals = Callable[[Sequence[int]], list[Interval]]
"""Counts of the classes → an interval for each share: `share_intervals`, or `share_sequences` where one may stop."""


@dataclass(frozen=True)
class Audit:
    """Counts held against a target.

    Attributes:
        confusion: what the detector gets wrong; without it nothing is corrected.
        reference: published shares to hold the model against; without it no amplification.
        intervals: how the intervals of shares are made.
    """

    counts: Counts
    target: Mapping[str, float]
    confusion: Confusion | None = None
    reference: Reference | None = None
    intervals: Intervals = statistics.share_intervals

    def to_json(self) -> dict[str, Any]:
        """The audit object of the command line."""
        c = self.counts
        applied = {} if c.intervention == UNTOUCHED else {"intervention": c.intervention}
        found = self.intervals(list(c.classes.values())) if c.clear else []
        return {
            "concept": c.concept,
            "axis": c.axis,
            **applied,
            "n": c.n,
            "unclear": c.unclear,
            "classes": self._classes(found),
            "target": dict(self.target),
            **_disparity(c, list(self.target.values()), found),
            "concept_fidelity": c.faithful / c.n if c.faithful is not None and c.n else None,
            **(amplification(c, self.reference, found) if self.reference and found else {}),
        }

    def _classes(self, found: Sequence[Interval]) -> dict[str, Any]:
        c, corrected = self.counts, self._corrected()
        intervals: Sequence[tuple[float | None, float | None]] = found or [(None, None)] * len(c.classes)
        return {
            name: {
                "count": count,
                "share": count / c.clear if c.clear else None,
                "low": low,
                "high": high,
                "corrected": share,
                "corrected_low": corrected_low,
                "corrected_high": corrected_high,
            }
            for (name, count), (low, high), (share, corrected_low, corrected_high) in zip(
                c.classes.items(), intervals, corrected, strict=True
            )
        }

    def _corrected(self) -> list[tuple[float | None, float | None, float | None]]:
        c = self.counts
        if self.confusion is None or not c.n:
            return [(None, None, None)] * len(c.classes)
        found = statistics.correct([*c.classes.values(), c.unclear], self.confusion)
        return [(share, *interval) for share, interval in zip(found.shares, found.intervals, strict=True)]


def _disparity(c: Counts, target: Sequence[float], found: Sequence[Interval]) -> dict[str, float | None]:
    counts, shares = list(c.classes.values()), c.shares
    if shares is None:
        names = ["spd", "spd_low", "spd_high", "tv", "tv_low", "tv_high", "kl_bits", "entropy_bits"]
        names += ["mean_pairwise_gap", "heim_imbalance", "floor", "gap_squared_unbiased"]
        return dict.fromkeys(names)
    spd, tv = statistics.parity_bounds(found), statistics.variation_bounds(found, target)
    return {
        "spd": statistics.parity_difference(shares),
        "spd_low": spd.low,
        "spd_high": spd.high,
        "tv": statistics.total_variation(shares, target),
        "tv_low": tv.low,
        "tv_high": tv.high,
        "kl_bits": statistics.kl_bits(shares, target),
        "entropy_bits": statistics.entropy_bits(shares),
        "mean_pairwise_gap": statistics.mean_pairwise_gap(shares),
        "heim_imbalance": statistics.heim_imbalance(shares),
        "floor": statistics.sampling_floor(target, c.clear),
        "gap_squared_unbiased": statistics.gap_squared_unbiased(counts, target),
    }


@dataclass(frozen=True)
class Report:
    """Audits of one or more concepts and axes, and each axis pooled over the concepts."""

    audits: tuple[Audit, ...]

    def to_json(self) -> dict[str, Any]:
        """`{"audits": […], "pooled": […]}`."""
        groups: dict[tuple[str, str], list[Audit]] = {}
        for found in self.audits:
            groups.setdefault((found.counts.axis, found.counts.intervention), []).append(found)
        audits = [found.to_json() for found in self.audits]
        return {"audits": audits, "pooled": [_pool(group) for group in groups.values()]}


def audit(
    records: Iterable[Record],
    axes: Sequence[Axis],
    targets: Mapping[str, Mapping[str, float]] | None = None,
    asked: Mapping[str, str | None] | None = None,
    confusions: Mapping[str, Confusion] | None = None,
    references: Mapping[tuple[str, str], Reference] | None = None,
    intervals: Intervals = statistics.share_intervals,
) -> Report:
    """Audit the records on the axes. Targets are uniform unless given; `asked` maps a concept to its role."""
    return audit_counts(tally(records, axes, asked), targets, confusions, references, intervals)


def audit_counts(
    counts: Iterable[Counts],
    targets: Mapping[str, Mapping[str, float]] | None = None,
    confusions: Mapping[str, Confusion] | None = None,
    references: Mapping[tuple[str, str], Reference] | None = None,
    intervals: Intervals = statistics.share_intervals,
) -> Report:
    """Audit counts, wherever they come from. `targets` and `confusions` by axis, `references` by concept and axis."""
    targets, confusions, references = targets or {}, confusions or {}, references or {}
    return Report(
        tuple(
            Audit(
                c,
                targets.get(c.axis) or uniform(list(c.classes)),
                confusions.get(c.axis),
                references.get((c.concept, c.axis)),
                intervals,
            )
            for c in counts
        )
    )


def change(before: Sequence[Record], after: Sequence[Record], axis: Axis) -> dict[str, dict[str, float]]:
    """Per class the share after minus before on the same seeds, with the paired 95% interval and its count of pairs.

    Over the seeds that are clear both times. Empty where there is none.

    Raises:
        EquinoiseError: the two are not over the same seeds.
    """
    first, second = ({record.seed: record.labels[axis.name] for record in rows} for rows in (before, after))
    if first.keys() != second.keys():
        raise EquinoiseError("before and after are not over the same seeds, so they cannot be paired")
    clear = [seed for seed in first if UNCLEAR not in (first[seed], second[seed])]
    differences = {}
    for name in axis.classes if clear else ():
        value, interval = statistics.paired_difference(
            [first[seed] == name for seed in clear], [second[seed] == name for seed in clear]
        )
        differences[name] = {"difference": value, "low": interval.low, "high": interval.high, "n": len(clear)}
    return differences


def _pool(audits: Sequence[Audit]) -> dict[str, Any]:
    """Mean share over the prompts with a clear image; its interval counts prompts, not images: null for one prompt."""
    counts = [found.counts for found in audits]
    first, clear = counts[0], [c for c in counts if c.clear]
    images = sum(c.clear for c in clear)
    each = 1 - 0.05 / (1 if len(first.classes) == 2 else len(first.classes))  # all classes hold together
    classes = {}
    for index, name in enumerate(first.classes):
        shares = [c.shares[index] for c in clear if c.shares]
        interval = statistics.over_prompts(shares, images, each)
        classes[name] = {
            "share": sum(shares) / len(shares) if shares else None,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
        }
    applied = {} if first.intervention == UNTOUCHED else {"intervention": first.intervention}
    return {
        "axis": first.axis,
        **applied,
        "prompts": len(clear),
        "n": sum(c.n for c in counts),
        "classes": classes,
        **_pooled_amplification(audits),
    }


def _pooled_amplification(audits: Sequence[Audit]) -> dict[str, Any]:
    """Mean bias amplification over the prompts that have a skewed reference, with an interval that counts prompts."""
    if all(found.reference is None for found in audits):
        return {}
    values = [
        value
        for found in audits
        if found.reference and found.counts.shares
        for value in [statistics.bias_amplification(found.counts.shares, list(found.reference.shares.values()))]
        if value is not None
    ]
    interval = statistics.mean_over_prompts(values)
    return {
        "bias_amplification": sum(values) / len(values) if values else None,
        "bias_amplification_low": interval.low if interval else None,
        "bias_amplification_high": interval.high if interval else None,
        "bias_amplification_prompts": len(values),
    }
