"""Plans on random worlds of known truth: python -m benchmarks.plans.on_mixture --worlds 200

A world is a random instance of the mixture's formulas (docs/mixture.md, "on a line"): planted shares of gender and
tone, means and spread of the classes as in the mixture, in 64 dimensions. The directions that the planner gets are such
as an estimator may find: with a cosine of 0.5 to 1 with the best direction, and entangled with the other axis by up to
±0.3. In every second world a detector errs in 2 to 15% of images or calls them unclear; its confusion matrix is counted
on 100 images a class. The planner sees labels of pilots only. Compared are the shares that it expects, those of one
verification, and the true ones by formula.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import Journal, keep
from emoji_world.tables import Row, show
from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.directions.direction import Direction, Origin
from equinoise.engine.worker import start
from equinoise.models.base import draw_noise
from equinoise.models.mixture.world import AXES, SPREAD
from equinoise.planning.basis import Basis
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.planning.exploration import explore
from equinoise.planning.optimise import Problem, SearchSettings, Solution
from equinoise.planning.pilots import Pilot
from equinoise.planning.solver import REACHED, Goal, choose
from equinoise.progress import progress
from equinoise.results.base import Value
from equinoise.seeds import PILOT, VERIFY
from equinoise.statistics import Confusion, correct, share_intervals, wilson
from equinoise.understanding.targets import Target, uniform

Array = NDArray[np.float64]
DIMENSIONS = 64
MARGIN = 0.10
NAMES = ("gender", "tone")


@dataclass(frozen=True, eq=False)
class World:
    """Where each axis lies in the noise (2, d), its thresholds there, what the detector gets wrong, and the basis."""

    places: Array
    thresholds: tuple[Array, Array]
    confusions: dict[str, Confusion]
    rates: dict[str, Array]
    basis: Basis

    def shares(self, weights: Array, index: int) -> Array:
        """(J, K) by formula."""
        shifts = weights @ self.basis.matrix @ self.places[index]
        below = stats.norm.cdf(self.thresholds[index] - shifts[:, None])
        found: Array = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
        return found

    def seen(self, weights: Array, seeds: Sequence[int], rng: np.random.Generator) -> list[Pilot]:
        """The labels that the detector gives the images of these shifts and seeds."""
        z = draw_noise(seeds, (1, 1, DIMENSIONS)).flatten(1).double().numpy() + weights @ self.basis.matrix
        rows = []
        for index, name in enumerate(NAMES):
            true = ((z @ self.places[index])[:, None] > self.thresholds[index]).sum(1)
            classes = (*load_axis(name).classes, UNCLEAR)
            if name in self.rates:
                true = np.array([rng.choice(len(classes), p=self.rates[name][label]) for label in true])
            rows.append([classes[label] for label in true])
        return [Pilot(dict(zip(NAMES, labels, strict=True))) for labels in zip(*rows, strict=True)]


def world(rng: np.random.Generator, errs: bool) -> World:
    places = np.linalg.qr(rng.standard_normal((DIMENSIONS, 2)))[0].T
    planted = (rng.dirichlet((2, 2)), rng.dirichlet((4, 4, 4, 4, 4)))
    thresholds = tuple(_thresholds(name, shares) for name, shares in zip(NAMES, planted, strict=True))
    rates = {name: _rates(len(AXES[name].classes), rng) for name in NAMES} if errs else {}
    confusions = {name: _counted(name, matrix, rng) for name, matrix in rates.items()}
    directions = [_found(places, index, rng) for index in (0, 1)]
    return World(places, (thresholds[0], thresholds[1]), confusions, rates, Basis.spanning(directions))


def _thresholds(name: str, shares: Array) -> Array:
    """Φ⁻¹(F(b)) at the boundaries b between neighbouring places, in the order of the axis's classes."""
    means = np.array([mean[0] for mean in AXES[name].means.values()])
    sign = np.sign(means[-1] - means[0])
    means = sign * means
    below = stats.norm.cdf(((means[1:] + means[:-1]) / 2)[:, None], means, SPREAD) @ shares
    found: Array = stats.norm.ppf(below)
    return found


def _rates(classes: int, rng: np.random.Generator) -> Array:
    right = rng.uniform(0.85, 0.98, classes)
    wrong = rng.dirichlet(np.ones(classes), classes)
    matrix = np.zeros((classes, classes + 1))
    for row in range(classes):
        others = [column for column in range(classes + 1) if column != row]
        matrix[row, others] = (1 - right[row]) * wrong[row]
        matrix[row, row] = right[row]
    return matrix


