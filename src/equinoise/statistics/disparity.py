"""How far shares lie from even and from a target. Classes are declared: a class with no image counts as 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import entr, rel_entr


def parity_difference(shares: Sequence[float]) -> float:
    """Statistical parity difference: largest share − smallest share.

    Range 0 to 1; 0 means every class has the same share. Says nothing about which class is favoured, nor about a
    target other than even.
    """
    return float(max(shares) - min(shares))


def mean_pairwise_gap(shares: Sequence[float]) -> float:
    """Mean of |share − share| over all pairs of classes (Shen et al. 2024, ICLR, equation 11: their "bias").

    Range 0 to 2/K (1 for two classes, where it is the parity difference); 0 means every class has the same share.
    Says nothing about which class is favoured, and its top shrinks as classes are added, so values of axes with
    different numbers of classes do not compare.
    """
    return float(np.mean([abs(a - b) for a, b in combinations(shares, 2)]))


def heim_imbalance(shares: Sequence[float]) -> float:
    """Mean of |share − 1/K| over the classes, as HEIM reports it (Lee et al. 2023, NeurIPS).

    For two classes HEIM's `gender_imbalance`, |share of women − ½|; for its ten Monk tones `skin_tone_imbalance`; and
    DALL-Eval's mean absolute deviation (Cho et al. 2023). Range 0 to 2(K − 1)/K²; 0 means even. Blind to which class
    is favoured, and its top shrinks with K. HEIM counts images whose tone it cannot tell in the denominator; here
    shares are over clear images, so that unclear ones are not read as disparity.
    """
    return float(np.abs(_array(shares) - 1 / len(shares)).mean())


def total_variation(shares: Sequence[float], target: Sequence[float]) -> float:
    """Half the sum of |share − target|: the part of the images that would have to change class.

    Range 0 to 1; 0 means on target. Never negative, so chance alone makes it positive: compare it with
    `sampling_floor`.
    """
    return float(np.abs(_array(shares) - _array(target)).sum() / 2)


def kl_bits(shares: Sequence[float], target: Sequence[float]) -> float | None:
    """Kullback–Leibler divergence Σ p log₂(p / t) of the shares from the target, in bits (base 2).

    Range 0 upwards; 0 means on target. Says nothing of which class is off; rare target classes weigh heavily. None
    where a class with target 0 has images (it would be infinite).
    """
    value = float(rel_entr(_array(shares), _array(target)).sum() / np.log(2))
    return value if np.isfinite(value) else None


def entropy_bits(shares: Sequence[float]) -> float:
    """Shannon entropy −Σ p log₂ p in bits (base 2).

    Range 0 (one class only) to log₂ K (even over K classes). Blind to which class is favoured.
    """
    p = _array(shares)
    return float(abs(entr(p / p.sum()).sum() / math.log(2)))


def sampling_floor(target: Sequence[float], n: int) -> float | None:
    """Expected total variation of a model exactly on target at n images, by chance alone.

    ½ Σ E|X/n − t| with X ~ Binomial(n, t), by de Moivre's formula E|X − nt| = 2m(1 − t) P(X = m), m = ⌊nt⌋ + 1. Range
    0 to 1, falling as 1/√n. It is a mean: half of all perfect models lie above something near it. None for n = 0.
    """
    return _floor(tuple(target), n) if n else None


@lru_cache(maxsize=4096)
def _floor(target: tuple[float, ...], n: int) -> float:
    """Many audits share a target and a number of images."""
    t = _array(target)
    m = np.floor(n * t) + 1
    inside = (t > 0) & (t < 1)
    deviations = np.where(inside, 2 * m * (1 - t) / n * stats.binom.pmf(m, n, np.where(inside, t, 0.5)), 0.0)
    return float(deviations.sum() / 2)


def gap_squared_unbiased(counts: Sequence[int], target: Sequence[float]) -> float | None:
    """Σ(p̂ − t)² − Σ p̂(1 − p̂)/(m − 1): an estimate of the squared distance to the target without the bias of chance.

    0 on average for a perfect model, and so sometimes negative; at most 2. It does not say which class is off, and a
    single audit's value is no distance: average it, or compare. None for fewer than two images.
    """
    m = sum(counts)
    if m < 2:
        return None
    p = _array(counts) / m
    return float(((p - _array(target)) ** 2).sum() - (p * (1 - p)).sum() / (m - 1))


def gap_squared_interval(
    counts: Sequence[int], target: Sequence[float], confidence: float = 0.95
) -> tuple[float, float] | None:
    """The interval of `gap_squared_unbiased`, by a bootstrap over the images (2,000 resamples, seeded).

    A resample's value is too large by what chance adds, Σ p̂(1 − p̂)/(m − 1), which is taken off again. None for fewer
    than two images.
    """
    m = sum(counts)
    if m < 2:
        return None
    p = _array(counts) / m
    chance = float((p * (1 - p)).sum() / (m - 1))
    drawn = np.random.default_rng(0).multinomial(m, p, size=2000) / m
    gaps = ((drawn - _array(target)) ** 2).sum(axis=1) - (drawn * (1 - drawn)).sum(axis=1) / (m - 1) - chance
    low, high = np.quantile(gaps, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
