"""Disagreements of encoder and images: an attribute is closer to a concept than another, yet shown less often.

A finding is a pair of attributes on which relation and frequency disagree. Both claims are tested: that the first
attribute is closer in the encoder (over wordings, or over images), and that images of the concept show it less often
(over the same images). The probability that any finding of a comparison is false is at most α
(`statistics.adjust_reversals` says why); the interval of the difference in relation excludes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from equinoise import statistics
from equinoise.errors import EquinoiseError
from equinoise.results.disagreements import AttributeFrequency, Disagreement, DisagreementsResult
from equinoise.results.relations import Kind
from equinoise.statistics import PairCount, Similarity
from equinoise.statistics.reversals import Shown
from equinoise.understanding.relations import TextRelation, VisionRelation

ALPHA = 0.05
ENCODERS: Mapping[Kind, str] = {
    "text": "the text encoder",
    "text_centred": "the text encoder, centred",
    "vision": "the vision encoder",
}


@dataclass(frozen=True)
class Relation:
    """The relation of k attributes in one encoder, as a comparison needs it.

    Attributes:
        kind: of the cosines.
        values: (k,).
        resamples: makes (resamples, k): the same over resamples of the wordings or images that were measured.
        difference: of two attributes, with its interval.
        p: two-sided p-value of that difference; None where nothing tells its spread.
        independent: whether it was measured apart from the images that are counted, as texts are.
    """

    kind: Kind
    values: Sequence[float]
    resamples: Callable[[], Shown]
    difference: Callable[[int, int], Similarity]
    p: Callable[[int, int], float | None]
    independent: bool

    @classmethod
    def in_texts(cls, found: TextRelation, centred: bool = True) -> Relation:
        """The relation in a text encoder."""
        values = found.centred if centred else found.raw
        return cls(
            kind="text_centred" if centred else "text",
            values=[float(value) for value in values.mean(axis=0)],
            resamples=lambda: statistics.resampled(values),
            difference=lambda i, j: found.difference(i, j, centred),
            p=lambda i, j: found.p(i, j, centred),
            independent=True,
        )

    @classmethod
    def in_images(cls, found: VisionRelation) -> Relation:
        """The relation in a vision encoder, which sees the very images that are counted."""
        return cls(
            kind="vision",
            values=[float(value) for value in found.values],
            resamples=lambda: found.resamples,
            difference=found.difference,
            p=lambda i, j: found.difference(i, j).p,
            independent=False,
        )


@dataclass(frozen=True)
class ComparedPair:
    """Two attributes, the one with the closer relation first; `p_relation` is two-sided, of the relations being equal.

    `counts`: how many images show each.
    """

    first: int
    second: int
    counts: PairCount
    p_relation: float


@dataclass(frozen=True)
class Finding:
    """A pair that disagrees: how much closer the first is, and the p-value of both claims adjusted for all pairs."""

    pair: ComparedPair
    relation: Similarity
    p: float


@dataclass(frozen=True)
class Disagreements:
    """Relation and frequency of each attribute, and the p-values of all pairs.

    Attributes:
        names: of the attributes.
        shown: (images, attributes); see `statistics.reversals`.
        adjusted: the p-value of each pair, adjusted for all; None where its relation is not established.
    """

    concept: str
    names: tuple[str, ...]
    relation: Relation
    shown: Shown
    pairs: tuple[ComparedPair, ...]
    adjusted: tuple[float | None, ...]
    alpha: float = ALPHA

    @property
    def findings(self) -> list[Finding]:
        """The pairs that disagree; the surest first, then the largest gap in shares."""
        known = [(pair, p) for pair, p in zip(self.pairs, self.adjusted, strict=True) if p is not None]
        found = [Finding(a, self.relation.difference(a.first, a.second), p) for a, p in known if p <= self.alpha]
        clear = [finding for finding in found if finding.relation.clear]
        return sorted(clear, key=lambda f: (f.p, _gap(f.pair.counts), f.pair.first, f.pair.second))

    def result(self, sources: Sequence[str] | None = None) -> DisagreementsResult:
        """The findings and what they rest on; `sources`: where each attribute was counted."""
        rank, interval = statistics.rank_agreement(self.relation.values, self.relation.resamples(), self.shown)
        places: Sequence[str | None] = sources or [None] * len(self.names)
        return DisagreementsResult(
            concept=self.concept,
            encoder=self.relation.kind,
            findings=tuple(self._disagreement(finding) for finding in self.findings),
            tested=len(self.pairs),
            established=sum(p is not None for p in self.adjusted),
            alpha=self.alpha,
            images=len(self.shown),
            attributes=tuple(self._frequency(index, source) for index, source in enumerate(places)),
            rank_correlation=rank,
            rank_low=interval.low if interval else None,
            rank_high=interval.high if interval else None,
        )

    def _frequency(self, index: int, source: str | None) -> AttributeFrequency:
        column = self.shown[:, index]
        clear = column[~np.isnan(column)]
        count, n = int(clear.sum()), len(clear)
        interval = statistics.wilson(count, n)
        return AttributeFrequency(
            attribute=self.names[index],
            relation=float(self.relation.values[index]),
            count=count,
            n=n,
            share=count / n,
            low=interval.low,
            high=interval.high,
            source=source,
        )

    def _disagreement(self, finding: Finding) -> Disagreement:
        pair, c = finding.pair, finding.pair.counts
        low, high = finding.relation.interval or (None, None)
        a, b = self._clear_columns(pair)
        gap, gap_interval = statistics.paired_difference(b, a)
        return Disagreement(
            attribute=self.names[pair.first],
            than=self.names[pair.second],
            relation=float(self.relation.values[pair.first]),
            relation_than=float(self.relation.values[pair.second]),
            share=c.first / c.n,
            share_than=c.second / c.n,
            count=c.first,
            count_than=c.second,
            n=c.n,
            difference=finding.relation.value,
            low=low,
            high=high,
            share_difference=gap,
            share_low=gap_interval.low,
            share_high=gap_interval.high,
            p_relation=pair.p_relation,
            p_frequency=c.p_less,
            p_adjusted=finding.p,
            sentence=self._sentence(finding),
        )

    def _clear_columns(self, pair: ComparedPair) -> tuple[list[bool], list[bool]]:
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

    `shown` (images, attributes): 1, 0, or NaN where unclear; every column with a clear image. Every pair is tested in
    the direction of its relation, since a pair in the other direction is no finding.

    Raises:
        EquinoiseError: fewer than two attributes, no images, or a relation without an interval.
    """
    if len(names) < 2:
        raise EquinoiseError(f"{len(names)} attributes have both a relation and a frequency; pairs need at least two")
    pairs = tuple(_pair(relation, shown, i, j) for i, j in combinations(range(len(names)), 2))
    closer, counts = [pair.p_relation for pair in pairs], [pair.counts for pair in pairs]
    adjusted = statistics.adjust_reversals(closer, counts, relation.independent, alpha)
    return Disagreements(concept, tuple(names), relation, shown, pairs, tuple(adjusted), alpha)


def _pair(relation: Relation, shown: Shown, i: int, j: int) -> ComparedPair:
    first, second = (i, j) if relation.values[i] >= relation.values[j] else (j, i)
    closer, counts = relation.p(first, second), statistics.count_pair(shown, first, second)
    if closer is None:
        raise EquinoiseError("a relation measured on a single wording or image has no interval; measure it on several")
    return ComparedPair(first, second, counts, closer)


def _gap(counts: PairCount) -> float:
    return (counts.first - counts.second) / max(1, counts.n)
