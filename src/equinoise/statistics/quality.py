"""Variety and realism from vectors of images, within classes: rows of unit length in, values and intervals out.

Two sets of images differ in what they show and in how well they show it. Compared class by class, with the same shares
of the classes on both sides, a set that shows other shares is not worse for it. Both measures are means over pairs of
different images, so neither depends on how many there are: what is called "at equal n" needs no discarding of images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
"""Vectors (n, d) and (m, d) of the two sides of a class."""
RESAMPLES = 1000
LEAST = 2
"""Images of a class on each side; one alone has no pair."""


class Measured(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


def diversity_ratio(classes: Sequence[Pair], confidence: float = 0.95) -> Measured:
    """Mean distance of two different images of a class, ours over theirs, the classes in the shares that ours have.

    Distance is 1 − cosine. Range 0 upwards; 1: as various as theirs, below 1: less. It is blind to what varies: wrong
    pictures are various too, so read it beside fidelity.

    Raises:
        ValueError: no class, or one with fewer than two images on a side.
    """

    def ratio(ours: list[Array], theirs: list[Array]) -> Array:
        shares = _shares(classes)
        above = sum(s * _distance(x, w) for s, (x, _), w in zip(shares, classes, ours, strict=True))
        below = sum(s * _distance(y, w) for s, (_, y), w in zip(shares, classes, theirs, strict=True))
        return np.asarray(above / below)

    return _resampled(ratio, classes, confidence)


def kernel_distance(classes: Sequence[Pair], confidence: float = 0.95) -> Measured:
    """Squared maximum mean discrepancy of two sets of images, unbiased, the mean over classes in the shares of ours.

    The kernel inception distance (Bińkowski et al. 2018, ICLR, section 4) with its kernel (x·y/d + 1)³, on vectors
    scaled to length √d, so that it reads (1 + cosine)³. 0 on average for two samples of the same images, and so
    sometimes negative. It has no unit: compare values within one encoder. It does not say what differs.

    Raises:
        ValueError: as `diversity_ratio`.
    """
    kernels = [(_kernel(x, x), _kernel(y, y), _kernel(x, y)) for x, y in classes]

    def distance(ours: list[Array], theirs: list[Array]) -> Array:
        rows = zip(_shares(classes), kernels, ours, theirs, strict=True)
        each = [s * (_within(xx, a) + _within(yy, b) - 2 * _between(xy, a, b)) for s, (xx, yy, xy), a, b in rows]
        return np.asarray(sum(each))

    return _resampled(distance, classes, confidence)


def mean_distance(vectors: Array) -> float:
    """Mean of 1 − cosine over all pairs of different rows (n, d) of unit length."""
    return float(_distance(vectors, np.full((1, len(vectors)), 1 / len(vectors)))[0])


def _resampled(
    measure: Callable[[list[Array], list[Array]], Array], classes: Sequence[Pair], confidence: float
) -> Measured:
    """The value at equal weights, and the central part of what a Bayesian bootstrap over the images gives.

    Its weights (Rubin 1981, Ann. Stat. 9) are drawn for each side of each class; resampling would pair images with
    themselves. Few images spread less under such weights than over samples: the levels make up for it.
    """
    if not classes or any(len(side) < LEAST for pair in classes for side in pair):
        raise ValueError("each class needs two images or more on both sides, to have a pair")
    sides = zip(*((len(ours), len(theirs)) for ours, theirs in classes), strict=True)
    rng, tail = np.random.default_rng(0), min(_tail(sizes, confidence) for sizes in sides)
    even = [[np.full((1, len(side)), 1 / len(side)) for side in pair] for pair in classes]
    drawn = [[rng.dirichlet(np.ones(len(side)), RESAMPLES) for side in pair] for pair in classes]
    value = float(measure([a for a, _ in even], [b for _, b in even])[0])
    low, high = np.quantile(measure([a for a, _ in drawn], [b for _, b in drawn]), [tail, 1 - tail])
    return Measured(value, min(float(low), value), max(float(high), value))


def _tail(sizes: Sequence[int], confidence: float) -> float:
    """The part of the draws beyond either end, for classes of these sizes on a side.

    By Student's t, and by √((n + 1)/(n − 1)), which is what the standard deviation of weighted means of n images lacks
    (as Hesterberg 2015, Am. Stat. 69, section 5.3, for resampling).
    """
    n = np.asarray(sizes, np.float64)
    lack = float((n * (n + 1) / (n - 1)).sum() / n.sum())
    return float(stats.norm.cdf(-stats.t.ppf(0.5 + confidence / 2, n.sum() - len(n)) * lack**0.5))


def _shares(classes: Sequence[Pair]) -> Array:
    sizes = np.array([len(ours) for ours, _ in classes], np.float64)
    return np.asarray(sizes / sizes.sum())


def _distance(vectors: Array, weights: Array) -> Array:
    """(R,) mean of 1 − cosine over pairs of different rows (n, d), under weights (R, n) that sum to 1."""
    alone = (weights**2).sum(1)
    found: Array = 1 - (((weights @ vectors) ** 2).sum(1) - alone) / (1 - alone)
    return found


def _kernel(x: Array, y: Array) -> Array:
    return np.asarray((1 + x @ y.T) ** 3)


def _within(kernel: Array, weights: Array) -> Array:
    """(R,) mean of a kernel (n, n) over pairs of different images, under weights (R, n)."""
    alone = (weights**2).sum(1)
    found: Array = (((weights @ kernel) * weights).sum(1) - weights**2 @ np.diag(kernel)) / (1 - alone)
    return found


def _between(kernel: Array, ours: Array, theirs: Array) -> Array:
    """(R,) mean of a kernel (n, m) over all pairs of the two sides."""
    found: Array = ((ours @ kernel) * theirs).sum(1)
    return found
