"""The solver: which mixture of candidates meets the targets at the least cost? Two linear programs.

Candidates j have a cost and expected shares P_b of the cells of each target b. A mixture x ≥ 0, Σx = 1 has the expected
shares P_b x and lies TV_b(x) = ½ Σ|P_b x − t_b| from the target.

1. How near can a mixture come?           r = min Σ_b TV_b(x)
2. Of those as near, which costs least?   min cost·x + caution·(1/S) Σ_s Σ_b TV_b(x; sample s) + Σ_c weight_c·TV_c(x)
                                          subject to Σ_b TV_b(x) ≤ r + tolerance

The samples are shares under other parameters that the pilots allow, so that of two mixtures the one whose shares are
better known is preferred. Soft targets c (that two axes do not depend on each other) cost, and bind nothing. Absolute
values become inequalities, so both programs are linear (solved by HiGHS's simplex through scipy). Solutions are
vertices: few candidates have a share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from equinoise.errors import EquinoiseError

Array = NDArray[np.float64]
TOLERANCE = 0.005
"""How much farther from the targets than need be a mixture may lie where that is cheaper."""

REACHED = 0.01
"""A mixture this near in total variation meets its targets."""

CAUTION = 40.0
"""Cost of being off the target for certain, in nats: one point of expected deviation is worth 0.4 nats."""

LEAST = 0.03
"""A smaller share of the images is not worth an intervention of its own."""


@dataclass(frozen=True, eq=False)
class Goal:
    """Shares that are wanted of some cells, and what each candidate is expected to give.

    Attributes:
        target: (cells,).
        expected: (J, cells).
        samples: (S, J, cells) the same under posterior samples of what the pilots leave open; S may be 0.
        weight: None for a target; for a soft target the cost in nats of being off it for certain.
    """

    target: Array
    expected: Array
    samples: Array
    weight: float | None = None

    def distance(self, mixture: Array) -> float:
        """Total variation from the target under a mixture (J,)."""
        return float(np.abs(mixture @ self.expected - self.target).sum() / 2)

    def among(self, mask: NDArray[np.bool_]) -> Goal:
        """The same with the candidates of a mask (J,) only."""
        return Goal(self.target, self.expected[mask], self.samples[:, mask], self.weight)


@dataclass(frozen=True, eq=False)
class Choice:
    """A mixture over the candidates.

    Attributes:
        mixture: (J,) shares, summing to 1.
        distances: expected total variation from each goal.
        reach: the least sum of distances to the targets that any mixture has.
        cost: expected cost an image.
        value: the minimum of the second program, caution and soft targets included.
    """

    mixture: Array
    distances: tuple[float, ...]
    reach: float
    cost: float
    value: float

    @property
    def rank(self) -> tuple[float, float]:
        """The better of two choices has the smaller: nearer to the targets by a whole point, else cheaper."""
        return round(max(self.reach, REACHED), 2), self.value

    @property
    def feasible(self) -> bool:
        """Whether the targets can be met, all together."""
        return self.reach <= REACHED

    def assign(self, n: int) -> list[int]:
        """Which candidate each of n images gets: as near to the mixture as whole images can be (largest remainders)."""
        wanted = self.mixture * n
        counts = np.floor(wanted).astype(int)
        for j in np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]:
            counts[j] += 1
        return [j for j, count in enumerate(counts) for _ in range(count)]


def choose(
    goals: Sequence[Goal], costs: Array, caution: float = CAUTION, tolerance: float = TOLERANCE, least: float = LEAST
) -> Choice:
    """The cheapest of the mixtures that come as near to the targets as any.

    Raises:
        EquinoiseError: no target or no candidate, or the solver gives up.
    """
    if not len(costs) or all(goal.weight is not None for goal in goals):
        raise EquinoiseError("a plan needs at least one candidate and one target")
    reach = _nearest(goals)
    value, mixture = _cheapest(goals, costs, caution, reach + tolerance)
    large = mixture >= least
    if not large.all() and large.any():  # the small shares go to the others, where the others can do without them
        fewer = [goal.among(large) for goal in goals]
        few = _nearest(fewer)
        if few <= reach + 2 * tolerance:
            value, part = _cheapest(fewer, costs[large], caution, max(few, reach) + tolerance)
            mixture = np.zeros(len(costs))
            mixture[large] = part
    return Choice(mixture, tuple(goal.distance(mixture) for goal in goals), reach, float(costs @ mixture), value)


@dataclass(frozen=True, eq=False)
class _Term:
    """weight · TV(x·expected, target), in the objective or, where `bound` is set, in the bound."""

    expected: Array
    target: Array
    weight: float
    bound: bool = False


def _nearest(goals: Sequence[Goal]) -> float:
    """The least sum of distances to the targets."""
    terms = [_Term(goal.expected, goal.target, 1.0) for goal in goals if goal.weight is None]
    return _solve(np.zeros(len(goals[0].expected)), terms)[0]


def _cheapest(goals: Sequence[Goal], costs: Array, caution: float, limit: float) -> tuple[float, Array]:
    terms: list[_Term] = []
    for goal in goals:
        if goal.weight is not None:
            terms.append(_Term(goal.expected, goal.target, goal.weight))
            continue
        terms.append(_Term(goal.expected, goal.target, 1.0, bound=True))
        terms += [_Term(sample, goal.target, caution / len(goal.samples)) for sample in goal.samples if caution > 0]
    return _solve(costs, terms, limit)


def _solve(costs: Array, terms: Sequence[_Term], limit: float | None = None) -> tuple[float, Array]:
    """min costs·x + Σ weight·TV over the simplex, the sum of the bounded TVs at most `limit`; value and mixture.

    Each cell has one slack e ≥ x·expected − target, e ≥ 0. Shares and targets sum to 1, so what is over in some cells
    is under in others, and TV = Σ max(0, over).
    """
    j = len(costs)
    over = np.concatenate([term.expected.T for term in terms])
    weights = np.concatenate([np.full(len(t.target), 0.0 if t.bound else t.weight) for t in terms])
    rows = sparse.hstack([sparse.csr_array(over), -sparse.eye_array(len(over))], format="csr")
    bounds = np.concatenate([term.target for term in terms])
    if limit is not None:
        bound = np.concatenate([np.full(len(t.target), float(t.bound)) for t in terms])
        rows = sparse.vstack([rows, sparse.csr_array(np.concatenate([np.zeros(j), bound])[None])], format="csr")
        bounds = np.append(bounds, limit)
    whole = sparse.csr_array(np.concatenate([np.ones(j), np.zeros(len(over))])[None])
    objective, one = np.concatenate([costs, weights]), np.ones(1)
    solve: Any = optimize.linprog  # the stubs know dense matrices only
    found = solve(objective, A_ub=rows, b_ub=bounds, A_eq=whole, b_eq=one, method="highs")
    if found.x is None or not found.success:
        raise EquinoiseError(f"the solver failed: {found.message}; report it with the folder of the plan")
    mixture = np.clip(found.x[:j], 0, None)
    return float(found.fun), mixture / mixture.sum()
