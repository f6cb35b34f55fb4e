"""Intervals for shares, for their differences before and after, and over prompts. All at 95% unless told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint


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
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    return Interval(float(low), float(high))


def share_intervals(counts: Sequence[int], confidence: float = 0.95) -> list[Interval]:
    """An interval per class: Wilson for two classes, simultaneous for more (Goodman 1965, Technometrics 7).

    With more than two classes all intervals hold together with the given confidence.
    """
    n = sum(counts)
    if n == 0:
        return [Interval(0.0, 1.0) for _ in counts]
    if len(counts) == 2:
        return [wilson(count, n, confidence) for count in counts]
    bounds = multinomial_proportions_confint(np.asarray(counts), alpha=1 - confidence, method="goodman")
    return [Interval(max(0.0, float(low)), min(1.0, float(high))) for low, high in bounds]


def paired_difference(
    before: Sequence[bool], after: Sequence[bool], confidence: float = 0.95
) -> tuple[float, Interval]:
    """Share after minus share before on the same seeds, with its interval.

    The score-like interval of Agresti and Min (2005, Stat. Med. 24): half a pair added to each of the four cells of
    the 2×2 table, then Wald on the difference of the discordant shares. Narrower than two separate intervals where
    the same seeds tend to give the same class.

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


def over_prompts(shares: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Interval of the mean share over prompts, which counts prompts and not images: t with G − 1 degrees.

    None for a single prompt, about which a spread over prompts says nothing.
    """
    if len(shares) < 2:
        return None
    values = np.asarray(shares, float)
    half = stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(max(0.0, float(values.mean() - half)), min(1.0, float(values.mean() + half)))
