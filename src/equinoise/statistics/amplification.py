"""Does the model exaggerate a skew that is there already, in its training data or in published statistics?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equinoise.statistics.intervals import Interval


def bias_amplification(shares: Sequence[float], reference: Sequence[float]) -> float | None:
    """Σ (share − reference) over the classes that the reference favours: a concept's term in Zhao et al. (2017, EMNLP).

    A class is favoured where its reference share is more than 1/K. Range −1 to 1; 0 means the model shows the skew of
    the reference, above 0 that it exaggerates it, below 0 that it softens or turns it. None where the reference is
    even: there is no skew to amplify. Says nothing of whether the reference itself is fair.
    """
    p, r = np.asarray(shares, float), np.asarray(reference, float)
    favoured = r > 1 / len(r) + 1e-9
    return float((p - r)[favoured].sum()) if favoured.any() else None


def difference_from(share: float, found: Interval, reference: float, known: Interval | None = None) -> Interval:
    """Interval of share − reference by squares added (Newcombe 1998, Stat. Med. 17, method 10).

    `known` is the reference's own interval where it was counted too; without it the reference is taken as exact. Range
    within −1 to 1; an interval that holds 0 does not tell the two apart.
    """
    known = known or Interval(reference, reference)
    low = share - reference - np.hypot(share - found.low, known.high - reference)
    high = share - reference + np.hypot(found.high - share, reference - known.low)
    return Interval(float(low), float(high))
