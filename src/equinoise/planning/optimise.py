"""From pilots to a mixture: fit the responses, lay out candidates, solve the programme.

What a mixture costs is weighed in `Prices`; they are a choice, not a finding. Where the pilots were looked at on their
way, the candidates are shifts with every set of classes to keep, for each step at which a look was taken, and the step
whose programme comes out best is the plan's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import expit

from equinoise.planning.basis import Basis, around, shift_grid
from equinoise.planning.candidates import CELLS, Candidates, Expectation, Price, with_rejection, without_rejection
from equinoise.planning.joint_response import Table, fit_table
from equinoise.planning.pilots import Pilots
from equinoise.planning.response import Array
from equinoise.planning.solver import Choice, Goal, choose
from equinoise.statistics import Confusion
from equinoise.steering.early_classifier import EarlyClassifier, balanced_accuracy
from equinoise.steering.looking import fit_early_classifiers
from equinoise.understanding.targets import Target, product_of

FARTHEST = 8.0
"""No shift is longer: 32 nats."""

FINER = (1.0, 0.5, 0.25)
"""Spacings of the finer grids around the final solution."""

ARMS = 32
"""Shifts that selections are tried under, about."""

DRAWS = 12
"""Draws of what the pilots leave open that the programme is cautious about."""


@dataclass(frozen=True)
class Prices:
    """What a mixture costs, in nats an image.

    Attributes:
        nat: of a nat of intrusion.
        fidelity: of losing the concept for certain: at 100, one image in a hundred is worth a nat in each.
        dependence: of two wanted axes that hang together for certain, where no joint target says that they should.
        calls: of as many denoiser calls again as an image takes: at 20, a tenth more is worth two nats.
        caution: of being off the target for certain, over what the pilots leave open.
    """

    nat: float = 1.0
    fidelity: float = 100.0
    dependence: float = 10.0
    calls: float = 20.0
    caution: float = 40.0


@dataclass(frozen=True)
class Selecting:
    """That selection may be used: what it costs on the model, and the detector that looks."""

    price: Price
    detector: str


@dataclass(frozen=True)
class Settings:
    """How pilots are spent: at most so many images, until no share's standard deviation is above `precision`.

    `selecting`: None keeps to shifts alone.
    """

    pilots: int
    precision: float = 0.0165
    farthest: float = FARTHEST
    most: int = 200
    prices: Prices = field(default_factory=Prices)
    selecting: Selecting | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """The mixture after the pilots.

    Attributes:
        offers: the J candidates.
        choice: the mixture over them.
        expectation: what they give and cost.
        tables: by target, of shifts alone.
        pilots: what it was chosen by.
        rounds: images drawn in each.
        spread: the largest standard deviation of an expected share.
        fidelity: (J,) expected, None where it is not known.
    """

    candidates: Candidates
    choice: Choice
    expectation: Expectation
    tables: Mapping[str, Table]
    pilots: Pilots
    rounds: tuple[int, ...]
    spread: float
    fidelity: Array | None

    @property
    def weights(self) -> Array:
        """(J, m) the shifts of the candidates."""
        return self.candidates.weights

    @property
    def look(self) -> EarlyClassifier | None:
        """The early look, where the mixture selects."""
        return self.expectation.look if any(self.candidates.keeps[j] for j in self.used()) else None

    def used(self) -> list[int]:
        """The candidates with a share, the largest first."""
        return [int(j) for j in np.argsort(-self.choice.mixture, kind="stable") if self.choice.mixture[j] > 0]


def responses(
    targets: Sequence[Target],
    pilots: Pilots,
    settings: Settings,
    confusions: Mapping[str, Confusion],
    before: Mapping[str, Table] | None = None,
) -> dict[str, Table]:
    """The fitted table of every target and of every wish, by name; `before` is what fewer pilots gave."""
    before = before or {}
    return {
        wanted.name: fit_table(
            wanted.axes, pilots.positions, pilots.labels, pilots.arms, confusions, before.get(wanted.name)
        )
        for wanted in [*targets, *_soft_targets(targets, settings)]
    }


def optimise(
    targets: Sequence[Target],
    basis: Basis,
    pilots: Pilots,
    settings: Settings,
    confusions: Mapping[str, Confusion],
    tables: Mapping[str, Table],
    reach: float,
    final: bool = False,
) -> Chosen:
    """Solve the programme on a grid of shifts up to `reach`; the `final` time on finer ones around the solution too.

    `tables` are those of `responses`. The final time looks at every step are tried, before only the one in the middle.
    """
    problem = _Problem(targets, basis, pilots, settings, reach, FINER if final else ())
    best = problem.solve(Expectation(tables), without_rejection, settings.most)
    axes = list({axis.name: axis for target in targets for axis in target.axes}.values())
    if settings.selecting is None or prod(len(axis.classes) for axis in axes) > CELLS:
        return best
    together = tables.get(Target(tuple(axes), {}).name)
    if together is None:
        together = fit_table(axes, pilots.positions, pilots.labels, pilots.arms, confusions)
    fair = pilots.of(pilots.fair)  # an early look is not judged by what it told itself, nor on doubtful runs alone
    looks = fit_early_classifiers(axes, fair.labels, fair.early, settings.selecting.detector)
    for look in looks if final else looks[len(looks) // 2 :][:1]:
        expectation = Expectation(tables, look, together, settings.selecting.price, confusions)
        found = problem.solve(expectation, partial(with_rejection, expectation=expectation), ARMS, best)
        best = min(best, found, key=lambda chosen: chosen.choice.rank)
    return best


@dataclass(frozen=True, eq=False)
class _Problem:
    """What stays the same whatever selects."""

    targets: Sequence[Target]
    basis: Basis
    pilots: Pilots
    settings: Settings
    reach: float
    spacings: Sequence[float]

    def solve(
        self,
        expectation: Expectation,
        allow: Callable[[Array], Candidates],
        most: int,
        known: Chosen | None = None,
    ) -> Chosen:
        """The mixture over what is offered under a grid of about `most` shifts, and those of a `known` mixture."""
        weights = shift_grid(self.basis.lines, self.reach, most)
        if known is not None:
            weights = np.unique(np.concatenate([weights, known.weights[known.used()]]), axis=0)
        candidates = allow(weights)
        choice, goals = self._choose(expectation, candidates)
        for spacing in self.spacings:
            used = candidates.weights[choice.mixture > 0]
            nothing = np.zeros((1, used.shape[1]))
            weights = np.unique(np.concatenate([nothing, around(used, spacing)]), axis=0)
            candidates = allow(weights[np.linalg.norm(weights, axis=1) <= self.reach * 1.001])
            choice, goals = self._choose(expectation, candidates)
        spread = max(float(np.einsum("j,sjc->sc", choice.mixture, goal.draws).std(axis=0).max()) for goal in goals)
        kept = fidelity(self.pilots, candidates.weights)
        own = {target.name: expectation.tables[target.name] for target in self.targets}
        return Chosen(candidates, choice, expectation, own, self.pilots, (), spread, kept)

    def _choose(self, expectation: Expectation, candidates: Candidates) -> tuple[Choice, list[Goal]]:
        prices, soft_targets = self.settings.prices, _soft_targets(self.targets, self.settings)
        goals = [_goal(target, expectation, candidates, DRAWS) for target in self.targets]
        soft = [_goal(soft_target, expectation, candidates, 0, prices.dependence) for soft_target in soft_targets]
        weights, nothing = candidates.weights, np.zeros((1, candidates.weights.shape[1]))
        costs = prices.nat * (weights**2).sum(1) / 2 + prices.calls * expectation.extra(candidates)
        kept = fidelity(self.pilots, np.concatenate([nothing, weights]))
        if kept is not None:
            costs = costs + prices.fidelity * np.maximum(0, kept[0] - kept[1:])
        return choose([*goals, *soft], costs, prices.caution), goals


def fidelity(pilots: Pilots, weights: Array) -> Array | None:
    """Expected concept fidelity (J,): a logit that falls with the nats of the shift; None where it is not known.

    Weak normal priors: about 0.95 untouched, and a hundredth of a logit a nat.
    """
    known = ~np.isnan(pilots.faithful)
    if not known.any():
        return None
    nats, kept = (pilots.weights[known] ** 2).sum(1) / 2, pilots.faithful[known]

    first = np.array([3.0, -4.6])

    def loss(theta: Array) -> float:
        p = np.clip(expit(theta[0] - np.exp(theta[1]) * nats), 1e-9, 1 - 1e-9)
        likely = (kept * np.log(p) + (1 - kept) * np.log1p(-p)).sum()
        return float((((theta - first) / 2) ** 2).sum() / 2 - likely)

    theta = optimize.minimize(loss, first, method="Nelder-Mead").x
    found: Array = expit(theta[0] - np.exp(theta[1]) * (weights**2).sum(1) / 2)
    return found


def summary(chosen: Chosen) -> dict[str, Any]:
    """What the pilots said, in JSON: images a round, how well the responses fit, and their slopes."""
    fits = {
        name: [{"chi2": fit.chi2, "df": fit.df, "p": fit.p, "widened": fit.spread} for fit in table.fits]
        for name, table in chosen.tables.items()
    }
    slopes = {name: [response.slopes.tolist() for response in table.responses] for name, table in chosen.tables.items()}
    return {
        "rounds": list(chosen.rounds),
        "largest_sd": chosen.spread,
        "fits": fits,
        "slopes": slopes,
        "ended_early": ended_early(chosen.pilots),
        **looked(chosen),
    }


def ended_early(pilots: Pilots) -> dict[str, int]:
    """Pilots that ended where an early look was certain; those as certain that went on to check it, and were wrong."""
    checked = pilots.early_stopping & pilots.fair
    wrong = checked & np.any([pilots.labels[name] != told for name, told in pilots.told.items()], axis=0)
    return {"images": int(pilots.ended.sum()), "checked": int(checked.sum()), "wrong": int(wrong.sum())}


def looked(chosen: Chosen) -> dict[str, Any]:
    """The early look of a mixture that selects: its step, how classes are told, and what it confuses."""
    look = chosen.look
    if look is None:
        return {"look": None}
    ways = dict.fromkeys((axis.name for axis in look.axes), "predicted image")
    ways |= dict.fromkeys(look.readings, "predicted image, weighed") | dict.fromkeys(look.classifiers, "latents")
    confusions = {axis: [list(row) for row in rows] for axis, rows in look.confusions.items()}
    right = {axis: balanced_accuracy(rows) for axis, rows in look.confusions.items()}
    about = {"step": look.step, "by": ways, "balanced_accuracy": right, "confusions": confusions}
    return {"look": about, "expected_extra": float(chosen.choice.mixture @ chosen.expectation.extra(chosen.candidates))}


def _soft_targets(targets: Sequence[Target], settings: Settings) -> list[Target]:
    """For every two axes with a target each, and none together, their product: neither should depend on the other."""
    if not settings.prices.dependence:
        return []
    together = [{axis.name for axis in target.axes} for target in targets if len(target.axes) > 1]
    single = [target for target in targets if len(target.axes) == 1]
    return [
        product_of((a, b))
        for a, b in combinations(single, 2)
        if not any({a.name, b.name} <= names for names in together)
    ]


def _goal(
    target: Target, expectation: Expectation, candidates: Candidates, draws: int, weight: float | None = None
) -> Goal:
    wanted = np.array(list(target.shares.values()))
    return Goal(wanted, expectation.expected(target, candidates), expectation.drawn(target, candidates, draws), weight)
