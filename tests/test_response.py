"""Responses against the formulas that they are fitted to, and the identity that they rest on."""

from __future__ import annotations

import numpy as np
import pytest
from factories import direction
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from equinoise.axes import UNCLEAR_INDEX
from equinoise.models.base import draw_noise
from equinoise.models.mixture import best_direction, shares
from equinoise.planning.basis import Basis
from equinoise.planning.response import Form, Observations, better_response, fit_response
from equinoise.statistics import Confusion

DOCTOR = "a photo of a doctor"
ARMS = np.array([[0.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [0.0, 2.0]])


def observed(cosines: list[float], edges: list[float], n: int, seed: int = 0) -> Observations:
    """Classes by Φ(κ − c·v) with the rest of the noise beside it."""
    rng, c = np.random.default_rng(seed), np.array(cosines)
    arms = rng.integers(len(ARMS), size=n)
    v = rng.standard_normal((n, 2)) + ARMS[arms]
    place = v @ c + np.sqrt(1 - c @ c) * rng.standard_normal(n)
    return Observations(v, (place[:, None] > np.array(edges)).sum(1), arms)


def formula(cosines: list[float], edges: list[float], weights: np.ndarray) -> np.ndarray:
    below = stats.norm.cdf(np.array(edges) - (weights @ np.array(cosines))[:, None])
    return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)


@pytest.mark.parametrize(("cosines", "edges"), [([0.7, -0.2], [0.8]), ([0.3, 0.6], [-0.5, 0.1, 0.6, 1.3])])
def test_the_formula_comes_back_and_its_spread_is_honest(cosines: list[float], edges: list[float]) -> None:
    made = fit_response(Form(len(edges) + 1, len(edges) > 1, 2), observed(cosines, edges, 1500))
    wanted = np.array([[0.0, 0.0], [1.0, 0.0], [1.5, 1.0]])
    samples = np.stack([made.shares(wanted, theta) for theta in made.posterior_samples(60)])
    off = np.abs(made.shares(wanted) - formula(cosines, edges, wanted))
    assert off.max() < 0.04
    assert (off < 4 * samples.std(axis=0) + 1e-3).all()
    assert made.slopes == pytest.approx(cosines, abs=0.08)
    assert made.fit.p > 0.01


def test_positions_make_few_pilots_worth_many() -> None:
    """Where a direction tells the class nearly wholly, the luck of the seeds along it is known and taken out."""
    here, fitted, counted = np.zeros((1, 2)), list[float](), list[float]()
    truth = formula([0.97, 0.0], [0.77], here)[0, 0]
    for seed in range(10):
        made = observed([0.97, 0.0], [0.77], 480, seed)
        untouched = made.where(made.arms == 0)
        fitted.append(fit_response(Form(2, False, 2), untouched).shares(here)[0, 0] - truth)
        counted.append((untouched.labels == 0).mean() - truth)
    assert np.sqrt(np.mean(np.square(fitted))) < 0.6 * np.sqrt(np.mean(np.square(counted)))


def test_errors_of_the_detector_are_taken_out() -> None:
    rng, true = np.random.default_rng(1), observed([0.6, 0.0], [0.5], 2000)
    rates = np.array([[0.75, 0.15, 0.10], [0.05, 0.90, 0.05]])
    seen = np.array([rng.choice([0, 1, UNCLEAR_INDEX], p=rates[label]) for label in true.labels])
    confusion = Confusion(("a", "b"), tuple(tuple(int(1000 * p) for p in row) for row in rates))
    blurred = Observations(true.positions, seen, true.arms)
    wanted = np.zeros((1, 2))
    right = formula([0.6, 0.0], [0.5], wanted)
    form = Form(2, False, 2)
    assert np.abs(fit_response(form, blurred, confusion).shares(wanted) - right).max() < 0.05
    assert np.abs(fit_response(form, blurred).shares(wanted) - right).max() > 0.08


def test_classes_without_an_order_and_a_class_that_was_never_seen() -> None:
    rng = np.random.default_rng(0)
    v = rng.standard_normal((800, 2))
    labels = np.argmax(np.stack([v[:, 0], v[:, 1], -v.sum(1)], axis=1) + rng.gumbel(size=(800, 3)), axis=1)
    made = fit_response(Form(4, False, 2), Observations(v, labels, np.zeros(800, int)))
    found = made.shares(np.array([[0.0, 0.0], [3.0, 0.0]]))
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert np.abs(found[0, :3] - np.bincount(labels, minlength=3) / 800).max() < 0.03
    assert found[:, 3].max() < 0.02
    assert found[1, 0] > 0.75


