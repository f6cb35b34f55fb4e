"""Misalignment: an encoder ties one attribute closer to a concept than another, yet the images show it less often.

A finding is a pair of attributes on which relation and frequency disagree, with both claims tested: closer (over
wordings or images of the encoder) and shown less often (over the same images of the concept). The chance that any
finding of a comparison is false is at most α (`statistics.adjust_reversals` says why); the interval of its difference
in relation excludes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from equinoise import statistics
from equinoise.errors import EquinoiseError
from equinoise.statistics import PairCount, Similarity
from equinoise.statistics.reversals import Shown
from equinoise.understanding.relations import TextRelation, VisionRelation

ALPHA = 0.05
ENCODERS = {
    "text": "the text encoder",
    "text_centred": "the text encoder, centred",
    "vision": "the vision encoder",
}


@dataclass(frozen=True)
class Relation:
    """The relation of k attributes in one encoder, as a comparison needs it.

    Attributes:
        kind: a key of `ENCODERS`.
        values: (k,).
        draws: makes (resamples, k): the same under other draws of what it was measured on.
        difference: of two attributes, with its interval.
        p: two-sided p-value of that difference; None where nothing says how sure it is.
        independent: whether it was measured apart from the images that are counted, as texts are.
    """

    kind: str
    values: Sequence[float]
    draws: Callable[[], Shown]
    difference: Callable[[int, int], Similarity]
    p: Callable[[int, int], float | None]
    independent: bool


@dataclass(frozen=True)
class Pair:
    """Two attributes, the one with the closer relation first."""

    first: int
    second: int
    counts: PairCount
    p_relation: float


@dataclass(frozen=True)
class Finding:
    """A pair that disagrees: how much closer the first is, and the p-value of both claims adjusted for all pairs."""

    pair: Pair
    relation: Similarity
    p: float


@dataclass(frozen=True)
class Disagreements:
    """What was compared, and what came of it.

    Attributes:
        names: of the attributes.
        shown: (images, attributes); see `statistics.reversals`.
        adjusted: the p-value of each pair, adjusted for all; None where its relation is not established.
    """

    concept: str
    names: tuple[str, ...]
    relation: Relation
    shown: Shown
    pairs: tuple[Pair, ...]
    adjusted: tuple[float | None, ...]
    alpha: float = ALPHA

    @property
    def findings(self) -> list[Finding]:
        """The pairs that disagree; the surest first, then the largest gap in shares."""
        known = [(pair, p) for pair, p in zip(self.pairs, self.adjusted, strict=True) if p is not None]
        found = [Finding(a, self.relation.difference(a.first, a.second), p) for a, p in known if p <= self.alpha]
        clear = [finding for finding in found if finding.relation.clear]
        return sorted(clear, key=lambda f: (f.p, _gap(f.pair.counts), f.pair.first, f.pair.second))

    def to_json(self) -> dict[str, Any]:
        """`{"findings": […], "tested": …}` and what they rest on."""
        rank, interval = statistics.rank_agreement(self.relation.values, self.relation.draws(), self.shown)
        return {
            "concept": self.concept,
            "encoder": self.relation.kind,
            "findings": [self._finding(finding) for finding in self.findings],
            "tested": len(self.pairs),
            "established": sum(p is not None for p in self.adjusted),
            "alpha": self.alpha,
            "images": len(self.shown),
            "attributes": [self._attribute(index) for index in range(len(self.names))],
            "rank_correlation": rank,
            "rank_low": interval.low if interval else None,
            "rank_high": interval.high if interval else None,
        }

    def _attribute(self, index: int) -> dict[str, Any]:
        column = self.shown[:, index]
        clear = column[~np.isnan(column)]
        count, n = int(clear.sum()), len(clear)
        interval = statistics.wilson(count, n)
        return {
            "attribute": self.names[index], "relation": float(self.relation.values[index]), "count": count, "n": n,
            "share": count / n, "low": interval.low, "high": interval.high,
        }  # fmt: skip

    def _finding(self, finding: Finding) -> dict[str, Any]:
        pair, c = finding.pair, finding.pair.counts
        low, high = finding.relation.interval or (None, None)
        a, b = self._clear_columns(pair)
        gap, gap_interval = statistics.paired_difference(b, a)
        return {
            "attribute": self.names[pair.first],
            "than": self.names[pair.second],
            "relation": float(self.relation.values[pair.first]),
            "relation_than": float(self.relation.values[pair.second]),
            "share": c.first / c.n,
            "share_than": c.second / c.n,
            "count": c.first,
            "count_than": c.second,
            "n": c.n,
            "difference": finding.relation.value,
            "low": low,
            "high": high,
            "share_difference": gap,
            "share_low": gap_interval.low,
            "share_high": gap_interval.high,
            "p_relation": pair.p_relation,
            "p_frequency": c.p_less,
            "p_adjusted": finding.p,
            "sentence": self._sentence(finding),
        }

    def _clear_columns(self, pair: Pair) -> tuple[list[bool], list[bool]]:
        rows = self.shown[:, [pair.first, pair.second]]
        clear = rows[~np.isnan(rows).any(axis=1)] > 0.5
        return [bool(value) for value in clear[:, 0]], [bool(value) for value in clear[:, 1]]

    def _sentence(self, finding: Finding) -> str:
        pair, c, apart = finding.pair, finding.pair.counts, finding.relation
        first, second = self.names[pair.first], self.names[pair.second]
        a, b = (self.relation.values[i] for i in (pair.first, pair.second))
        low, high = apart.interval or (apart.value, apart.value)
        return (
            f"'{first}' is closer to '{self.concept}' than '{second}' in {ENCODERS[self.relation.kind]} "
            f"({a:.2f} against {b:.2f}, difference {apart.value:.2f}, {low:.2f} to {high:.2f}), "
            f"yet {c.first} of {c.n} images show one against {c.second}."
        )


def find_disagreements(
    concept: str, names: Sequence[str], relation: Relation, shown: Shown, alpha: float = ALPHA
) -> Disagreements:
    """Compare the relation of attributes with how often images of the concept show them.

    `shown` (images, attributes): 1, 0, or NaN where unclear; every column with a clear image. Every pair is tested, in
    the direction that its relation has: the other one cannot be a finding.

    Raises:
        EquinoiseError: fewer than two attributes, no images, or a relation without an interval.
    """
    if len(names) < 2:
        raise EquinoiseError(f"{len(names)} attributes have both a relation and a frequency; pairs need at least two")
    pairs = tuple(_pair(relation, shown, i, j) for i, j in combinations(range(len(names)), 2))
    closer, counts = [pair.p_relation for pair in pairs], [pair.counts for pair in pairs]
    adjusted = statistics.adjust_reversals(closer, counts, relation.independent, alpha)
    return Disagreements(concept, tuple(names), relation, shown, pairs, tuple(adjusted), alpha)


def _pair(relation: Relation, shown: Shown, i: int, j: int) -> Pair:
    first, second = (i, j) if relation.values[i] >= relation.values[j] else (j, i)
    closer, counts = relation.p(first, second), statistics.count_pair(shown, first, second)
    if closer is None:
        raise EquinoiseError("a relation measured on a single wording or image has no interval to compare by")
    return Pair(first, second, counts, closer)


def _gap(counts: PairCount) -> float:
    return (counts.first - counts.second) / max(1, counts.n)


def of_texts(found: TextRelation, centred: bool = True) -> Relation:
    """The relation in a text encoder."""
    values = found.centred if centred else found.raw
    return Relation(
        "text_centred" if centred else "text",
        [float(value) for value in values.mean(axis=0)],
        lambda: statistics.resampled(values),
        lambda i, j: found.difference(i, j, centred),
        lambda i, j: found.p(i, j, centred),
        independent=True,
    )


def of_images(found: VisionRelation) -> Relation:
    """The relation in a vision encoder, which sees the very images that are counted."""
    values = [float(value) for value in found.values]
    return Relation(
        "vision",
        values,
        lambda: found.draws,
        found.difference,
        lambda i, j: found.difference(i, j).p,
        independent=False,
    )
