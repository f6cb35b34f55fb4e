"""The solver: the chosen mixture against what can be worked out by hand, and against any other mixture."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.plans.solver_speed import goals
from equinoise import EquinoiseError
from equinoise.planning.solver import TOLERANCE, Goal, choose

EVEN = np.array([0.5, 0.5])


def women(weights: np.ndarray, p: float = 0.22, slope: float = 1.0) -> np.ndarray:
    share = stats.norm.cdf(stats.norm.ppf(p) + slope * weights)
    return np.stack([share, 1 - share], axis=1)


def exactly(target: np.ndarray, expected: np.ndarray, weight: float | None = None) -> Goal:
    return Goal(target, expected, np.zeros((0, *expected.shape)), weight)


def test_the_cheapest_way_to_an_even_split_is_one_gentle_shift() -> None:
    weights = np.linspace(-4, 4, 161)
    found = choose([exactly(EVEN, women(weights))], weights**2 / 2)
    needed = -stats.norm.ppf(0.22)
    assert found.feasible
    assert found.distances[0] <= TOLERANCE + 1e-9
    assert found.mixture @ weights == pytest.approx(needed, abs=0.06)
    assert found.cost == pytest.approx(needed**2 / 2, abs=0.03)


def test_where_only_strong_shifts_are_there_part_of_the_images_get_one() -> None:
    weights = np.array([0.0, 3.0])
    found = choose([exactly(EVEN, women(weights))], weights**2 / 2, tolerance=0)
    high = women(weights)[1, 0]
    assert found.mixture[1] == pytest.approx((0.5 - 0.22) / (high - 0.22), abs=1e-6)


def test_the_nearest_is_found_where_the_target_is_out_of_reach() -> None:
    weights = np.array([0.0, 0.5])
    found = choose([exactly(EVEN, women(weights))], weights**2 / 2, tolerance=0)
    assert not found.feasible
    assert found.mixture.tolist() == [0, 1]
    assert found.reach == pytest.approx(0.5 - women(weights)[1, 0])


def test_of_two_ways_the_better_known_one_is_taken() -> None:
    expected = np.array([[0.22, 0.78], [0.5, 0.5], [0.5, 0.5]])
    wobble = np.array([0.0, 0.2, 0.02])
    samples = np.stack([expected + sign * wobble[:, None] * np.array([1, -1]) for sign in (1, -1)])
    goal, costs = Goal(EVEN, expected, samples), np.array([0.0, 1.0, 1.5])
    assert choose([goal], costs, caution=0).mixture[1] > 0.9
    assert choose([goal], costs, caution=40).mixture[2] > 0.9


def test_a_soft_target_decides_between_mixtures_that_both_meet_the_targets() -> None:
    # two axes of two classes; candidates that show one cell each
    cells = np.eye(4)
    first, second = cells @ np.repeat(np.eye(2), 2, axis=0), cells @ np.tile(np.eye(2), (2, 1))
    margins = [exactly(EVEN, first), exactly(EVEN, second)]
    together = exactly(np.full(4, 0.25), cells, weight=10.0)
    costs = np.array([0.0, 0.1, 0.1, 0.0])
    assert choose(margins, costs).mixture[[0, 3]].sum() > 0.95  # cheapest, and wholly dependent
    assert choose([*margins, together], costs).mixture == pytest.approx(np.full(4, 0.25), abs=0.02)


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_no_other_mixture_is_nearer_or_as_near_and_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, costs = goals(axes=2, classes=3, shifts=8, samples=0, seed=seed)
    found = choose(made, costs, least=0.0)
    assert found.mixture.min() >= 0
    assert found.mixture.sum() == pytest.approx(1)
    for other in rng.dirichlet(np.full(8, 0.3), 200):
        distance = sum(goal.distance(other) for goal in made)
        assert distance >= found.reach - 1e-9
        assert distance > found.reach + TOLERANCE - 1e-9 or costs @ other >= found.cost - 1e-9


def test_small_shares_are_given_up_where_nothing_is_lost() -> None:
    made, costs = goals(axes=2, classes=5, shifts=120, samples=6, seed=3)
    found = choose(made, costs)
    assert min(share for share in found.mixture if share) >= 0.03 or found.reach == 0


def test_five_axes_of_seven_classes_and_200_candidates_take_less_than_a_second() -> None:
    made, costs = goals(axes=5, classes=7, shifts=200, samples=12, seed=0)
    seconds = []
    for _ in range(2):  # the machine may be busy with something else
        started = perf_counter()
        choose(made, costs)
        seconds.append(perf_counter() - started)
    assert min(seconds) < 4  # on a busy machine; benchmarks.plans.solver_speed says what it takes


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(EquinoiseError, match="at least one candidate"):
        choose([], np.zeros(3))
