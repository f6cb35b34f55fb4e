"""From a choice over candidates to the parts of a plan, and what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from equinoise.planning.basis import Span
from equinoise.planning.candidates import Offers
from equinoise.planning.exploration import allot
from equinoise.planning.optimise import Chosen
from equinoise.planning.response import Array
from equinoise.steering.plan import Part
from equinoise.understanding.targets import Target

HUNDREDTHS = 100
"""Shares of a plan are whole hundredths, so that its assignment of seeds repeats after at most so many."""

DRAWS = 400


def parts_of(chosen: Chosen, span: Span) -> list[tuple[int, Part]]:
    """The candidates with a share of at least a hundredth and their parts, the largest first."""
    rounded = np.bincount(allot(chosen.choice.mixture, HUNDREDTHS), minlength=len(chosen.offers)) / HUNDREDTHS
    used = [int(j) for j in np.argsort(-rounded, kind="stable") if rounded[j]]
    return [(j, Part(span.intervention(chosen.weights[j]), float(rounded[j]), chosen.offers.keeps[j])) for j in used]


def expected_of(chosen: Chosen, parts: Sequence[tuple[int, Part]], targets: Sequence[Target]) -> dict[str, Any]:
    """By target and class: the expected share of the mixture, and the central 95% of what the pilots leave open."""
    offers, mixture = _of(chosen, parts)
    found = {}
    for target in targets:
        shares = mixture @ chosen.expectation.expected(target, offers)
        drawn = np.einsum("j,sjc->sc", mixture, chosen.expectation.drawn(target, offers, DRAWS))
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
    offers, _ = _of(chosen, parts)
    tables = {target.name: chosen.expectation.expected(target, offers) for target in targets}
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
    offers, _ = _of(chosen, parts)
    looked = np.array([bool(keep) for keep in offers.keeps])
    draws = np.where(looked, chosen.expectation.draws(offers), 1.0)
    return draws.tolist(), chosen.expectation.extra(offers).tolist()


def _of(chosen: Chosen, parts: Sequence[tuple[int, Part]]) -> tuple[Offers, Array]:
    return chosen.offers.rows([j for j, _ in parts]), np.array([part.share for _, part in parts])
