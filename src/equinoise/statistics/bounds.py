"""From intervals of shares to intervals of disparity: what is the least and the most that they allow?

The shares lie in a box (each in its interval) and sum to 1. A box that holds with 95% gives bounds that hold with 95%
whatever the measure: nothing is assumed of its distribution, which is far from normal near an even model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from equinoise.statistics.intervals import Interval

Array = NDArray[np.float64]
FEW = 14
"""Up to this many classes every subset of them is tried."""


def parity_bounds(intervals: Sequence[Interval]) -> Interval:
    """Bounds of the largest share − the smallest. For two classes those of |2p − 1|.

    Least: shares as even as the box allows, a level cut off by the intervals' ends. Most: for each pair the first as
    high and the second as low as can be; where the other classes cannot make up a sum of 1, one of the two gives way.
    """
    low, high = (np.array(ends, float) for ends in zip(*intervals, strict=True))
    k = len(low)
    most = max(_gap(low, high, i, j) for i in range(k) for j in range(k) if i != j)
    least = float(np.ptp(_most_even(low, high)))
    return Interval(min(least, most), min(1.0, most))


def _most_even(low: Array, high: Array) -> Array:
    """Shares in the box that sum to 1 and differ least: all at one level, where the box lets them."""

    def excess(level: float) -> float:
        return float(np.minimum(np.maximum(level, low), high).sum()) - 1  # np.clip takes three times as long

    level = brentq(excess, 0, 1) if excess(0) < 0 < excess(1) else float(excess(0) < 0)
    shares: Array = np.clip(float(level), low, high)
    return shares


def _gap(low: Array, high: Array, i: int, j: int) -> float:
    """The most that share i can exceed share j by."""
    rest = 1 - high[i] - low[j]
    others = low.sum() - low[i] - low[j], high.sum() - high[i] - high[j]
    missing = max(0.0, others[0] - rest, rest - others[1])
    return float(high[i] - low[j] - missing)


def variation_bounds(intervals: Sequence[Interval], target: Sequence[float]) -> Interval:
    """Bounds of the total variation from a target.

    Least: what lies outside the box must move, and what is taken from some classes goes to others. Most: the distance
    is convex, so a corner has it: the classes S above target gain at most Σ_S (high − t), and at most what the others
    can spare, Σ_not S (t − low). Every S is tried; with more than 14 classes one class may be split between the two,
    which is never too little.
    """
    low, high = (np.array(ends, float) for ends in zip(*intervals, strict=True))
    t = np.asarray(target, float)
    least = max(np.maximum(low - t, 0).sum(), np.maximum(t - high, 0).sum())
    most = (_of_every_subset if len(t) <= FEW else _of_split_subsets)(high - t, t - low)
    return Interval(float(least), float(min(1.0, max(least, most))))


def _of_every_subset(gain: Array, spare: Array) -> float:
    subsets = (np.arange(2 ** len(gain))[:, None] >> np.arange(len(gain))) & 1
    return float(np.minimum(subsets @ gain, (1 - subsets) @ spare).max())


def _of_split_subsets(gain: Array, spare: Array) -> float:
    """The same with one class split: those that gain most for what they could spare go first."""
    worth = gain + spare > 0
    gain, spare = gain[worth], spare[worth]
    order = np.argsort(-gain / (gain + spare))
    above = np.concatenate([[0.0], np.cumsum(gain[order])])
    below = spare.sum() - np.concatenate([[0.0], np.cumsum(spare[order])])
    crossing = int(np.searchsorted(above - below, 0))
    if crossing in (0, len(above)):
        return float(np.minimum(above, below).max())
    i = crossing - 1
    part = (below[i] - above[i]) / (above[i + 1] - above[i] + below[i] - below[i + 1])
    return float(max(above[i] + part * (above[i + 1] - above[i]), np.minimum(above, below).max()))
