"""Intervals for shares, for their differences before and after, and over prompts. All at 95% unless told.

How often each holds the truth is measured by `python -m benchmarks.coverage`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import betaincinv, ndtri

STUDENTISED_FROM = 8
"""Fewer prompts than this are too few to resample."""
AT_ONCE = 1 << 21
"""Prompts that are drawn in one go."""


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


def wilson(count: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share count / n (Wilson 1927, J. Am. Stat. Assoc. 22).

    Returns (0, 1) for n = 0: nothing is known.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    # as scipy's binomtest(count, n).proportion_ci has it to the last bit, without the test, which takes milliseconds
    p, z = count / n, ndtri(0.5 + 0.5 * confidence)
    twice = 2 * (n + z**2)
    centre, half = (2 * n * p + z**2) / twice, z / twice * math.sqrt(4 * n * p * (1 - p) + z**2)
    return Interval(float(centre - half) if count else 0.0, float(centre + half) if count < n else 1.0)


def share_intervals(counts: Sequence[int], confidence: float = 0.95) -> list[Interval]:
    """An interval per class: Wilson for two classes, simultaneous for more.

    With K > 2 classes all intervals hold together with at least the given confidence: Clopper and Pearson's exact
    intervals (1934, Biometrika 26) at 1 − α/K each. Goodman's (1965) and Sison and Glaz's (1995) are narrower and do
    not hold together often enough where a class is rare: see the table of `benchmarks.coverage`.
    """
    n = sum(counts)
    if n == 0:
        return [Interval(0.0, 1.0)] * len(counts)
    if len(counts) == 2:
        return [wilson(count, n, confidence) for count in counts]
    tail, x = (1 - confidence) / (2 * len(counts)), np.asarray(counts, float)
    low = np.where(x > 0, betaincinv(np.maximum(x, 1), n - x + 1, tail), 0.0)
    high = np.where(x < n, betaincinv(x + 1, np.maximum(n - x, 1), 1 - tail), 1.0)
    return [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def paired_difference(
    before: Sequence[bool], after: Sequence[bool], confidence: float = 0.95
) -> tuple[float, Interval]:
    """Share after minus share before on the same seeds, with its interval.

    The score-like interval of Agresti and Min (2005, Stat. Med. 24): half a pair added to each of the four cells of
    the 2×2 table, then Wald on the difference of the discordant shares. Narrower than two separate intervals where
    the same seeds tend to give the same class; wider than need be where hardly any image changes.

    Raises:
        ValueError: the two are not equally long, or empty.
    """
    if len(before) != len(after) or not len(before):
        raise ValueError("a paired difference needs two non-empty samples over the same seeds")
    first, second = np.asarray(before, bool), np.asarray(after, bool)
    gained, lost, n = int((second & ~first).sum()), int((first & ~second).sum()), len(first)
    a, b, m = (gained + 0.5) / (n + 2), (lost + 0.5) / (n + 2), n + 2
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(max(0.0, a + b - (a - b) ** 2) / m)
    return (gained - lost) / n, Interval(max(-1.0, float(a - b - half)), min(1.0, float(a - b + half)))


def over_prompts(shares: Sequence[float], images: int, confidence: float = 0.95) -> Interval | None:
    """Interval of the mean share over prompts, which counts prompts and not images.

    That of `mean_over_prompts`, and at least as wide as Wilson's over all `images`: even prompts that agree to the
    last image know no more than their images do. None for a single prompt, about which a spread says nothing.
    """
    found = mean_over_prompts(shares, confidence)
    if found is None:
        return None
    alone = wilson(round(float(np.mean(shares)) * images), images, confidence)
    return Interval(max(0.0, min(found.low, alone.low)), min(1.0, max(found.high, alone.high)))


def mean_over_prompts(values: Sequence[float], confidence: float = 0.95, resamples: int = 2000) -> Interval | None:
    """Interval of a mean over prompts: t with G − 1 degrees; from eight prompts on, at each end, the wider of t and
    the studentised bootstrap over prompts (Efron and Tibshirani 1993, section 12.5), since t alone is too narrow
    where most prompts lie near 0. None for a single prompt. Deterministic.
    """
    if len(values) < 2:
        return None
    x = np.asarray(values, float)
    mean, error = float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x)))
    half = float(stats.t.ppf(0.5 + confidence / 2, len(x) - 1)) * error
    if len(x) < STUDENTISED_FROM or error == 0:
        return Interval(mean - half, mean + half)
    means, errors = _resampled(x, resamples)
    varied = errors > 1e-9  # a resample of one prompt only has no spread to measure by
    t = (means[varied] - mean) / errors[varied]
    # resamples spread less than the prompts do, by (G − 1)/G: the levels make up for it (Hesterberg 2015, Am. Stat. 69)
    tail = float(stats.norm.cdf(stats.norm.ppf(0.5 - confidence / 2) * np.sqrt(len(x) / (len(x) - 1))))
    low, high = (float(end) for end in np.quantile(t, [tail, 1 - tail]))
    return Interval(mean - max(half, high * error), mean + max(half, -low * error))


def _resampled(x: NDArray[np.float64], resamples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error of each bootstrap resample, a few at a time: 10⁵ prompts take no more memory than 10³."""
    rng, at_once = np.random.default_rng(0), max(1, AT_ONCE // len(x))
    parts = []
    for start in range(0, resamples, at_once):
        drawn = x[rng.integers(len(x), size=(min(at_once, resamples - start), len(x)))]
        parts.append((drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / np.sqrt(len(x))))
    means, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return means, errors


def paired_ratio(before: Sequence[bool], after: Sequence[bool], confidence: float = 0.95) -> tuple[float, Interval]:
    """Share after over share before on the same seeds, with its interval.

    On the logarithm, whose variance is (b + c)/(n₁ n₂) with b and c the discordant pairs and n₁, n₂ the counts
    (Desu and Raghavarao 2004, Nonparametric Statistical Methods, section 5), with half a pair added to b and to c.

    Raises:
        ValueError: the two are not equally long, or nothing was seen before or after.
    """
    first, second = np.asarray(before, bool), np.asarray(after, bool)
    if len(first) != len(second) or not (first.any() and second.any()):
        raise ValueError("a paired ratio needs two samples over the same seeds, both with something seen")
    ratio, discordant = second.sum() / first.sum(), (first ^ second).sum() + 1
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(discordant / (first.sum() * second.sum()))
    return float(ratio), Interval(float(ratio * np.exp(-half)), float(ratio * np.exp(half)))
