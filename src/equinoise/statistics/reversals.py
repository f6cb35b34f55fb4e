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


def count_pair(shown: Shown, first: int, second: int) -> PairCount:
    """Counts of two columns over the images on which both are clear."""
    a, b = shown[:, first], shown[:, second]
    clear = ~(np.isnan(a) | np.isnan(b))
    i, j = a[clear] > 0.5, b[clear] > 0.5
    return PairCount(int(clear.sum()), int(i.sum()), int(j.sum()), int((i & ~j).sum()), int((j & ~i).sum()))


def reversal_p(relation: float, frequency: float) -> float:
    """p-value of both claims together: closer, and shown less often.

    A finding is wrong if either claim is, so its p-value is the larger of the two (the intersection–union test, Berger
    1982, Technometrics 24). Nothing is gained by a certain relation where the counts are even, nor the other way.
    """
    return max(relation, frequency)


def adjust(p: Sequence[float]) -> list[float]:
    """Benjamini and Yekutieli (2001, Ann. Stat. 29): p-values adjusted for the number of pairs, however they depend.

    Reporting those of at most α keeps the expected share of false findings at α; where no pair is truly reversed, that
    is the probability of reporting anything at all.
    """
    if not p:
        return []
    return [float(value) for value in stats.false_discovery_control(np.asarray(p, np.float64), method="by")]


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
