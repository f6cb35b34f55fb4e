"""Statistics against independent implementations, closed forms and properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.proportion import proportion_confint

from equinoise import statistics as s
from equinoise.statistics.bounds import _of_every_subset, _of_split_subsets
from equinoise.statistics.sequences import critical

counts = st.lists(st.integers(0, 200), min_size=2, max_size=7).filter(lambda c: sum(c) > 1)


def test_wilson_is_the_inverted_score_test() -> None:
    low, high = s.wilson(20, 125)
    for end in (low, high):
        z = abs(20 / 125 - end) / math.sqrt(end * (1 - end) / 125)
        assert z == pytest.approx(1.959964, abs=1e-4)
    assert s.wilson(0, 0) == (0, 1)


def test_two_classes_are_wilson_and_mirror_each_other() -> None:
    woman, man = s.share_intervals([20, 105])
    assert woman == s.wilson(20, 125)
    assert woman.low == pytest.approx(1 - man.high)
    # the contract's own example
    assert (woman.low, woman.high) == (pytest.approx(0.106, abs=5e-4), pytest.approx(0.234, abs=5e-4))


def test_simultaneous_intervals_are_exact_at_bonferroni() -> None:
    observed, n = [0, 10, 30, 60], 100
    for x, interval in zip(observed, s.share_intervals(observed), strict=True):
        expected = proportion_confint(x, n, alpha=0.05 / 4, method="beta")
        assert interval == (pytest.approx(expected[0]), pytest.approx(expected[1]))


@given(counts)
def test_intervals_hold_the_share(observed: list[int]) -> None:
    n = sum(observed)
    for x, (low, high) in zip(observed, s.share_intervals(observed), strict=True):
        assert 0 <= low <= x / n + 1e-12
        assert x / n - 1e-12 <= high <= 1


@given(counts, st.randoms(use_true_random=False))
def test_disparity_does_not_depend_on_the_order_of_classes(observed: list[int], random: object) -> None:
    shuffled = list(observed)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    even = [1 / len(observed)] * len(observed)
    for measure in (
        lambda c: s.parity_difference([x / sum(c) for x in c]),
        lambda c: s.total_variation([x / sum(c) for x in c], even),
        lambda c: s.entropy_bits([x / sum(c) for x in c]),
        lambda c: s.gap_squared_unbiased(c, even),
    ):
        assert measure(observed) == pytest.approx(measure(shuffled))


def test_the_contracts_example() -> None:
    shares, even = [0.16, 0.84], [0.5, 0.5]
    assert s.parity_difference(shares) == pytest.approx(0.68)
    assert s.total_variation(shares, even) == pytest.approx(0.34)
    assert s.kl_bits(shares, even) == pytest.approx(0.366, abs=5e-4)
    assert s.entropy_bits(shares) == pytest.approx(0.634, abs=5e-4)
    assert s.sampling_floor(even, 125) == pytest.approx(0.0356, abs=5e-4)
    assert s.gap_squared_unbiased([20, 105], even) == pytest.approx(0.229, abs=5e-4)


def test_kl_is_none_where_it_would_be_infinite() -> None:
    assert s.kl_bits([0.5, 0.5], [1.0, 0.0]) is None
    assert s.kl_bits([1.0, 0.0], [0.5, 0.5]) == pytest.approx(1.0)


def test_unbiased_gap_is_zero_on_average_and_the_floor_is_the_mean_distance() -> None:
    rng, target, n = np.random.default_rng(0), [0.2, 0.3, 0.5], 60
    draws = rng.multinomial(n, target, size=20_000)
    gaps = [s.gap_squared_unbiased(list(map(int, d)), target) for d in draws[:4000]]
    assert np.mean([g for g in gaps if g is not None]) == pytest.approx(0, abs=4e-4)
    distances = np.abs(draws / n - target).sum(1) / 2
    assert s.sampling_floor(target, n) == pytest.approx(distances.mean(), rel=0.02)


def test_nothing_is_said_of_no_images() -> None:
    assert s.sampling_floor([0.5, 0.5], 0) is None
    assert s.gap_squared_unbiased([1, 0], [0.5, 0.5]) is None
    assert s.share_intervals([0, 0, 0]) == [(0, 1)] * 3


def test_paired_difference_covers_and_uses_the_pairing() -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(500):
        before = rng.random(100) < 0.2
        after = np.where(rng.random(100) < 0.9, before | (rng.random(100) < 0.25), rng.random(100) < 0.2)
        expected = 0.9 * (0.8 * 0.25 + 0.2) + 0.1 * 0.2 - 0.2
        _, (low, high) = s.paired_difference(list(before), list(after))
        hits += low <= expected <= high
    assert 0.92 <= hits / 500 <= 0.98
    value, (low, high) = s.paired_difference([False] * 50, [False] * 50)
    assert value == 0
    assert low < 0 < high
    with pytest.raises(ValueError, match="same seeds"):
        s.paired_difference([True], [])


def test_interval_over_prompts_counts_prompts() -> None:
    assert s.over_prompts([0.3], 100) is None
    shares = [0.1, 0.5, 0.3, 0.2]
    interval = s.over_prompts(shares, 4000)
    expected = stats.t.interval(0.95, 3, np.mean(shares), stats.sem(shares))
    assert interval is not None  # too few prompts to resample: t alone
    assert interval.high == pytest.approx(expected[1])
    assert interval.low == pytest.approx(max(0, expected[0]), abs=1e-9)


def test_prompts_that_agree_know_no_more_than_their_images() -> None:
    assert s.over_prompts([0.0] * 10, 160) == s.wilson(0, 160)


def test_skewed_prompts_widen_the_interval_where_t_is_too_narrow() -> None:
    shares = [0.0] * 8 + [0.1, 0.6]
    t, found = stats.t.interval(0.95, 9, np.mean(shares), stats.sem(shares)), s.mean_over_prompts(shares)
    assert found is not None
    assert found.high > t[1] + 0.05
    assert found == s.mean_over_prompts(shares)  # resampling is seeded


def test_wilson_agrees_with_statsmodels() -> None:
    for count, n in [(0, 7), (3, 7), (125, 128), (500, 1000)]:
        assert s.wilson(count, n) == pytest.approx(proportion_confint(count, n, method="wilson"))


def test_parity_difference_is_fairlearns() -> None:
    """An image counted once for each class, selected where it shows it: the selection rate of a class is its share."""
    classes, labels = ["a", "b", "c"], ["a"] * 5 + ["b"] * 20 + ["c"] * 10
    selected = [label == c for c in classes for label in labels]
    groups = [c for c in classes for _ in labels]
    expected = demographic_parity_difference(selected, selected, sensitive_features=groups)
    assert s.parity_difference([labels.count(c) / len(labels) for c in classes]) == pytest.approx(expected)


def test_named_imbalances() -> None:
    assert s.heim_imbalance([0.16, 0.84]) == pytest.approx(abs(0.16 - 0.5))  # HEIM: |share of women − 0.5|
    tones = [0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.0]
    assert s.heim_imbalance(tones) == pytest.approx(sum(abs(p - 0.1) for p in tones) / 10)  # HEIM: ten Monk tones
    assert s.mean_pairwise_gap([0.2, 0.8]) == pytest.approx(0.6)
    assert s.mean_pairwise_gap([1, 0, 0, 0]) == pytest.approx(2 / 4)
    assert s.mean_pairwise_gap([0.25] * 4) == 0


@given(counts)
def test_bounds_hold_the_measure_and_are_reached(observed: list[int]) -> None:
    n, k = sum(observed), len(observed)
    shares, target = [x / n for x in observed], [(i + 1) / (k * (k + 1) / 2) for i in range(k)]
    intervals = s.share_intervals(observed)
    parity, variation = s.parity_bounds(intervals), s.variation_bounds(intervals, target)
    assert parity.low - 1e-9 <= s.parity_difference(shares) <= parity.high + 1e-9
    assert variation.low - 1e-9 <= s.total_variation(shares, target) <= variation.high + 1e-9


@given(st.lists(st.integers(0, 60), min_size=2, max_size=9).filter(lambda c: sum(c) > 0))
def test_with_many_classes_the_bound_is_never_too_small(observed: list[int]) -> None:
    low, high = np.array(s.share_intervals(observed)).T
    target = np.arange(1, len(observed) + 1) / sum(range(1, len(observed) + 1))
    exact, split = (of(high - target, target - low) for of in (_of_every_subset, _of_split_subsets))
    assert exact - 1e-9 <= split <= exact + 0.15


@pytest.mark.parametrize("observed", [[47, 55, 0], [0, 39, 0], [0, 1, 6, 0], [20, 30, 40, 10], [3, 3, 3, 3, 3]])
def test_parity_bounds_are_reached_and_never_passed(observed: list[int]) -> None:
    """Shares on corners of the box reach the most; those made as even as the box allows reach the least."""
    rng, intervals = np.random.default_rng(0), s.share_intervals(observed)
    found, k = s.parity_bounds(intervals), len(observed)
    gaps = []
    for _ in range(4000):
        ends = np.array([rng.choice([i.low, i.high, rng.uniform(i.low, i.high)]) for i in intervals])
        free = rng.integers(k)
        ends[free] = 1 - np.delete(ends, free).sum()
        if intervals[free].low <= ends[free] <= intervals[free].high:
            gaps.append(ends.max() - ends.min())
    low, high = np.array(intervals).T
    level = brentq(lambda c: np.clip(c, low, high).sum() - 1, 0, 1)
    assert np.ptp(np.clip(level, low, high)) == pytest.approx(found.low, abs=1e-7)
    assert min(gaps) >= found.low - 1e-9
    assert max(gaps) == pytest.approx(found.high, abs=1e-9)


def test_variation_bounds_against_every_corner() -> None:
    """Brute force: the most is at a corner of the box cut by the simplex, where all but one share are at an end."""
    intervals, target = s.share_intervals([20, 30, 40, 10]), [0.4, 0.3, 0.2, 0.1]
    most = 0.0
    for free in range(4):
        for ends in itertools.product(*[intervals[i] for i in range(4) if i != free]):
            rest = 1 - sum(ends)
            if intervals[free].low <= rest <= intervals[free].high:
                shares = [*ends[:free], rest, *ends[free:]]
                most = max(most, s.total_variation(shares, target))
    assert s.variation_bounds(intervals, target).high == pytest.approx(most)
    assert s.variation_bounds(intervals, target).low == pytest.approx(
        max(
            sum(max(0, i.low - t) for i, t in zip(intervals, target, strict=True)),
            sum(max(0, t - i.high) for i, t in zip(intervals, target, strict=True)),
        )
    )


def test_a_confidence_sequence_is_wider_than_a_fixed_samples_interval_and_mirrors() -> None:
    for count, n in [(0, 10), (5, 10), (10, 10), (20, 125), (3, 1000)]:
        low, high = s.confidence_sequence(count, n, 1000, 20)
        wilson, mirrored = s.wilson(count, n), s.confidence_sequence(n - count, n, 1000, 20)
        assert low <= wilson.low + 1e-9
        assert high >= wilson.high - 1e-9
        assert (low, high) == (pytest.approx(1 - mirrored.high), pytest.approx(1 - mirrored.low))
    assert s.confidence_sequence(0, 0, 100, 5) == (0, 1)
    with pytest.raises(ValueError, match="beyond the horizon"):
        s.confidence_sequence(5, 11, 10, 5)


def test_critical_values_are_the_published_ones() -> None:
    """O'Brien and Fleming's constants at 5%, two-sided, as tabulated by Jennison and Turnbull (2000, table 2.3)."""
    published = {1: 1.960, 2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087, 20: 2.126}
    for looks, value in published.items():
        assert critical(looks, 0.05) == pytest.approx(value, abs=1.5e-3)


@pytest.mark.parametrize(("horizon", "every"), [(128, 32), (256, 32), (100, 10)])
def test_a_confidence_sequence_holds_at_all_looks_at_once(horizon: int, every: int) -> None:
    """Exact, over all paths: the chance that the true share is never outside, for shares from 0.2% to 50%."""
    for p in [*np.linspace(0.002, 0.05, 13), *np.linspace(0.06, 0.5, 23)]:
        inside, step = np.array([1.0]), stats.binom.pmf(np.arange(every + 1), every, p)
        for n in range(every, horizon + 1, every):
            inside = np.convolve(inside, step)
            intervals = [s.confidence_sequence(x, n, horizon, horizon // every) for x in range(n + 1)]
            inside *= [low <= p <= high for low, high in intervals]
        assert inside.sum() >= 0.95, p


@pytest.mark.parametrize("classes", [2, 5])
def test_the_horizon_is_just_enough(classes: int) -> None:
    n = s.horizon_for(0.2, classes, 32)
    for size, narrow in ((n, True), (n - 32, False)):
        counts = [size // 2, size - size // 2, *[0] * (classes - 2)]
        widths = [high - low for low, high in s.share_sequences(counts, size, size // 32)]
        assert (max(widths) <= 0.2) is narrow


def test_looking_often_misses_with_wilson_and_not_with_a_confidence_sequence() -> None:
    rng, p, n, runs = np.random.default_rng(3), 0.3, 300, 100
    missed = {"wilson": 0, "sequence": 0}
    for _ in range(runs):
        seen = np.cumsum(rng.random(n) < p)
        looks = [(int(seen[m - 1]), m) for m in range(20, n + 1, 20)]
        missed["wilson"] += any(not low <= p <= high for low, high in (s.wilson(*look) for look in looks))
        missed["sequence"] += any(
            not low <= p <= high for low, high in (s.confidence_sequence(*look, n, 15) for look in looks)
        )
    assert missed["sequence"] <= 0.05 * runs
    assert missed["wilson"] > 0.1 * runs


def test_bias_amplification() -> None:
    assert s.bias_amplification([0.1, 0.9], [0.3, 0.7]) == pytest.approx(0.2)
    assert s.bias_amplification([0.5, 0.5], [0.3, 0.7]) == pytest.approx(-0.2)
    assert s.bias_amplification([0.3, 0.7], [0.3, 0.7]) == 0
    assert s.bias_amplification([0.1, 0.9], [0.5, 0.5]) is None
    low, high = s.difference_from(0.1, s.Interval(0.05, 0.2), 0.3)
    assert (low, high) == (pytest.approx(-0.25), pytest.approx(-0.1))
    counted = s.difference_from(0.1, s.Interval(0.05, 0.2), 0.3, s.Interval(0.2, 0.4))
    assert counted.low < low < high < counted.high


def test_spearman() -> None:
    assert s.spearman([0, 1, 2, 3], [0, 1, 2, 4]) == pytest.approx(1)
    assert s.spearman([0, 0], [1, 2]) is None
