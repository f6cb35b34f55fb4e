"""Statistics against independent implementations, closed forms and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equinoise import statistics as s

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


def test_simultaneous_intervals_are_goodmans() -> None:
    observed, n = [5, 10, 30, 55], 100
    chi = stats.chi2.ppf(1 - 0.05 / 4, 1)
    for x, interval in zip(observed, s.share_intervals(observed), strict=True):
        root = math.sqrt(chi * (chi + 4 * x * (n - x) / n))
        assert interval.low == pytest.approx((chi + 2 * x - root) / (2 * (n + chi)))
        assert interval.high == pytest.approx((chi + 2 * x + root) / (2 * (n + chi)))


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
    assert s.over_prompts([0.3]) is None
    shares = [0.1, 0.5, 0.3, 0.2]
    interval = s.over_prompts(shares)
    expected = stats.t.interval(0.95, 3, np.mean(shares), stats.sem(shares))
    assert interval is not None
    assert interval.high == pytest.approx(expected[1])


def test_spearman() -> None:
    assert s.spearman([0, 1, 2, 3], [0, 1, 2, 4]) == pytest.approx(1)
    assert s.spearman([0, 0], [1, 2]) is None
