"""Intervals for the shares of images that were made in parts of fixed size, such as those of a plan.

A plan says how many images each of its interventions gets, so what the parts differ by is design and no chance: the
pooled shares vary less than those of as many independent images, and intervals that ignore it are too wide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import betaincinv

from equinoise.statistics.intervals import Interval


def strata_intervals(parts: Sequence[Sequence[int]], confidence: float = 0.95) -> list[Interval]:
    """An interval per class for the pooled share, from counts (parts × classes); simultaneous for more than two.

    As `share_intervals` does, at the effective sample size of Korn and Graubard (1998, Survey Methodology 24): the
    number of independent images whose share would vary as little. With one part the two agree.
    """
    counts = np.array([part for part in parts if sum(part)], float)
    if not len(counts):
        return [Interval(0.0, 1.0)] * len(parts[0])
    classes = counts.shape[1]
    shares, sizes = counts.sum(0) / counts.sum(), effective_sizes(counts)
    if classes == 2:
        return [_wilson(p, n, confidence) for p, n in zip(shares, sizes, strict=True)]
    return [_exact(p, n, (1 - confidence) / classes) for p, n in zip(shares, sizes, strict=True)]


def effective_sizes(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(classes,) n·p(1 − p) / Σ s_j p_j(1 − p_j), from counts (parts, classes) with s_j the share of part j.

    Variances within a part are taken with an image added on either side (Agresti and Caffo 2000, Am. Stat. 54), so
    that a part whose images all agree is not taken to be certain. At least n.
    """
    sizes = counts.sum(1, keepdims=True)
    n = float(sizes.sum())
    pooled, within = counts.sum(0) / n, (counts + 1) / (sizes + 2)
    spread = (sizes / n * within * (1 - within)).sum(0)
    found: NDArray[np.float64] = np.maximum(n, n * pooled * (1 - pooled) / spread)
    return found


def _wilson(share: float, n: float, confidence: float) -> Interval:
    """Wilson's interval at a size that need not be whole."""
    c = stats.norm.ppf(0.5 + confidence / 2) ** 2 / n
    middle, half = (share + c / 2) / (1 + c), (c * share * (1 - share) + c**2 / 4) ** 0.5 / (1 + c)
    return Interval(max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def _exact(share: float, n: float, error: float) -> Interval:
    """Clopper and Pearson's, at a size that need not be whole."""
    x = share * n
    low = float(betaincinv(x, n - x + 1, error / 2)) if share > 0 else 0.0
    high = float(betaincinv(x + 1, n - x, 1 - error / 2)) if share < 1 else 1.0
    return Interval(low, high)
