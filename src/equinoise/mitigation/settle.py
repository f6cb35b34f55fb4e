"""From pilots to a mixture: fit the responses, lay out candidates, solve the programme.

What a mixture costs is weighed in `Prices`; they are a choice, not a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from equinoise.mitigation.programme import Choice, Goal, choose
from equinoise.mitigation.response import Array
from equinoise.mitigation.span import Span, around, candidates
from equinoise.mitigation.tables import Table, fit_table
from equinoise.statistics import Confusion
from equinoise.understanding.targets import Target, product_of

FARTHEST = 8.0
"""No shift is longer: 32 nats."""

DRAWS = 12
"""Draws of what the pilots leave open that the programme is cautious about."""


@dataclass(frozen=True)
class Prices:
    """What a mixture costs, in nats an image.

    Attributes:
        nat: of a nat of intrusion.
        fidelity: of losing the concept for certain: at 100, one image in a hundred is worth a nat in each.
        dependence: of two wanted axes that hang together for certain, where no joint target says that they should.
        caution: of being off the target for certain, over what the pilots leave open.
    """

    nat: float = 1.0
    fidelity: float = 100.0
    dependence: float = 10.0
    caution: float = 40.0


@dataclass(frozen=True)
class Settings:
    """How pilots are spent: at most so many images, until no share's standard deviation is above `precision`."""

    pilots: int
    precision: float = 0.0165
    farthest: float = FARTHEST
    most: int = 200
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, eq=False)
class Seeing:
    """All pilots so far, as arrays: shifts (n, m), positions (n, m), class numbers by axis, and 1, 0 or NaN by role."""

    weights: Array
    positions: Array
    labels: Mapping[str, NDArray[np.int64]]
    faithful: Array

    @property
    def arms(self) -> NDArray[np.int64]:
        """(n,) a number for each different shift."""
        found: NDArray[np.int64] = np.unique(self.weights, axis=0, return_inverse=True)[1].ravel()
        return found


@dataclass(frozen=True, eq=False)
class Chosen:
    """The mixture after the pilots.

    Attributes:
        weights: (J, m) the candidates.
        choice: the mixture over them.
        tables: by target.
        seeing: the pilots.
        rounds: images drawn in each.
        spread: the largest standard deviation of an expected share.
        fidelity: (J,) expected, None where it is not known.
    """

    weights: Array
    choice: Choice
    tables: Mapping[str, Table]
    seeing: Seeing
    rounds: tuple[int, ...]
    spread: float
    fidelity: Array | None

    def used(self) -> list[int]:
        """The candidates with a share, the largest first."""
        return [int(j) for j in np.argsort(-self.choice.mixture, kind="stable") if self.choice.mixture[j] > 0]


def responses(
    targets: Sequence[Target],
    seeing: Seeing,
    settings: Settings,
    confusions: Mapping[str, Confusion],
    before: Mapping[str, Table] | None = None,
) -> dict[str, Table]:
    """The fitted table of every target and of every wish, by name; `before` is what fewer pilots gave."""
    before = before or {}
    return {
        wanted.name: fit_table(
            wanted.axes, seeing.positions, seeing.labels, seeing.arms, confusions, before.get(wanted.name)
        )
        for wanted in [*targets, *_wishes(targets, settings)]
    }


def settle(
    targets: Sequence[Target],
    span: Span,
    seeing: Seeing,
    settings: Settings,
    tables: Mapping[str, Table],
    reach: float,
    spacings: Sequence[float] = (),
) -> Chosen:
    """Solve the programme on a grid of shifts up to `reach`, then on finer ones around the solution.

    `tables` are those of `responses`.
    """
    prices, wishes, nothing = settings.prices, _wishes(targets, settings), np.zeros((1, span.lines.shape[1]))

    def solve(weights: Array) -> tuple[Choice, list[Goal]]:
        goals = [_goal(target, tables[target.name], weights, DRAWS) for target in targets]
        soft = [_goal(wish, tables[wish.name], weights, 0, prices.dependence) for wish in wishes]
        costs, kept = prices.nat * (weights**2).sum(1) / 2, fidelity(seeing, np.concatenate([nothing, weights]))
        if kept is not None:
            costs = costs + prices.fidelity * np.maximum(0, kept[0] - kept[1:])
        return choose([*goals, *soft], costs, prices.caution), goals

    weights = candidates(span.lines, reach, settings.most)
    choice, goals = solve(weights)
    for spacing in spacings:
        used = weights[choice.mixture > 0]
        weights = np.unique(np.concatenate([nothing, around(used, spacing)]), axis=0)
        weights = weights[np.linalg.norm(weights, axis=1) <= reach * 1.001]
        choice, goals = solve(weights)
    spread = max(float(np.einsum("j,sjc->sc", choice.mixture, goal.draws).std(axis=0).max()) for goal in goals)
    own = {target.name: tables[target.name] for target in targets}
    return Chosen(weights, choice, own, seeing, (), spread, fidelity(seeing, weights))


def fidelity(seeing: Seeing, weights: Array) -> Array | None:
    """Expected concept fidelity (J,): a logit that falls with the nats of the shift; None where it is not known.

    Weak normal priors: about 0.95 untouched, and a hundredth of a logit a nat.
    """
    known = ~np.isnan(seeing.faithful)
    if not known.any():
        return None
    nats, kept = (seeing.weights[known] ** 2).sum(1) / 2, seeing.faithful[known]

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
    return {"rounds": list(chosen.rounds), "largest_sd": chosen.spread, "fits": fits, "slopes": slopes}


def _wishes(targets: Sequence[Target], settings: Settings) -> list[Target]:
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


def _goal(target: Target, table: Table, weights: Array, draws: int, weight: float | None = None) -> Goal:
    wanted = np.array(list(target.shares.values()))
    return Goal(wanted, table.expected(weights), table.drawn(weights, draws), weight)
