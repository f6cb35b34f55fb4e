"""A solution as the parts of a plan, and what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equinoise.planning.basis import Array, Basis
from equinoise.planning.candidates import Candidates, Expectation
from equinoise.planning.optimise import Solution
from equinoise.results.plans import ExpectedShare, PlanPart
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
        counts = np.bincount(solution.choice.assign(HUNDREDTHS), minlength=len(solution.candidates))
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

    @property
    def extra_calls_per_image(self) -> float:
        """Expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        each = self.expectation.extra_calls(self.candidates)
        return sum(part.share * float(extra) for part, extra in zip(self.parts, each, strict=True))

    def expected(self, target: Target) -> dict[str, ExpectedShare]:
        """By class (or cell) of the target the expected share, and the central 95% of what the pilots leave open."""
        shares = self.shares @ self.expectation.expected(target, self.candidates)
        sampled = self.expectation.sampled(target, self.candidates, SAMPLES)
        low, high = np.quantile(np.einsum("j,sjc->sc", self.shares, sampled), (0.025, 0.975), axis=0)
        rows = zip(target.shares, shares, np.minimum(low, shares), np.maximum(high, shares), strict=True)
        return {name: ExpectedShare(share=float(p), low=float(a), high=float(b)) for name, p, a, b in rows}

    def distance(self, target: Target) -> float:
        """Total variation between the expected shares and the target."""
        shares = self.shares @ self.expectation.expected(target, self.candidates)
        off = [abs(float(share) - wanted) for share, wanted in zip(shares, target.shares.values(), strict=True)]
        return sum(off) / 2

    def info(self, targets: Sequence[Target]) -> tuple[PlanPart, ...]:
        """Each part with its expected shares and cost."""
        tables = {target.name: self.expectation.expected(target, self.candidates) for target in targets}
        attempts, extra = self.expectation.attempts(self.candidates), self.expectation.extra_calls(self.candidates)
        return tuple(
            PlanPart(
                name=part.name,
                share=part.share,
                expected={t.name: dict(zip(t.shares, map(float, tables[t.name][j]), strict=True)) for t in targets},
                intrusion_nats=part.intervention.kl_nats,
                kl_nats=part.intervention.kl_nats,
                kept=dict(part.accept),
                accepted=dict(part.accept),
                draws=float(attempts[j]),
                attempts=float(attempts[j]),
                extra_calls=float(extra[j]),
            )
            for j, part in enumerate(self.parts)
        )
