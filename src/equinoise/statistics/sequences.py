"""Confidence sequences: intervals that hold at every look at once, so that one may look often and stop when pleased."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from equinoise.statistics.intervals import Interval

MOST = 1_000_000
GRID = 301
MANY_LOOKS = 40


def confidence_sequence(count: int, n: int, horizon: int, looks: int, confidence: float = 0.95) -> Interval:
    """A confidence sequence for a share over a number of looks, the last of them at or before the horizon.

    {p : |x − np| ≤ c √(N p(1 − p)) + ½}: at every look the same distance is allowed, that of O'Brien and Fleming
    (1979, Biometrics 35), turned into intervals as by Jennison and Turnbull (1989, J. R. Stat. Soc. B 51). c is the
    constant that a Gaussian walk of that many even looks ever exceeds with probability α; ½ corrects for whole counts,
    and with it the exact coverage over all looks, summed over all paths, is at least 95% at every share (tests). Solved
    for p it is Wilson's interval with critical value c √(N / n). At the horizon it is about as wide as a fixed
    sample's interval, earlier wider: the price of looking is paid early. (0, 1) for n = 0.

    Raises:
        ValueError: n is beyond the horizon.
    """
    if n > horizon:
        raise ValueError(f"{n} images are beyond the horizon of {horizon} that the sequence was planned for")
    if n == 0:
        return Interval(0.0, 1.0)
    z = critical(looks, 1 - confidence) * (horizon / n) ** 0.5
    return Interval(_lower(count - 0.5, n, z), 1 - _lower(n - count - 0.5, n, z))


def _lower(count: float, n: int, z: float) -> float:
    """Lower end of Wilson's interval for a count that need not be whole."""
    if count <= 0:
        return 0.0
    p = count / n
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + (z / (2 * n)) ** 2) ** 0.5
    return float((middle - half) / (1 + z * z / n))


def share_sequences(counts: Sequence[int], horizon: int, looks: int, confidence: float = 0.95) -> list[Interval]:
    """A confidence sequence per class; with K > 2 classes at 1 − α/K each, so that all hold together at every look."""
    parts = 1 if len(counts) == 2 else len(counts)
    each = 1 - (1 - confidence) / parts
    return [confidence_sequence(count, sum(counts), horizon, looks, each) for count in counts]


@cache
def critical(looks: int, alpha: float) -> float:
    """c such that a walk of that many standard normal steps ever leaves ±c √looks with probability α.

    By the recursion of Armitage, McPherson and Rowe (1969, J. R. Stat. Soc. A 132) on a grid; for more than 40 looks
    by the limit of infinitely many, Brownian motion, which is safe. 1.96 for one look at 5%, 2.24 in the limit.
    """
    leaves = (lambda c: _leaves(c, looks)) if looks <= MANY_LOOKS else _leaves_in_the_limit
    return float(brentq(lambda c: leaves(c) - alpha, 0.5, 10, xtol=1e-5))


def _leaves_in_the_limit(c: float) -> float:
    """P(sup |B| ≥ c) of Brownian motion on 0–1 (Feller 1971, volume II, X.5)."""
    odd = 2 * np.arange(50) + 1
    stays = 4 / np.pi * ((-1.0) ** np.arange(50) / odd * np.exp(-((odd * np.pi) ** 2) / (8 * c * c))).sum()
    return float(1 - stays)


def _leaves(c: float, looks: int) -> float:
    edge = c * looks**0.5
    x = np.linspace(-edge, edge, GRID)
    weights = np.full(GRID, x[1] - x[0])
    weights[[0, -1]] /= 2
    steps = stats.norm.pdf(x[:, None] - x[None, :])
    inside = stats.norm.pdf(x)
    for _ in range(looks - 1):
        inside = steps @ (inside * weights)
    return 1 - float(inside @ weights)


def horizon_for(width: float, classes: int, every: int, confidence: float = 0.95) -> int:
    """The number of images, a multiple of `every`, that is enough for this width whatever the shares are.

    Raises:
        ValueError: a width that takes more than a million images.
    """

    def too_wide(looks: int) -> bool:
        return _widest(looks * every, looks, classes, confidence) > width

    low, high = 0, 1
    while too_wide(high):
        low, high = high, 2 * high
        if high * every > MOST:
            raise ValueError(f"intervals of width {width} take more than {MOST:,} images")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if too_wide(middle) else (low, middle)
    return high * every


def _widest(n: int, looks: int, classes: int, confidence: float) -> float:
    counts = [n // 2, n - n // 2, *[0] * (classes - 2)]  # the widest is at ½
    return max(high - low for low, high in share_sequences(counts, n, looks, confidence))
