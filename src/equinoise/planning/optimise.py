"""From pilots to a mixture: fit the responses, lay out candidates, solve.

What a mixture costs is weighed in `Prices`; they are a choice, not a finding. Where the pilots were read during their
runs, the candidates are shifts with every set of classes to accept, for each step at which they were read, and the step
with the best solution is the plan's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod

import numpy as np

from equinoise.axes import Axis
from equinoise.planning.basis import Array, Basis
from equinoise.planning.candidates import CELLS, Candidates, Expectation, RejectionSampling, RunCalls
from equinoise.planning.pilots import Pilots
from equinoise.planning.response import JointResponse, fit_joint_response
from equinoise.planning.solver import Choice, Goal, choose
from equinoise.results.plans import EarlyClassifierInfo, PilotsInfo
from equinoise.statistics import Confusion
from equinoise.steering.early_classifier import EarlyClassifier, fit_early_classifiers
from equinoise.understanding.targets import Target, product_of

LONGEST = 8.0
"""Length of the longest shift: 32 nats."""

FINER = (1.0, 0.5, 0.25)
"""Spacings of the finer grids around the final solution."""

ARMS = 32
"""Shifts under which rejection sampling is tried, about."""

SAMPLES = 12
"""Posterior samples of what the pilots leave open, about which the solver is cautious."""

Responses = Mapping[str, JointResponse]
"""Fitted shares by name of the target."""


@dataclass(frozen=True)
class Prices:
    """What a mixture costs, in nats an image.

    Attributes:
        nat: of a nat of KL divergence from N(0, I).
        fidelity: of losing the concept for certain: at 100, one image in a hundred is worth a nat in each.
        dependence: of two wanted axes that depend on each other wholly, where no joint target says that they should.
        calls: of as many denoiser calls again as an image takes: at 20, a tenth more is worth two nats.
        caution: of being off the target for certain, over what the pilots leave open.
    """

    nat: float = 1.0
    fidelity: float = 100.0
    dependence: float = 10.0
    calls: float = 20.0
    caution: float = 40.0


@dataclass(frozen=True)
class RejectionSettings:
    """That rejection sampling may be used: what a run costs on the model, and the detector of the early check."""

    calls: RunCalls
    detector: str


@dataclass(frozen=True)
class SearchSettings:
    """How the search for a mixture is run.

    Attributes:
        pilots: images to spend, at most.
        precision: pilots end when no expected share has a larger standard deviation.
        longest: length of the longest shift.
        most: shifts on a grid, about.
        prices: what a mixture costs.
        rejection: None keeps to shifts alone.
    """

    pilots: int
    precision: float = 0.0165
    longest: float = LONGEST
    most: int = 200
    prices: Prices = field(default_factory=Prices)
    rejection: RejectionSettings | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """The mixture that the pilots lead to.

    Attributes:
        candidates: J of them.
        choice: the mixture over them.
        expectation: what they give and cost.
        responses: by target, of shifts alone.
        pilots: what it was chosen by.
        rounds: pilots begun in each.
        spread: the largest standard deviation of an expected share.
        fidelity: (J,) expected share of images that keep the concept, None where that is not known.
    """

    candidates: Candidates
    choice: Choice
    expectation: Expectation
    responses: Responses
    pilots: Pilots
    rounds: tuple[int, ...]
    spread: float
    fidelity: Array | None

    @property
    def weights(self) -> Array:
        """(J, m) the shifts of the candidates."""
        return self.candidates.weights

    @property
    def early_classifier(self) -> EarlyClassifier | None:
        """Of the rejection sampling, where the mixture has some."""
        rejection = self.expectation.rejection
        return rejection.classifier if rejection and any(self.candidates.accepted[j] for j in self.used()) else None

    @property
    def extra_calls(self) -> float:
        """Expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        return float(self.choice.mixture @ self.expectation.extra_calls(self.candidates))

    @property
    def info(self) -> PilotsInfo:
        """What the pilots said: how many in each round, how well the responses fit, and their slopes."""
        found = self.responses.items()
        stopped, classifier = self.pilots.stopped_early, self.early_classifier
        told = EarlyClassifierInfo.of(classifier) if classifier else None
        return PilotsInfo(
            rounds=self.rounds,
            largest_sd=self.spread,
            fits={name: tuple(part.fit for part in response.responses) for name, response in found},
            slopes={name: tuple(part.slopes.tolist() for part in response.responses) for name, response in found},
            ended_early=stopped,
            stopped_early=stopped,
            look=told,
            early_classifier=told,
            expected_extra=self.extra_calls if classifier else None,
        )

    def used(self) -> list[int]:
        """The candidates with a share, the largest first."""
        return [int(j) for j in np.argsort(-self.choice.mixture, kind="stable") if self.choice.mixture[j] > 0]


