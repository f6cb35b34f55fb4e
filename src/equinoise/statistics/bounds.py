"""From intervals of shares to intervals of disparity: what is the least and the most that they allow?

The shares lie in a box (each in its interval) and sum to 1. A box that holds with 95% gives bounds that hold with 95%
whatever the measure: nothing is assumed of its distribution, which is far from normal near an even model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from equinoise.statistics.intervals import Interval


def parity_bounds(intervals: Sequence[Interval]) -> Interval:
    """Bounds of the largest share − the smallest. For two classes those of |2p − 1|.

    Least: a linear programme over shares p, their largest and their smallest. Most: for each pair the first as high
    and the second as low as can be; where the other classes cannot make up a sum of 1, one of the two gives way.
    """
    low, high = (np.array(ends, float) for ends in zip(*intervals, strict=True))
    k = len(low)
    # variables p₁ … p_K, top, bottom: pᵢ ≤ top, bottom ≤ pᵢ
    below = np.hstack([np.eye(k), -np.ones((k, 1)), np.zeros((k, 1))])
    above = np.hstack([-np.eye(k), np.zeros((k, 1)), np.ones((k, 1))])
    found = linprog(
        [*np.zeros(k), 1.0, -1.0],
        A_ub=np.vstack([below, above]),
        b_ub=np.zeros(2 * k),
        A_eq=[[*np.ones(k), 0.0, 0.0]],
        b_eq=[1.0],
        bounds=[*zip(low, high, strict=True), (0, 1), (0, 1)],
    )
    most = max(_gap(low, high, i, j) for i in range(k) for j in range(k) if i != j)
    least = max(0.0, float(found.fun or 0.0)) if found.success else 0.0
    return Interval(least, min(1.0, max(least, most)))


def _gap(low: NDArray[np.float64], high: NDArray[np.float64], i: int, j: int) -> float:
    """The most that share i can exceed share j by."""
    rest = 1 - high[i] - low[j]
    others = [n for n in range(len(low)) if n not in (i, j)]
    missing = max(0.0, low[others].sum() - rest, rest - high[others].sum())
    return float(high[i] - low[j] - missing)


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
