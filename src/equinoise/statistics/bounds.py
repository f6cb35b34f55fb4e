"""From intervals of shares to intervals of disparity: what is the least and the most that they allow?

The shares lie in a box (each in its interval) and sum to 1. A box that holds with 95% gives bounds that hold with 95%
whatever the measure: nothing is assumed of its distribution, which is far from normal near an even model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from equinoise.statistics.intervals import Interval


def parity_bounds(intervals: Sequence[Interval]) -> Interval:
    """Bounds of the largest share − the smallest. For two classes those of |2p − 1|."""
    pairs = [(a, b) for a in intervals for b in intervals if a is not b]
    return Interval(max(0.0, *(a.low - b.high for a, b in pairs)), min(1.0, max(a.high - b.low for a, b in pairs)))


def variation_bounds(intervals: Sequence[Interval], target: Sequence[float]) -> Interval:
    """Bounds of the total variation from a target.

    Least: what lies outside the box must move, and what is taken from some classes goes to others. Most: the distance
    is convex, so a corner has it: choose the classes S above target that maximise Σ_S (p − t), which is at most
    Σ_S (high − t) and at most what the other classes can spare, Σ_not S (t − low); a small integer programme.
    """
    low, high = (np.array(ends, float) for ends in zip(*intervals, strict=True))
    t = np.asarray(target, float)
    least = max(np.maximum(low - t, 0).sum(), np.maximum(t - high, 0).sum())
    gain, spare = high - t, t - low
    # variables: s (one a class, 0 or 1) and v; maximise v ≤ s·gain and v ≤ (1 − s)·spare
    rows = np.array([[*-gain, 1.0], [*spare, 1.0]])
    found = milp(
        c=[*np.zeros(len(t)), -1.0],
        constraints=LinearConstraint(rows, -np.inf, [0.0, spare.sum()]),
        integrality=[*np.ones(len(t)), 0],
        bounds=Bounds([*np.zeros(len(t)), -1.0], [*np.ones(len(t)), 1.0]),
    )
    most = -float(found.fun or 0.0)  # there always is a solution: s = 0 and v = 0
    return Interval(float(least), min(1.0, max(float(least), most)))
