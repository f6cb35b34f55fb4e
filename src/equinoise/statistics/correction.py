"""Detectors err: shares corrected by a confusion matrix, with an interval that carries both samples' uncertainty.

Some images show no class to anybody. They are read as unclear and belong to no share: beside the K classes stands one
more, of images that can only be read so. How often a class is read as unclear still counts (a class that often is, is
commoner than it seems), but unclear images beyond what the classes explain do not become any class's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.statistics.intervals import Interval

Array = NDArray[np.float64]
DRAWS = 2000


@dataclass(frozen=True)
class Confusion:
    """What a detector said of images whose class is known.

    Attributes:
        classes: the K classes.
        counts: K rows, one a true class; K + 1 columns: the classes in the same order, then unclear.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        k = len(self.classes)
        if len(self.counts) != k or any(len(row) != k + 1 for row in self.counts):
            raise ValueError(f"a confusion matrix of {k} classes has {k} rows of {k + 1} columns, unclear last")
        if any(sum(row) < 1 or min(row) < 0 for row in self.counts):
            raise ValueError("a confusion matrix needs at least one image of every true class, and no negative count")

    @property
    def n(self) -> int:
        """Images it was counted on."""
        return sum(map(sum, self.counts))

    def __add__(self, other: Confusion) -> Confusion:
        if self.classes != other.classes:
            raise ValueError("only confusion matrices of the same classes add up")
        return Confusion(self.classes, tuple(map(tuple, (np.array(self.counts) + np.array(other.counts)).tolist())))


@dataclass(frozen=True)
class Corrected:
    """True shares as estimated, an interval each; simultaneous for more than two classes."""

    shares: tuple[float, ...]
    intervals: tuple[Interval, ...]


def corrected_shares(observed: Sequence[int], confusion: Confusion) -> list[float]:
    """The true shares under which the detector's answers are most likely; they lie in 0–1 and sum to 1.

    Maximises Σⱼ nⱼ log Σₖ πₖ Mₖⱼ over the simplex, M the confusion matrix with rows summing to 1 and a last row of
    images that show no class (van der Laan and Rogan-Gladen's estimate where that lies inside; never its clipped
    inverse where it does not). `observed` holds K + 1 counts, unclear last. The shares are over images that show one.

    Raises:
        ValueError: nothing was observed, or not K + 1 counts.
    """
    counts = _checked(observed, confusion)
    rates = np.asarray(confusion.counts, float)
    rates /= rates.sum(axis=1, keepdims=True)
    shares: list[float] = _of_classes(counts[None] / counts.sum(), rates[None])[0].tolist()
    return shares


def correct(observed: Sequence[int], confusion: Confusion, confidence: float = 0.95, seed: int = 0) -> Corrected:
    """The corrected shares with intervals from a Bayesian bootstrap over both samples (Rubin 1981, Ann. Stat. 9).

    Each of 2,000 draws takes the detector's answers from a Dirichlet of the observed counts (Jeffreys' prior, ½ a
    column) and each row of the confusion matrix from one of its counts (a prior of one image, shared by the columns:
    an error that was not seen among few images is not impossible), and solves for the shares. The resampling
    bootstrap takes what it has not seen for impossible and covers 80–90% with five classes; this one 93–96%
    (`benchmarks.coverage`). The band over classes is Besag et al.'s (1995, Stat. Sci. 10): all classes hold together.

    Raises:
        ValueError: nothing was observed, or not K + 1 counts.
    """
    counts = _checked(observed, confusion)
    rng, columns = np.random.default_rng(seed), len(counts)
    answers = rng.dirichlet(counts + 0.5, DRAWS)
    rows = [rng.dirichlet(np.asarray(row) + 1 / columns, DRAWS) for row in confusion.counts]
    low, high = _band(_of_classes(answers, np.stack(rows, axis=1), steps=500, tolerance=1e-5), confidence)
    shares = corrected_shares(observed, confusion)
    ends = zip(shares, low, high, strict=True)  # an estimate on the edge of 0–1 lies beyond every draw
    return Corrected(tuple(shares), tuple(Interval(min(s, float(a)), max(s, float(b))) for s, a, b in ends))


def _checked(observed: Sequence[int], confusion: Confusion) -> Array:
    counts = np.asarray(observed, float)
    if len(counts) != len(confusion.classes) + 1 or counts.sum() < 1:
        raise ValueError(f"{len(confusion.classes)} classes need {len(confusion.classes) + 1} counts, unclear last")
    return counts


def _of_classes(answers: Array, rates: Array, steps: int = 5000, tolerance: float = 1e-8) -> Array:
    """Shares (B, K) among images that show a class: the most likely with a last row that is always unclear.

    Where the classes explain fewer unclear answers than there are, that row takes up the rest and the clear answers
    alone tell; where they explain more, its weight is 0 and unclear answers tell too.
    """
    clear = np.maximum(1 - rates[:, :, -1], 1e-9)
    said = answers[:, :-1].sum(axis=1, keepdims=True)
    first = np.divide(answers[:, :-1], said, out=np.full_like(answers[:, :-1], 1 / rates.shape[1]), where=said > 0)
    found = _most_likely(first, rates[:, :, :-1] / clear[:, :, None], steps, tolerance) / clear
    explained = said[:, 0] * found.sum(axis=1)
    shares: Array = found / found.sum(axis=1, keepdims=True)
    shares[said[:, 0] == 0] = 1 / rates.shape[1]  # nothing is known
    fewer = explained > 1
    if fewer.any():
        shares[fewer] = _most_likely(answers[fewer], rates[fewer], steps, tolerance)
    return shares


def _most_likely(answers: Array, rates: Array, steps: int, tolerance: float) -> Array:
    """Expectation–maximisation for the mixture weights (B, K) of many samples at once.

    `answers` (B, J) shares of the detector's answers, `rates` (B, K, J) confusion rates. Each step keeps the
    weights in the simplex and never lowers the likelihood; samples that have settled are left alone.
    """
    shares = np.full(rates.shape[:2], 1 / rates.shape[1])
    active = np.arange(len(shares))
    for step in range(steps):
        p, m, q = shares[active], rates[active], answers[active]
        expected = np.einsum("bk,bkj->bj", p, m)
        ratio: Any = np.divide(q, expected, out=np.zeros_like(q), where=expected > 0)
        better = p * np.einsum("bkj,bj->bk", m, ratio)
        better /= better.sum(axis=1, keepdims=True)
        shares[active] = better
        if step % 8 == 7:
            active = active[np.abs(better - p).max(axis=1) > tolerance]
            if not len(active):
                break
    return shares


def _band(draws: Array, confidence: float) -> tuple[Array, Array]:
    """The smallest band of order statistics that holds the given part of the draws whole, over all columns at once."""
    ranks = draws.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") + 1
    extremes = np.maximum(ranks.max(axis=1), len(draws) + 1 - ranks.min(axis=1))
    k = int(np.sort(extremes)[int(np.ceil(confidence * len(draws))) - 1])
    ordered = np.sort(draws, axis=0)
    return ordered[len(draws) - k], ordered[k - 1]
