"""Pairs on which two orders disagree: closer in one, yet counted less often in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from equinoise.statistics.intervals import Interval

Shown = NDArray[np.float64]
"""(images, attributes): 1 where an image shows it, 0 where it does not, NaN where that is unclear."""


@dataclass(frozen=True)
class PairCount:
    """Two attributes counted on the same images.

    Attributes:
        n: images on which both are clear.
        first, second: how many show each.
        only_first, only_second: how many show one without the other.
    """

    n: int
    first: int
    second: int
    only_first: int
    only_second: int

    @property
    def p_less(self) -> float:
        """One-sided exact p-value that the first is shown less often than the second (McNemar 1947, Psychometrika).

        Where neither is more frequent, an image that shows one of the two alone shows either with probability ½:
        P(X ≤ only_first), X ~ Binomial(only_first + only_second, ½). 1 where no image tells them apart.
        """
        return float(special.bdtr(self.only_first, self.only_first + self.only_second, 0.5))

    @property
    def p_more(self) -> float:
        """The same for the other direction: that the first is shown more often than the second."""
        return float(special.bdtr(self.only_second, self.only_first + self.only_second, 0.5))


def count_pair(shown: Shown, first: int, second: int) -> PairCount:
    """Counts of two columns over the images on which both are clear."""
    a, b = shown[:, first], shown[:, second]
    clear = ~(np.isnan(a) | np.isnan(b))
    i, j = a[clear] > 0.5, b[clear] > 0.5
    return PairCount(int(clear.sum()), int(i.sum()), int(j.sum()), int((i & ~j).sum()), int((j & ~i).sum()))


def adjust_reversals(
    relation: Sequence[float], counts: Sequence[PairCount], independent: bool, alpha: float = 0.05
) -> list[float | None]:
    """p-values of reversals adjusted for all m pairs: at most α holds the chance of *any* false finding at α.

    `relation`: the two-sided p-value of each difference in relation; `counts`: of each pair, the one with the closer
    relation first. None where that relation is not established.

    A finding is false if either claim is, so the two have a share of α each. *Closer* is established where m · p ≤ α/5
    (Bonferroni: wordings decide it by a wide margin or not at all): a false one gets through with probability α/5 at
    most. *Less often* is tested by Holm (1979, Scand. J. Stat. 6) at the other 4α/5, in a family that depends on what
    the relation was measured on:

    - `independent` of the images that are counted, as wordings are: given the relation, the established pairs and
      their directions are fixed, and the p-values of the counts are as valid as before. So the family is these pairs
      alone; no other needs to be paid for.
    - else the direction was chosen with the same images, and the family is all pairs in both directions.

    Holm's bound needs nothing of how pairs depend on each other, and by the union bound P(any false finding) ≤ α/5 +
    4α/5, so the false discovery rate is at most α as well. Benjamini and Yekutieli (2001) over all pairs pays the
    factor 1 + 1/2 + … + 1/m; Benjamini and Hochberg (1995) asks for positive dependence, which pairs that share an
    attribute do not have (one more image of j is evidence for "i less than j" and against "j less than k").
    """
    m, sure = len(relation), (1 - CLOSER)
    established = [index for index, p in enumerate(relation) if m * p <= alpha * CLOSER]
    family = [counts[i].p_less for i in established] if independent else [c.p_less for c in counts]
    family += [] if independent else [c.p_more for c in counts]
    adjusted = holm(family)
    places = enumerate(established) if independent else ((i, i) for i in established)
    found: list[float | None] = [None] * m
    for place, index in places:
        found[index] = min(1.0, adjusted[place] / sure)
    return found


CLOSER = 0.2
"""The share of α that goes to false relations."""


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted step by step (Holm 1979): the r-th smallest of m times m − r + 1, and never falling."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values))
    found[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return [float(value) for value in found]


def rank_agreement(
    relation: Sequence[float], draws: Shown, shown: Shown, confidence: float = 0.95, seed: int = 0
) -> tuple[float | None, Interval | None]:
    """Spearman's rank correlation of relation and frequency over k attributes, and its bootstrap interval.

    `relation` (k,); `draws` (resamples, k), the same under other draws of what it was measured on; `shown` (n, k).
    Each draw meets a resample of the images, so the interval says how sure the two orders of *these* attributes are,
    and nothing of attributes that were not asked about. Noise in either order pulls the correlation towards 0. None
    where one order is constant.
    """
    value = _spearman(np.asarray(relation, np.float64)[None], _shares(shown)[None])[0]
    if np.isnan(value):
        return None, None
    rng, n = np.random.default_rng(seed), len(shown)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=len(draws)).astype(np.float64)
    found = _spearman(draws, _weighted_shares(shown, weights))
    found = found[~np.isnan(found)]
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(found, [tail, 1 - tail])) if len(found) else (-1.0, 1.0)
    return float(value), Interval(low, high)


def _shares(shown: Shown) -> Shown:
    """(k,): the share of the clear images that show each."""
    result: Shown = np.nanmean(shown, axis=0)
    return result


def _weighted_shares(shown: Shown, weights: Shown) -> Shown:
    """(resamples, k): shares over the clear images, an image counting as often as it was drawn."""
    clear = ~np.isnan(shown)
    total = weights @ clear
    result: Shown = (weights @ np.where(clear, shown, 0)) / np.where(total > 0, total, np.nan)
    return result


def _spearman(first: Shown, second: Shown) -> Shown:
    """(n,) correlations of the ranks of rows; NaN where a row is constant."""
    a, b = (stats.rankdata(np.round(x, 12), axis=1) for x in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    result: Shown = (a * b).sum(axis=1) / np.where(scale > 0, scale, np.nan)
    return result
