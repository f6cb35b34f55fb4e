"""Pilots: which images to draw next, what they say, and the mixture that follows from them.

Rounds. First untouched images, then a few shifted by 2 along each direction both ways, then images of the mixture that
is best by what is known so far, until its expected shares are known well enough or the pilots are spent. Every image is
of a seed of its own: where a seed lies along the directions is known and enters the fit (`response`), which does what
pairing does for the slopes, and what else a seed holds is better drawn afresh, since it is the shares themselves that
have to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from equinoise.errors import EquinoiseError
from equinoise.mitigation.programme import Choice, Goal, choose
from equinoise.mitigation.response import Array, encode
from equinoise.mitigation.span import Span, around, candidates
from equinoise.mitigation.tables import Table, fit_table
from equinoise.statistics import Confusion
from equinoise.understanding.targets import Target, product_of

SCOUT = 2.0
"""Length of the first shifts, in standard deviations of the noise."""

FARTHEST = 8.0
"""No shift is longer: 32 nats."""

DRAWS = 12


@dataclass(frozen=True)
class Seen:
    """What one pilot image showed: axis → class or `unclear`, and whether its role is the one asked for, if known."""

    labels: Mapping[str, str]
    faithful: bool | None = None


Draw = Callable[[Sequence[tuple[Array, int]]], Sequence[Seen]]
"""Images under shifts (m,) from seeds → what they showed."""


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


def explore(
    targets: Sequence[Target],
    span: Span,
    draw: Draw,
    seeds: Sequence[int],
    settings: Settings,
    confusions: Mapping[str, Confusion] | None = None,
) -> Chosen:
    """Draw pilots in rounds and choose the mixture. Uses the seeds in order, at most `settings.pilots` of them.

    Raises:
        EquinoiseError: too few pilots to learn anything from.
    """
    m, total, left = len(span.directions), settings.pilots, iter(seeds)
    scouts = [sign * SCOUT * axis for axis in np.eye(m) for sign in (1, -1)]
    if total < 4 * (1 + len(scouts)) or len(seeds) < total:
        raise EquinoiseError(f"{total} pilots are too few for {m} directions; allow {4 * (1 + len(scouts))} or more")
    each = max(4, total // 6 // len(scouts))
    first = [*[np.zeros(m)] * max(4, total // 6), *[arm for arm in scouts for _ in range(each)]]
    axes = {axis.name: axis for target in targets for axis in target.axes}
    rounds, seeing, known = [first[:total]], None, dict[str, Table]()
    while True:
        asked = [(arm, next(left)) for arm in rounds[-1]]
        seeing = _add(seeing, asked, draw(asked), span, {name: axis.classes for name, axis in axes.items()})
        reach = min(settings.farthest, SCOUT + 1.5 * len(rounds))
        known = responses(targets, seeing, settings, confusions or {}, known)
        chosen = settle(targets, span, seeing, settings, known, reach)
        spent = len(seeing.weights)
        if spent >= total or (len(rounds) > 2 and chosen.spread <= settings.precision):
            chosen = settle(targets, span, seeing, settings, known, reach, spacings=(1.0, 0.5, 0.25))
            return replace(chosen, rounds=tuple(map(len, rounds)))
        number = min(total - spent, max(8, total // 6))
        rounds.append([chosen.weights[j] for j in allot(chosen.choice.mixture, number)])


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
    prices, wishes = settings.prices, _wishes(targets, settings)

    def solve(weights: Array) -> tuple[Choice, list[Goal]]:
        goals = [_goal(target, tables[target.name], weights, DRAWS) for target in targets]
        soft = [_goal(wish, tables[wish.name], weights, 0, prices.dependence) for wish in wishes]
        costs, kept = prices.nat * (weights**2).sum(1) / 2, _fidelity(seeing, weights)
        costs = costs if kept is None else costs + prices.fidelity * np.maximum(0, _untouched(seeing) - kept)
        return choose([*goals, *soft], costs, prices.caution), goals

    weights = candidates(span.lines, reach, settings.most)
    choice, goals = solve(weights)
    for spacing in spacings:
        used = weights[choice.mixture > 0]
        weights = np.unique(np.concatenate([np.zeros((1, used.shape[1])), around(used, spacing)]), axis=0)
        weights = weights[np.linalg.norm(weights, axis=1) <= reach * 1.001]
        choice, goals = solve(weights)
    spread = max(float(np.einsum("j,sjc->sc", choice.mixture, goal.draws).std(axis=0).max()) for goal in goals)
    own = {target.name: tables[target.name] for target in targets}
    return Chosen(weights, choice, own, seeing, (), spread, _fidelity(seeing, weights))


def allot(mixture: Array, n: int) -> list[int]:
    """Which candidate each of n images gets: as near to the mixture as whole images can be (largest remainders)."""
    wanted = mixture * n
    counts = np.floor(wanted).astype(int)
    for j in np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]:
        counts[j] += 1
    return [j for j, count in enumerate(counts) for _ in range(count)]


def _add(
    before: Seeing | None,
    asked: Sequence[tuple[Array, int]],
    seen: Sequence[Seen],
    span: Span,
    classes: Mapping[str, Sequence[str]],
) -> Seeing:
    weights = np.stack([arm for arm, _ in asked])
    made = Seeing(
        weights,
        span.positions([seed for _, seed in asked]) + weights,
        {name: encode([found.labels[name] for found in seen], own) for name, own in classes.items()},
        np.array([np.nan if found.faithful is None else float(found.faithful) for found in seen]),
    )
    if before is None:
        return made
    return Seeing(
        np.concatenate([before.weights, made.weights]),
        np.concatenate([before.positions, made.positions]),
        {name: np.concatenate([before.labels[name], own]) for name, own in made.labels.items()},
        np.concatenate([before.faithful, made.faithful]),
    )


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


def _untouched(seeing: Seeing) -> float:
    found = _fidelity(seeing, np.zeros((1, seeing.weights.shape[1])))
    return float(found[0]) if found is not None else 1.0


def _fidelity(seeing: Seeing, weights: Array) -> Array | None:
    """Expected concept fidelity (J,): a logit that falls with the nats of the shift; None where it is not known.

    Weak normal priors: about 0.95 untouched, and a hundredth of a logit a nat.
    """
    known = ~np.isnan(seeing.faithful)
    if not known.any():
        return None
    nats, kept = (seeing.weights[known] ** 2).sum(1) / 2, seeing.faithful[known]

    def loss(theta: Array) -> float:
        p = np.clip(expit(theta[0] - np.exp(theta[1]) * nats), 1e-9, 1 - 1e-9)
        likely = float((kept * np.log(p) + (1 - kept) * np.log1p(-p)).sum())
        return ((theta[0] - 3) / 2) ** 2 / 2 + ((theta[1] + 4.6) / 2) ** 2 / 2 - likely

    theta = optimize.minimize(loss, np.array([3.0, -4.6]), method="Nelder-Mead").x
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
