"""From a choice over candidates to the parts of a plan, and what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from equinoise.planning.basis import Basis
from equinoise.planning.candidates import Candidates
from equinoise.planning.exploration import assign
from equinoise.planning.optimise import Chosen
from equinoise.planning.response import Array
from equinoise.steering.plan import Part
from equinoise.understanding.targets import Target

HUNDREDTHS = 100
"""Shares of a plan are whole hundredths, so that its assignment of seeds repeats after at most so many."""

DRAWS = 400


def parts_of(chosen: Chosen, basis: Basis) -> list[tuple[int, Part]]:
    """The candidates with a share of at least a hundredth and their parts, the largest first."""
    rounded = np.bincount(assign(chosen.choice.mixture, HUNDREDTHS), minlength=len(chosen.candidates)) / HUNDREDTHS
    used = [int(j) for j in np.argsort(-rounded, kind="stable") if rounded[j]]
    return [
        (j, Part(basis.intervention(chosen.weights[j]), float(rounded[j]), chosen.candidates.keeps[j])) for j in used
    ]


def expected_of(chosen: Chosen, parts: Sequence[tuple[int, Part]], targets: Sequence[Target]) -> dict[str, Any]:
    """By target and class: the expected share of the mixture, and the central 95% of what the pilots leave open."""
    candidates, mixture = _of(chosen, parts)
    found = {}
    for target in targets:
        shares = mixture @ chosen.expectation.expected(target, candidates)
        drawn = np.einsum("j,sjc->sc", mixture, chosen.expectation.drawn(target, candidates, DRAWS))
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        rows = zip(target.shares, shares, low, high, strict=True)
        found[target.name] = {
            name: {"share": float(share), "low": min(float(a), float(share)), "high": max(float(b), float(share))}
            for name, share, a, b in rows
        }
    return found


def expected_of_parts(
    chosen: Chosen, parts: Sequence[tuple[int, Part]], targets: Sequence[Target]
) -> list[dict[str, dict[str, float]]]:
    """A part: by target and class the expected share."""
    candidates, _ = _of(chosen, parts)
    tables = {target.name: chosen.expectation.expected(target, candidates) for target in targets}
    return [
        {t.name: dict(zip(t.shares, map(float, tables[t.name][row]), strict=True)) for t in targets}
        for row in range(len(parts))
    ]


def expected_distance(expected: Mapping[str, Mapping[str, Mapping[str, float]]], target: Target) -> float:
    """Total variation between what is expected and the target."""
    shares = expected[target.name]
    return sum(abs(shares[name]["share"] - wanted) for name, wanted in target.shares.items()) / 2


def extra_of(chosen: Chosen, parts: Sequence[tuple[int, Part]]) -> tuple[list[float], list[float]]:
    """A part: expected draws of an image, and denoiser calls beyond a whole run's, as a share of these."""
    candidates, _ = _of(chosen, parts)
    looked = np.array([bool(keep) for keep in candidates.keeps])
    draws = np.where(looked, chosen.expectation.draws(candidates), 1.0)
    return draws.tolist(), chosen.expectation.extra(candidates).tolist()


def _of(chosen: Chosen, parts: Sequence[tuple[int, Part]]) -> tuple[Candidates, Array]:
    return chosen.candidates.rows([j for j, _ in parts]), np.array([part.share for _, part in parts])
