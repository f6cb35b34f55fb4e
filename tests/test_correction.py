"""Shares corrected for the detector's error, against an independent optimiser, closed forms and truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from equinoise.statistics import Confusion, correct, corrected_shares

TWO = Confusion(("woman", "man"), ((88, 10, 2), (3, 95, 2)))
THREE = Confusion(("light", "medium", "dark"), ((40, 8, 1, 1), (6, 36, 6, 2), (0, 9, 39, 2)))


def by_slsqp(observed: list[int], confusion: Confusion) -> np.ndarray:
    """The same constrained maximum likelihood, by scipy's general optimiser: a last class is always read as unclear."""
    rates = np.array(confusion.counts) / np.sum(confusion.counts, axis=1, keepdims=True)
    rates = np.vstack([rates, np.eye(rates.shape[1])[-1]])
    k = len(rates)
    best = minimize(
        lambda p: -np.dot(observed, np.log(np.clip(p @ rates, 1e-12, None))) / sum(observed),
        np.full(k, 1 / k),
        bounds=[(0, 1)] * k,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return np.asarray(best.x[:-1] / best.x[:-1].sum())


@pytest.mark.parametrize("observed", [[20, 100, 5], [1, 120, 0], [60, 60, 20]])
def test_two_classes_agree_with_an_independent_optimiser(observed: list[int]) -> None:
    assert corrected_shares(observed, TWO) == pytest.approx(by_slsqp(observed, TWO), abs=2e-4)


@pytest.mark.parametrize("observed", [[50, 30, 20, 3], [0, 5, 90, 4], [10, 0, 40, 0]])
def test_three_classes_agree_with_an_independent_optimiser(observed: list[int]) -> None:
    assert corrected_shares(observed, THREE) == pytest.approx(by_slsqp(observed, THREE), abs=2e-4)


def test_inside_the_simplex_it_is_the_inverse() -> None:
    """Without unclear answers the estimate of Rogan and Gladen (1978): (q + specificity − 1) / (sens. + spec. − 1)."""
    confusion = Confusion(("woman", "man"), ((90, 10, 0), (5, 95, 0)))
    share = (30 / 100 - 0.05) / (0.90 - 0.05)
    assert corrected_shares([30, 70, 0], confusion) == pytest.approx([share, 1 - share], abs=1e-5)


def test_outside_the_simplex_it_stays_on_the_edge() -> None:
    confusion = Confusion(("woman", "man"), ((90, 10, 0), (20, 80, 0)))
    shares = corrected_shares([5, 95, 0], confusion)  # fewer than a world of men alone would give
    assert shares == pytest.approx([0, 1], abs=1e-6)
    found = correct([5, 95, 0], confusion)
    assert found.intervals[0].low <= found.shares[0] <= found.intervals[0].high < 0.1


def test_a_perfect_detector_changes_nothing() -> None:
    perfect = Confusion(("woman", "man"), ((10_000, 0, 0), (0, 10_000, 0)))
    assert corrected_shares([20, 105, 0], perfect) == pytest.approx([0.16, 0.84], abs=1e-6)
    low, high = correct([20, 105, 0], perfect).intervals[0]
    assert (low, high) == (pytest.approx(0.106, abs=0.015), pytest.approx(0.234, abs=0.015))  # Wilson's, nearly


UNEQUAL = Confusion(("woman", "man"), ((60, 0, 40), (0, 90, 10)))
"""Women are read as unclear four times as often."""


def test_a_class_that_is_often_unclear_is_commoner_than_it_seems() -> None:
    """30 and 70 clear ones are of 50 women and 77.8 men, of whom 20 and 7.8 are unclear."""
    assert corrected_shares([30, 70, 28], UNEQUAL)[0] == pytest.approx(50 / (50 + 70 / 0.9), abs=1e-3)


@given(st.integers(28, 2000))
def test_what_shows_no_class_becomes_no_classs(unclear: int) -> None:
    """However many are unclear beyond what the classes explain."""
    assert corrected_shares([30, 70, unclear], UNEQUAL)[0] == pytest.approx(50 / (50 + 70 / 0.9), abs=1e-4)


def test_fewer_unclear_ones_than_expected_tell_against_the_unclear_class() -> None:
    few = corrected_shares([30, 70, 2], UNEQUAL)
    assert few[0] < 50 / (50 + 70 / 0.9) - 0.01
    assert few == pytest.approx(by_slsqp([30, 70, 2], UNEQUAL), abs=2e-4)


def test_nothing_clear_tells_nothing() -> None:
    assert corrected_shares([0, 0, 9], UNEQUAL) == pytest.approx([0.5, 0.5])


def test_fewer_calibration_images_give_a_wider_interval() -> None:
    widths = []
    for images in (20, 200, 2000):
        confusion = Confusion(
            ("woman", "man"), ((images * 9 // 10, images // 10, 0), (images // 10, images * 9 // 10, 0))
        )
        low, high = correct([30, 98, 0], confusion).intervals[0]
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


@given(st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(lambda c: sum(c) > 0), st.permutations(range(3)))
def test_shares_sum_to_one_and_do_not_depend_on_the_order_of_classes(observed: list[int], order: list[int]) -> None:
    shares = corrected_shares(observed, THREE)
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= 0
    places = [*order, 3]
    turned = Confusion(
        tuple(THREE.classes[i] for i in order),
        tuple(tuple(THREE.counts[i][j] for j in places) for i in order),
    )
    assert corrected_shares([observed[j] for j in places], turned) == pytest.approx(
        [shares[i] for i in order], abs=1e-4
    )


def test_the_interval_holds_the_truth() -> None:
    rng, hits, runs = np.random.default_rng(0), 0, 150
    rates = np.array([[0.86, 0.10, 0.04], [0.05, 0.93, 0.02]])
    for _ in range(runs):
        p = rng.uniform(0.05, 0.95)
        observed = rng.multinomial(128, [p, 1 - p] @ rates)
        rows = tuple(tuple(map(int, rng.multinomial(100, row))) for row in rates)
        low, high = correct(list(map(int, observed)), Confusion(("woman", "man"), rows)).intervals[0]
        hits += low <= p <= high
    assert 0.90 <= hits / runs <= 0.99  # the figure itself is measured by benchmarks.coverage


def test_matrices_add_and_bad_ones_are_refused() -> None:
    assert (TWO + TWO).n == 2 * TWO.n
    with pytest.raises(ValueError, match="same classes"):
        TWO + THREE
    with pytest.raises(ValueError, match="rows"):
        Confusion(("a", "b"), ((1, 2), (3, 4)))
    with pytest.raises(ValueError, match="every true class"):
        Confusion(("a", "b"), ((1, 2, 0), (0, 0, 0)))
    with pytest.raises(ValueError, match="3 counts"):
        correct([1, 2], TWO)
