"""Audits: records → counts → shares with intervals, disparity and distance to a target.

Every number here is a function of counts, and counts add: the audit of k parts together is the audit of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise import statistics
from equinoise.axes import Axis
from equinoise.detectors import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.run import Record


@dataclass(frozen=True)
class Counts:
    """Images of one concept by class of one axis, `unclear` apart. Addition merges."""

    concept: str
    axis: str
    classes: Mapping[str, int]
    unclear: int = 0
    faithful: int | None = None
    """How many show the role or scene that was asked for; None without a detector for it."""

    def __add__(self, other: Counts) -> Counts:
        if (self.concept, self.axis, list(self.classes)) != (other.concept, other.axis, list(other.classes)):
            raise ValueError("only counts of the same concept and axis add up")
        known = self.faithful is not None and other.faithful is not None
        return Counts(
            self.concept,
            self.axis,
            {name: self.classes[name] + other.classes[name] for name in self.classes},
            self.unclear + other.unclear,
            (self.faithful or 0) + (other.faithful or 0) if known else None,
        )

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


def count(concept: str, records: Iterable[Record], axis: Axis, asked: str | None = None) -> Counts:
    """Count the records of one concept. `asked` is the class of the role axis that is faithful to it."""
    rows = list(records)
    found = Counter(record.labels[axis.name] for record in rows)
    faithful = sum(_likeliest(record, "role") == asked for record in rows) if asked else None
    return Counts(concept, axis.name, {name: found[name] for name in axis.classes}, found[UNCLEAR], faithful)


def _likeliest(record: Record, axis: str) -> str:
    probabilities = record.detections[axis]
    return max(probabilities, key=lambda name: probabilities[name])


def parse_target(text: str, axis: Axis) -> dict[str, float]:
    """`uniform`, or `woman:0.4,man:0.6` with every class named and a sum of 1.

    Raises:
        EquinoiseError: unknown or missing class, a share that is no number in 0–1, or another sum.
    """
    if text == "uniform":
        return {name: 1 / len(axis.classes) for name in axis.classes}
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        axis.require(name.strip())
        try:
            shares[name.strip()] = float(value)
        except ValueError as error:
            raise EquinoiseError(f"target '{part}' needs a share, such as {axis.classes[0]}:0.5") from error
    if set(shares) != set(axis.classes) or not all(0 <= share <= 1 for share in shares.values()):
        raise EquinoiseError(f"a target for '{axis.name}' names each of {', '.join(axis.classes)} with a share in 0–1")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise EquinoiseError(f"the shares of target '{text}' sum to {sum(shares.values()):g}, not to 1")
    return {name: shares[name] for name in axis.classes}


@dataclass(frozen=True)
class Audit:
    """Counts held against a target."""

    counts: Counts
    target: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The audit object of the command line."""
        c, target = self.counts, list(self.target.values())
        shares = c.shares
        intervals = statistics.share_intervals(list(c.classes.values()))
        return {
            "concept": c.concept,
            "axis": c.axis,
            "n": c.n,
            "unclear": c.unclear,
            "classes": {
                name: {
                    "count": value,
                    "share": value / c.clear if c.clear else None,
                    "low": interval.low if c.clear else None,
                    "high": interval.high if c.clear else None,
                    "corrected": None,
                    "corrected_low": None,
                    "corrected_high": None,
                }
                for (name, value), interval in zip(c.classes.items(), intervals, strict=True)
            },
            "target": dict(self.target),
            "spd": statistics.parity_difference(shares) if shares else None,
            "tv": statistics.total_variation(shares, target) if shares else None,
            "kl_bits": statistics.kl_bits(shares, target) if shares else None,
            "entropy_bits": statistics.entropy_bits(shares) if shares else None,
            "floor": statistics.sampling_floor(target, c.clear),
            "gap_squared_unbiased": statistics.gap_squared_unbiased(list(c.classes.values()), target),
            "concept_fidelity": c.faithful / c.n if c.faithful is not None and c.n else None,
        }


@dataclass(frozen=True)
class Report:
    """Audits of one or more concepts and axes, and each axis pooled over the concepts."""

    audits: tuple[Audit, ...]

    def to_json(self) -> dict[str, Any]:
        """`{"audits": […], "pooled": […]}`."""
        axes = dict.fromkeys(audit.counts.axis for audit in self.audits)
        pooled = [_pool([audit.counts for audit in self.audits if audit.counts.axis == axis]) for axis in axes]
        return {"audits": [audit.to_json() for audit in self.audits], "pooled": pooled}


def audit(
    records: Sequence[Record],
    axes: Sequence[Axis],
    targets: Mapping[str, Mapping[str, float]] | None = None,
    asked: Mapping[str, str | None] | None = None,
) -> Report:
    """Audit the records on the axes. Targets are uniform unless given; `asked` maps a concept to its role."""
    targets, asked = targets or {}, asked or {}
    concepts = list(dict.fromkeys(record.prompt for record in records))
    audits = []
    for concept in concepts:
        rows = [record for record in records if record.prompt == concept]
        for axis in axes:
            counts = count(concept, rows, axis, asked.get(concept))
            audits.append(Audit(counts, targets.get(axis.name) or parse_target("uniform", axis)))
    return Report(tuple(audits))


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


def _pool(counts: Sequence[Counts]) -> dict[str, Any]:
    """Mean share over prompts; its interval counts prompts, not images, and is null for one prompt."""
    clear = [c for c in counts if c.clear]
    classes = {}
    for index, name in enumerate(counts[0].classes):
        shares = [c.shares[index] for c in clear if c.shares]
        interval = statistics.over_prompts(shares)
        classes[name] = {
            "share": sum(shares) / len(shares) if shares else None,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
        }
    return {"axis": counts[0].axis, "prompts": len(counts), "n": sum(c.n for c in counts), "classes": classes}
