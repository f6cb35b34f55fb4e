"""Counts → shares, intervals, disparity, correction. No torch, no images: counts in, values out."""

from equinoise.statistics.amplification import bias_amplification, difference_from
from equinoise.statistics.bounds import parity_bounds, variation_bounds
from equinoise.statistics.correction import Confusion, Corrected, correct, corrected_shares
from equinoise.statistics.cosines import (
    Similarity,
    centred,
    over_draws,
    over_wordings,
    resampled,
    resampled_pairs,
    wordings_p,
)
from equinoise.statistics.disparity import (
    entropy_bits,
    gap_squared_interval,
    gap_squared_unbiased,
    heim_imbalance,
    kl_bits,
    mean_pairwise_gap,
    parity_difference,
    sampling_floor,
    total_variation,
)
from equinoise.statistics.intervals import (
    Interval,
    mean_over_prompts,
    over_prompts,
    paired_difference,
    paired_ratio,
    share_intervals,
    wilson,
)
from equinoise.statistics.quality import Measured, diversity_ratio, kernel_distance, mean_distance
from equinoise.statistics.reversals import PairCount, adjust_reversals, count_pair, holm, rank_agreement
from equinoise.statistics.scale import spearman
from equinoise.statistics.sequences import confidence_sequence, horizon_for, share_sequences

__all__ = [
    "Confusion",
    "Corrected",
    "Interval",
    "Measured",
    "PairCount",
    "Similarity",
    "adjust_reversals",
    "bias_amplification",
    "centred",
    "confidence_sequence",
    "correct",
    "corrected_shares",
    "count_pair",
    "difference_from",
    "diversity_ratio",
    "entropy_bits",
    "gap_squared_interval",
    "gap_squared_unbiased",
    "heim_imbalance",
    "holm",
    "horizon_for",
    "kernel_distance",
    "kl_bits",
    "mean_distance",
    "mean_over_prompts",
    "mean_pairwise_gap",
    "over_draws",
    "over_prompts",
    "over_wordings",
    "paired_difference",
    "paired_ratio",
    "parity_bounds",
    "parity_difference",
    "rank_agreement",
    "resampled",
    "resampled_pairs",
    "sampling_floor",
    "share_intervals",
    "share_sequences",
    "spearman",
    "total_variation",
    "variation_bounds",
    "wilson",
    "wordings_p",
]
