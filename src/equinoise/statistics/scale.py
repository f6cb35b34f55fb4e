"""Agreement on an ordered axis."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats


def spearman(asked: Sequence[float], seen: Sequence[float]) -> float | None:
    """Spearman's rank correlation of the asked and the detected place on a scale. None where either is constant."""
    if len(set(asked)) < 2 or len(set(seen)) < 2:
        return None
    return float(stats.spearmanr(asked, seen).statistic)