def test_a_wrong_form_is_noticed() -> None:
    rng = np.random.default_rng(0)
    arms = rng.integers(3, size=1500)
    v = rng.standard_normal((1500, 1)) + np.array([-2, 0, 2])[arms][:, None]
    made = fit_response(Form(2, False, 1), Observations(v, (np.abs(v[:, 0]) > 1).astype(int), arms))
    assert made.fit.p < 1e-6
    assert made.fit.widened > 2


def test_a_scale_out_of_its_order_is_told_by_the_logit() -> None:
    """The class in the middle lies at the far end: no cumulative form has its share right."""
    edges, wanted = [-0.6, 0.6], np.array([[0.0, 0.0], [1.5, 0.0]])
    ordered = observed([0.9, 0.1], edges, 600)
    swapped = Observations(ordered.positions, np.array([0, 2, 1])[ordered.labels], ordered.arms)
    form, truth = Form(3, True, 2), formula([0.9, 0.1], edges, wanted)[:, [0, 2, 1]]
    found, plain = better_response(form, swapped), fit_response(form, swapped)
    assert not found.form.ordered
    assert found.aic < plain.aic
    assert np.abs(found.shares(wanted) - truth).max() < 0.06 < np.abs(plain.shares(wanted) - truth).max()
    assert better_response(form, ordered).form == form
    again = better_response(form, swapped, before=found)
    np.testing.assert_allclose(again.shares(wanted), found.shares(wanted), atol=1e-3)


@settings(max_examples=15)
@given(st.floats(-3, 3, allow_subnormal=False), st.floats(0.2, 0.99))
def test_a_shift_is_a_move_of_the_position(weight: float, cosine: float) -> None:
    """What the whole module rests on: E_u[g(u + w)] is the mixture's own formula, cosine and all."""
    target = best_direction(DOCTOR, "gender", "woman")
    side = np.zeros(target.shape)
    side.flat[7] = 1
    side -= (side * target).sum() * target
    oblique = cosine * target + (1 - cosine**2) ** 0.5 * side / np.linalg.norm(side)
    exact = shares(DOCTOR, "gender", shift=weight * oblique)["woman"]
    p = shares(DOCTOR, "gender")["woman"]
    u = np.linspace(-8, 8, 4001)
    g = stats.norm.cdf((stats.norm.ppf(p) + cosine * (u + weight)) / (1 - cosine**2) ** 0.5)
    assert np.trapezoid(g * stats.norm.pdf(u), u) == pytest.approx(exact, abs=1e-4)


def test_a_basis_is_orthonormal_and_knows_the_positions_of_seeds() -> None:
    given_, other = direction(0), direction(1, label="dark", axis="tone")
    basis = Basis.spanning([given_, other, 2 * given_])
    assert len(basis.directions) == 2
    assert basis.directions[0].cosine(basis.directions[1]) == pytest.approx(0, abs=1e-6)
    seeds, weights = range(5), np.array([1.5, -0.5])
    noise = draw_noise(seeds, given_.vector.shape)
    moved = basis.intervention(weights).apply(noise).flatten(1).numpy()
    assert moved @ basis.matrix.T == pytest.approx(basis.positions(seeds) + weights, abs=1e-4)
    assert basis.intervention(np.zeros(2)).name == "none"
    # the directions as given are lines of the basis
    assert max(abs(line @ np.array([given_.cosine(d) for d in basis.directions])) for line in basis.lines) > 0.999


@given(st.integers(1, 4), st.floats(1, 8), st.integers(40, 300))
def test_candidate_shifts_are_few_and_within_reach(m: int, longest: float, most: int) -> None:
    found = Basis((), np.eye(m)).grid(longest, most)
    assert (found[0] == 0).all()
    assert np.linalg.norm(found, axis=1).max() <= longest * 1.01
    assert len(found) <= 2 * most
    assert len(np.unique(found, axis=0)) == len(found)
    assert {tuple(row) for row in found[:5]} <= {tuple(row) for row in Basis.neighbours(found[:5], 0.5)}
