"""Confidence sequences: intervals that hold at every look at once, so that one may look often and stop when pleased."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from equinoise.statistics.intervals import Interval


def confidence_sequence(count: int, n: int, confidence: float = 0.95) -> Interval:
    """Beta-binomial confidence sequence for a share, valid at all n together (Robbins 1970, Ann. Math. Stat. 41).

    {p : B(½ + x, ½ + n − x) / B(½, ½) < p^x (1 − p)^(n − x) / α}. The ratio of the two is a martingale under the
    true p with mean 1, so by Ville's inequality it ever reaches 1/α with probability at most α. Wider than Wilson's at
    any one n: the price of looking. (0, 1) for n = 0.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    evidence = float(betaln(0.5 + count, 0.5 + n - count) - betaln(0.5, 0.5)) + float(np.log(1 - confidence))

    def excess(p: float) -> float:
        return evidence - float(xlogy(count, p) + xlog1py(n - count, -p))

    share, tiny = count / n, 1e-12
    low = 0.0 if count == 0 else float(brentq(excess, tiny, share))
    high = 1.0 if count == n else float(brentq(excess, share, 1 - tiny))
    return Interval(low, high)


def share_sequences(counts: Sequence[int], confidence: float = 0.95) -> list[Interval]:
    """A confidence sequence per class; with K > 2 classes at 1 − α/K each, so that all hold together at every look."""
    share = 1 if len(counts) == 2 else len(counts)
    return [confidence_sequence(count, sum(counts), 1 - (1 - confidence) / share) for count in counts]
