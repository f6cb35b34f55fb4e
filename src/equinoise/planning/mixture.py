"""A solution as the parts of a plan, and what is expected of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equinoise.planning.basis import Array, Basis
from equinoise.planning.candidates import Candidates, Expectation
from equinoise.planning.optimise import Solution
from equinoise.planning.solver import assign
from equinoise.steering.plan import Part
from equinoise.understanding.targets import Target

HUNDREDTHS = 100
"""Shares of a plan are whole hundredths, so that its assignment of seeds repeats after at most so many."""

SAMPLES = 400


@dataclass(frozen=True, eq=False)
class Mixture:
    """The candidates with a share of at least a hundredth, the largest first.

    Attributes:
        parts: the P candidates as parts of a plan.
        candidates: the same as rows.
        expectation: what they give and cost.
    """

    parts: tuple[Part, ...]
    candidates: Candidates
    expectation: Expectation

    @classmethod
    def rounded(cls, solution: Solution, basis: Basis) -> Mixture:
        """The mixture of a solution in whole hundredths."""
        counts = np.bincount(assign(solution.choice.mixture, HUNDREDTHS), minlength=len(solution.candidates))
        shares = counts / HUNDREDTHS
        used = [int(j) for j in np.argsort(-shares, kind="stable") if shares[j]]
        candidates = solution.candidates.rows(used)
        parts = tuple(
            Part(basis.intervention(weights), float(shares[j]), accepted)
            for j, weights, accepted in zip(used, candidates.weights, candidates.accepted, strict=True)
        )
        return cls(parts, candidates, solution.expectation)

    @property
    def shares(self) -> Array:
        """(P,) share of the images that get each part."""
        return np.array([part.share for part in self.parts])

    def expected(self, target: Target) -> tuple[Array, Array, Array]:
        """By cell of the target the expected share, and the central 95% of what the pilots leave open."""
        shares = self.shares @ self.expectation.expected(target, self.candidates)
        sampled = self.expectation.sampled(target, self.candidates, SAMPLES)
        low, high = np.quantile(np.einsum("j,sjc->sc", self.shares, sampled), (0.025, 0.975), axis=0)
        return shares, np.minimum(low, shares), np.maximum(high, shares)

    def expected_of_parts(self, target: Target) -> Array:
        """(P, cells) expected shares of the target's cells under each part."""
        return self.expectation.expected(target, self.candidates)

    def distance(self, target: Target) -> float:
        """Total variation between what is expected and the target."""
        shares = self.shares @ self.expectation.expected(target, self.candidates)
        off = [abs(float(share) - wanted) for share, wanted in zip(shares, target.shares.values(), strict=True)]
        return sum(off) / 2

    @property
    def attempts(self) -> Array:
        """(P,) expected attempts at an image of each part."""
        return self.expectation.attempts(self.candidates)

    @property
    def extra_calls(self) -> Array:
        """(P,) expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        return self.expectation.extra_calls(self.candidates)

    @property
    def extra_calls_per_image(self) -> float:
        """The same over the whole mixture."""
        return sum(part.share * float(extra) for part, extra in zip(self.parts, self.extra_calls, strict=True))
