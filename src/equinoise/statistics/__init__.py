"""Counts → shares, intervals, disparity. No torch, no images; every function takes counts and returns values."""

from equinoise.statistics.disparity import (
    entropy_bits,
    gap_squared_unbiased,
    kl_bits,
    parity_difference,
    sampling_floor,
    total_variation,
)
from equinoise.statistics.intervals import (
    Interval,
    over_prompts,
    paired_difference,
    share_intervals,
    wilson,
)
from equinoise.statistics.scale import spearman

__all__ = [
    "Interval",
    "entropy_bits",
    "gap_squared_unbiased",
    "kl_bits",
    "over_prompts",
    "paired_difference",
    "parity_difference",
    "sampling_floor",
    "share_intervals",
    "spearman",
    "total_variation",
    "wilson",
]