@dataclass(frozen=True, eq=False)
class Problem:
    """Targets to meet along the directions of a basis.

    Attributes:
        confusions: axis → confusion matrix of the detector, where its errors are known.
    """

    targets: Sequence[Target]
    basis: Basis
    settings: SearchSettings
    confusions: Mapping[str, Confusion] = field(default_factory=dict)

    @property
    def axes(self) -> list[Axis]:
        """Every axis of a target."""
        return list({axis.name: axis for target in self.targets for axis in target.axes}.values())

    @property
    def soft_targets(self) -> list[Target]:
        """For every two axes with a target each, and none together, their product: they should not depend."""
        if not self.settings.prices.dependence:
            return []
        together = [{axis.name for axis in target.axes} for target in self.targets if len(target.axes) > 1]
        single = [target for target in self.targets if len(target.axes) == 1]
        return [
            product_of((a, b))
            for a, b in combinations(single, 2)
            if not any({a.name, b.name} <= names for names in together)
        ]

    def responses(self, pilots: Pilots, before: Responses) -> dict[str, JointResponse]:
        """The fitted shares of every target and soft target; `before` is a fit on fewer pilots."""
        return {
            target.name: self._response(target.axes, pilots, before.get(target.name))
            for target in [*self.targets, *self.soft_targets]
        }

    def solve(self, pilots: Pilots, responses: Responses, reach: float, final: bool = False) -> Solution:
        """The best mixture on a grid of shifts up to `reach`; the `final` time on finer ones around it too.

        `responses` are those of the method above. The final time early checks at every step are tried, before that
        only the one in the middle.
        """
        grid = _Grid(self, pilots, reach, FINER if final else ())
        best = grid.solve(Expectation(responses), self.settings.most)
        rejection = self.settings.rejection
        if rejection is None or prod(len(axis.classes) for axis in self.axes) > CELLS:
            return best
        joint = responses.get(Target(tuple(self.axes), {}).name) or self._response(self.axes, pilots)
        # an early check is not judged by runs that it stopped itself, nor on doubtful runs alone
        sample = pilots.unbiased_sample
        classifiers = fit_early_classifiers(self.axes, sample.labels, sample.early, rejection.detector)
        for classifier in classifiers if final else classifiers[len(classifiers) // 2 :][:1]:
            sampling = RejectionSampling(classifier, joint, rejection.calls, self.confusions)
            found = grid.solve(Expectation(responses, sampling), ARMS, best)
            best = min(best, found, key=lambda solution: solution.choice.rank)
        return best

    def _response(self, axes: Sequence[Axis], pilots: Pilots, before: JointResponse | None = None) -> JointResponse:
        return fit_joint_response(axes, pilots.positions, pilots.labels, pilots.arms, self.confusions, before)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Shifts up to a length `reach`, with finer ones around a solution at the `spacings`."""

    problem: Problem
    pilots: Pilots
    reach: float
    spacings: Sequence[float]

    def solve(self, expectation: Expectation, most: int, known: Solution | None = None) -> Solution:
        """The best mixture over the candidates of about `most` shifts, and of those of a `known` mixture."""
        weights = self.problem.basis.grid(self.reach, most)
        if known is not None:
            weights = np.unique(np.concatenate([weights, known.weights[known.used()]]), axis=0)
        candidates = expectation.candidates(weights)
        choice, goals = self._choose(expectation, candidates)
        for spacing in self.spacings:
            used = candidates.weights[choice.mixture > 0]
            nothing = np.zeros((1, used.shape[1]))
            weights = np.unique(np.concatenate([nothing, Basis.neighbours(used, spacing)]), axis=0)
            candidates = expectation.candidates(weights[np.linalg.norm(weights, axis=1) <= self.reach * 1.001])
            choice, goals = self._choose(expectation, candidates)
        return Solution(
            candidates=candidates,
            choice=choice,
            expectation=expectation,
            responses={target.name: expectation.responses[target.name] for target in self.problem.targets},
            pilots=self.pilots,
            rounds=(),
            spread=max(float(np.einsum("j,sjc->sc", choice.mixture, g.samples).std(axis=0).max()) for g in goals),
            fidelity=self.pilots.expected_fidelity(candidates.weights),
        )

    def _choose(self, expectation: Expectation, candidates: Candidates) -> tuple[Choice, list[Goal]]:
        prices, problem = self.problem.settings.prices, self.problem
        goals = [expectation.goal(target, candidates, SAMPLES) for target in problem.targets]
        soft = [expectation.goal(target, candidates, 0, prices.dependence) for target in problem.soft_targets]
        weights, nothing = candidates.weights, np.zeros((1, candidates.weights.shape[1]))
        costs = prices.nat * (weights**2).sum(1) / 2 + prices.calls * expectation.extra_calls(candidates)
        fidelity = self.pilots.expected_fidelity(np.concatenate([nothing, weights]))
        if fidelity is not None:
            costs = costs + prices.fidelity * np.maximum(0, fidelity[0] - fidelity[1:])
        return choose([*goals, *soft], costs, prices.caution), goals