def _counted(name: str, rates: Array, rng: np.random.Generator) -> Confusion:
    rows = (rng.multinomial(100, row) for row in rates)
    return Confusion(load_axis(name).classes, tuple(tuple(int(count) for count in row) for row in rows))


def _found(places: Array, index: int, rng: np.random.Generator) -> Direction:
    """A direction as an estimator might find it."""
    quality, tangled = rng.uniform(0.5, 1.0), rng.uniform(-0.3, 0.3)
    meant = places[index] + tangled * places[1 - index]
    chance = rng.standard_normal(DIMENSIONS)
    chance -= places.T @ (places @ chance)
    mixed = quality * meant / np.linalg.norm(meant) + (1 - quality**2) ** 0.5 * chance / np.linalg.norm(chance)
    name = NAMES[index]
    axis = load_axis(name)
    origin = Origin(
        axis=name,
        kind="scale" if axis.ordered else "two_class",
        label=axis.classes[-1],
        against=axis.classes[0],
        step=0,
        estimator="paired",
    )
    return Direction.unit(mixed.reshape(1, 1, -1), origin)


def target_of(axis: Axis, rng: np.random.Generator) -> Target:
    """A uniform target in half of the worlds, a random one in the others."""
    if rng.random() < 0.5:
        return Target((axis,), uniform(axis.classes))
    shares = rng.dirichlet(np.full(len(axis.classes), 5.0))
    return Target((axis,), dict(zip(axis.classes, map(float, shares), strict=True)))


class TargetOutcome(Value):
    """How near a plan comes to a target in a world of known truth.

    Attributes:
        before, off: farthest class from its target by formula, untouched and under the plan.
        tv: total variation from the target.
        error: the expected shares' largest distance from the true ones.
        held, covered: whether each interval of the verification holds the true share, and whether all do.
        width: mean width of the intervals.
        on_target: whether every interval lies within the target ± 0.1.
    """

    axis: str
    before: float
    off: float
    tv: float
    error: float
    held: list[bool]
    covered: bool
    width: float
    on_target: bool


class WorldOutcome(Value):
    """A world: how many axes, whether the detector errs, whether its targets can be met; and what was planned."""

    axes: int
    errs: bool
    feasible: bool
    farther: float
    said_feasible: bool
    pilots: int
    nats: float
    seconds: float
    targets: list[TargetOutcome]


def tried(number: int, pilots: int, n: int) -> WorldOutcome:
    """One world: plan, verify, compare."""
    rng = np.random.default_rng([7, number])
    errs, axes = number % 2 == 1, NAMES if number % 4 > 1 else NAMES[:1]
    made = world(rng, errs)
    if len(axes) == 1:
        made = replace(made, basis=Basis.spanning(made.basis.directions[:1]))
    targets = [target_of(load_axis(name), rng) for name in axes]
    problem = Problem(targets, made.basis, SearchSettings(pilots), made.confusions)
    first = PILOT + 10_000 * number

    def generate(asked: Sequence[tuple[Array, int]], _: EarlyStopping | None) -> list[Pilot]:
        return made.seen(np.stack([arm for arm, _ in asked]), [seed for _, seed in asked], rng)

    started = perf_counter()
    solution = explore(problem, generate, range(first, first + pilots))
    seconds = perf_counter() - started
    parts = solution.choice.assign(n)
    first = VERIFY + 10_000 * number
    verified = made.seen(solution.weights[parts], range(first, first + n), rng)
    shares = [_compared(made, target, solution, verified) for target in targets]
    nearest = _nearest(made, targets)
    return WorldOutcome(
        axes=len(axes),
        errs=errs,
        feasible=nearest <= REACHED,
        farther=sum(target.tv for target in shares) - nearest,
        said_feasible=solution.choice.feasible,
        pilots=len(solution.pilots),
        nats=float(solution.choice.mixture @ (solution.weights**2).sum(1) / 2),
        seconds=seconds,
        targets=shares,
    )


def _compared(made: World, target: Target, solution: Solution, verified: Sequence[Pilot]) -> TargetOutcome:
    index, wanted = NAMES.index(target.name), np.array(list(target.shares.values()))
    true = solution.choice.mixture @ made.shares(solution.weights, index)
    before = made.shares(np.zeros((1, solution.weights.shape[1])), index)[0]
    expected = solution.choice.mixture @ solution.responses[target.name].expected(solution.weights)
    labels = np.array([found.labels[target.name] for found in verified])
    counts = _counts(labels, target)
    known = made.confusions.get(target.name)
    intervals = list(correct(counts, known).intervals) if known else share_intervals(counts[:-1])
    held = [bool(low <= share <= high) for (low, high), share in zip(intervals, true, strict=True)]
    near = [t - MARGIN <= i.low and i.high <= t + MARGIN for i, t in zip(intervals, wanted, strict=True)]
    return TargetOutcome(
        axis=target.name,
        before=float(np.abs(before - wanted).max()),
        off=float(np.abs(true - wanted).max()),
        tv=float(np.abs(true - wanted).sum() / 2),
        error=float(np.abs(expected - true).max()),
        held=held,
        covered=all(held),
        width=float(np.mean([high - low for low, high in intervals])),
        on_target=all(map(bool, near)),
    )


