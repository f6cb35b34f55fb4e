"""Cosines of sets of unit vectors, with bootstrap intervals. Vectors in, values out: no texts, no images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equinoise.statistics.intervals import Interval, mean_over_prompts

Array = NDArray[np.float64]
RESAMPLES = 2000
ROUNDING = 1e-7
"""Unit vectors are kept in single precision: spreads below this are rounding."""


@dataclass(frozen=True)
class Similarity:
    """A cosine, or a difference of two.

    Attributes:
        value: the mean over what was sampled.
        interval: of that mean; None where a single text or image says nothing of the spread.
        p: two-sided p-value of the value being 0; None as above.
    """

    value: float
    interval: Interval | None
    p: float | None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


def centred(vectors: Array, reference: Array) -> Array:
    """Unit vectors with the mean of a reference vocabulary taken away, scaled to length 1 again.

    Embeddings of all texts share one large component, so raw cosines are all high; what is left without it tells texts
    apart (Mu and Viswanath 2018, ICLR). `vectors` (..., d); `reference` (r, d), or one set a wording (..., r, d). A
    vector that is the mean itself becomes 0.
    """
    moved = np.asarray(vectors, np.float64) - np.asarray(reference, np.float64).mean(axis=-2)
    lengths = np.linalg.norm(moved, axis=-1, keepdims=True)
    result: Array = moved / np.where(lengths > 0, lengths, 1)
    return result


def over_wordings(cosines: Array, confidence: float = 0.95) -> Similarity:
    """The mean of one cosine (or difference of two) a wording, (t,): the wider of t and the studentised bootstrap.

    Wordings are what was sampled: the interval says what other wordings of the same kind would give. p is that of a
    t test, 0 where all wordings agree to the last digit and the value is not 0.
    """
    values = np.asarray(cosines, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Similarity(mean, None, None)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    if error <= ROUNDING:
        return Similarity(mean, Interval(mean, mean), _p(mean, error, None))
    interval = mean_over_prompts([float(value) for value in values], confidence)
    return Similarity(mean, interval, _p(mean, error, len(values) - 1))


def wordings_p(cosines: Array) -> float | None:
    """The p-value of `over_wordings` alone: what is asked of every pair of many attributes."""
    values = np.asarray(cosines, np.float64)
    if len(values) < 2:
        return None
    return _p(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1)


def over_draws(value: float, draws: Array, confidence: float = 0.95) -> Similarity:
    """A value with the percentile interval of its bootstrap draws; p from their spread and a normal distribution."""
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(draws, [tail, 1 - tail]))
    return Similarity(value, Interval(min(low, value), max(high, value)), _p(value, float(draws.std(ddof=1)), None))


def resampled(values: Array, seed: int = 0) -> Array:
    """(resamples, k): the mean row of values (t, k) under resamples of its rows, all columns together."""
    return _means(np.asarray(values, np.float64), np.random.default_rng(seed))


def resampled_pairs(concept: Array, attributes: Array, seed: int = 0) -> Array:
    """(resamples, k): bootstrap draws of the mean cosine of images (n, d) with those of k attributes (k, m, d).

    The images of the concept are resampled and, apart from them, the seeds of the attributes: all attributes on the
    same seeds, so that differences of two columns are paired (Efron and Tibshirani 1993, chapter 8).
    """
    rng, m = np.random.default_rng(seed), attributes.shape[1]
    ours = _means(np.asarray(concept, np.float64), rng)
    weights = rng.multinomial(m, np.full(m, 1 / m), size=RESAMPLES) / m
    columns = [(ours * (weights @ np.asarray(part, np.float64))).sum(axis=1) for part in attributes]
    return np.stack(columns, axis=1)


def _means(vectors: Array, rng: np.random.Generator) -> Array:
    """(resamples, d): the mean of each resample."""
    n = len(vectors)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    result: Array = weights @ vectors
    return result


def _p(value: float, error: float, degrees: int | None) -> float:
    """Two-sided p-value of 0."""
    if error <= ROUNDING:
        return 0.0 if abs(value) > 10 * ROUNDING else 1.0
    t = -abs(value) / error
    return float(2 * (special.ndtr(t) if degrees is None else special.stdtr(degrees, t)))