def _counts(labels: NDArray[np.str_], target: Target) -> list[int]:
    return [int((labels == name).sum()) for name in (*target.shares, UNCLEAR)]


def _nearest(made: World, targets: Sequence[Target]) -> float:
    """The least sum of total variations from the targets that any mixture of shifts up to 8 has, by formula."""
    weights = made.basis.grid(8.0, 800)
    goals = []
    for target in targets:
        expected = made.shares(weights, NAMES.index(target.name))
        goals.append(Goal(np.array(list(target.shares.values())), expected, np.zeros((0, *expected.shape))))
    return choose(goals, np.zeros(len(weights)), 0.0).reach


def table(rows: Sequence[WorldOutcome]) -> list[Row]:
    """A line for each kind of world."""
    lines = []
    for axes in (1, 2):
        for errs in (False, True):
            for feasible in (True, False):
                group = [r for r in rows if (r.axes, r.errs, r.feasible) == (axes, errs, feasible)]
                if group:
                    lines.append(_line(group, axes, errs, feasible))
    return lines


def _line(group: Sequence[WorldOutcome], axes: int, errs: bool, feasible: bool) -> Row:
    targets = [target for row in group for target in row.targets]
    return {
        "targets": "gender" if axes == 1 else "gender and tone",
        "detector": "errs" if errs else "exact",
        "feasible": feasible,
        "worlds": len(group),
        "said so": float(np.mean([row.said_feasible == feasible for row in group])),
        "off before": float(np.mean([target.before for target in targets])),
        "off after": float(np.mean([target.off for target in targets])),
        "farther than need be": float(np.mean([row.farther for row in group])),
        "expected against true": float(np.mean([target.error for target in targets])),
        "missed": float(np.mean([any(t.off > MARGIN for t in row.targets) for row in group])),
        "on target": float(np.mean([all(t.on_target for t in row.targets) for row in group])),
        "covered": float(np.mean([target.covered for target in targets])),
        "pilots": float(np.mean([row.pilots for row in group])),
        "nats": float(np.mean([row.nats for row in group])),
        "seconds": float(np.median([row.seconds for row in group])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first world")
    parser.add_argument("--pilots", type=int, default=384)
    parser.add_argument("-n", type=int, default=384, help="images of the verification")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    rows = measured(args)
    lines, intervals = table(rows), [_held(rows, name) for name in NAMES]
    show(lines)
    show(intervals)
    keep({"arguments": vars(args), "table": lines, "intervals": intervals}, "plans_on_mixture")


def measured(args: argparse.Namespace) -> list[WorldOutcome]:
    """All worlds, in processes of one thread; those that are kept are not made again."""
    journal = Journal("plans_on_mixture", {"pilots": args.pilots, "n": args.n}, WorldOutcome)
    numbers = range(args.first, args.first + args.worlds)
    lacking = [number for number in numbers if str(number) not in journal.rows]
    pool = ProcessPoolExecutor(args.workers, get_context("forkserver"), start, (1,))
    with pool, progress("worlds", args.worlds) as tick:
        tick(args.worlds - len(lacking))
        for number, row in zip(lacking, pool.map(partial(tried, pilots=args.pilots, n=args.n), lacking), strict=True):
            journal.add(str(number), row)
            tick(1)
    return [journal.rows[str(number)] for number in numbers]


def _held(rows: Sequence[WorldOutcome], name: str) -> Row:
    """How often the intervals of an axis hold."""
    found = [target for row in rows for target in row.targets if target.axis == name]
    together, each = [f.covered for f in found], [held for f in found for held in f.held]
    low, high = wilson(sum(together), len(together))
    return {
        "axis": name,
        "targets": len(found),
        "all at once": float(np.mean(together)),
        "all at once, low": low,
        "all at once, high": high,
        "one by one": float(np.mean(each)),
        "width": float(np.mean([f.width for f in found])),
        "on target": float(np.mean([f.on_target for f in found])),
    }


if __name__ == "__main__":
    main()
