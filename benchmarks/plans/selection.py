"""Plans with and without rejection sampling on random worlds: python -m benchmarks.plans.selection --worlds 40

The worlds are those of `benchmarks.plans.on_mixture` with gender and tone and a detector that is right: planted shares
and targets of any kind, or uniform ones; directions with a cosine of 0.5 to 1 to the best, and entangled. An early
check after 6, 11 or 16 of 50 calls predicts gender right in 92, 97 and 99% and tone in 64, 78 and 88% (as was measured
on the emoji model), else a neighbouring class. Both plans get pilots of the same seeds. The true shares of a plan are
simulated on 200,000 noise vectors. The measurement resumes where it was cut off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import keep
from benchmarks.plans.on_mixture import MARGIN, NAMES, World, target_of, world
from emoji_world.tables import RESULTS, Row, show
from equinoise.axes import load_axis
from equinoise.planning.candidates import RunCalls
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.planning.exploration import explore
from equinoise.planning.mixture import Mixture
from equinoise.planning.optimise import Problem, RejectionSettings, SearchSettings, Solution
from equinoise.planning.pilots import Pilot
from equinoise.planning.response import Array
from equinoise.progress import progress
from equinoise.results.base import Value
from equinoise.seeds import PILOT
from equinoise.steering.plan import Part
from equinoise.understanding.targets import Target

Labels = NDArray[np.int64]
CALLS = 50
RIGHT = {5: (0.92, 0.64), 10: (0.97, 0.78), 15: (0.99, 0.88)}
"""Step → how often gender and tone are predicted right."""
POSITIONS = 200_000


class PlanOutcome(Value):
    """How far the truth of a plan is from its targets, in the class that is farthest, and what it costs.

    `extra`, `expected_extra`: denoiser calls beyond those of whole runs, as a share of these.
    """

    off: float
    said_feasible: bool
    nats: float
    expected_extra: float
    extra: float
    pilots: int


class WorldOutcome(Value):
    """One world: a plan of shifts alone, and one that may use rejection sampling (`selection`)."""

    world: int
    shifts: PlanOutcome
    selection: PlanOutcome


def tried(number: int, pilots: int) -> WorldOutcome:
    """Both plans of a world."""
    rng = np.random.default_rng([11, number])
    made = world(rng, errs=False)
    targets = [target_of(load_axis(name), rng) for name in NAMES]
    generate, seeds = partial(checked, made, np.random.default_rng([12, number])), range(PILOT, PILOT + pilots)

    def planned(rejection: RejectionSettings | None) -> PlanOutcome:
        problem = Problem(targets, made.basis, SearchSettings(pilots, rejection=rejection))
        return judged(made, targets, explore(problem, generate, seeds), np.random.default_rng([13, number]))

    shifts, selection = planned(None), planned(RejectionSettings(RunCalls(CALLS, True), "known"))
    return WorldOutcome(world=number, shifts=shifts, selection=selection)


def checked(
    made: World, rng: np.random.Generator, asked: Sequence[tuple[Array, int]], _: EarlyStopping | None
) -> list[Pilot]:
    """Pilots, all of them whole, with what an early check would have predicted of them."""
    seen = made.seen(np.stack([arm for arm, _ in asked]), [seed for _, seed in asked], rng)
    axes = [load_axis(name) for name in NAMES]
    final = [np.array([axis.classes.index(found.labels[axis.name]) for found in seen]) for axis in axes]
    early = {step: [predicted(labels, i, step, rng) for i, labels in enumerate(final)] for step in RIGHT}
    return [
        Pilot(
            found.labels,
            None,
            {
                step: {a.name: {c: float(i == rows[k][n]) for i, c in enumerate(a.classes)} for k, a in enumerate(axes)}
                for step, rows in early.items()
            },
        )
        for n, found in enumerate(seen)
    ]


def predicted(final: Labels, index: int, step: int, rng: np.random.Generator) -> Labels:
    """What is predicted of final classes: right as often as `RIGHT` has it, else a neighbour."""
    last = len(load_axis(NAMES[index]).classes) - 1
    other = np.where(final == 0, 1, np.where(final == last, last - 1, final + rng.choice([-1, 1], len(final))))
    return np.where(rng.random(len(final)) < RIGHT[step][index], final, other)


def judged(made: World, targets: Sequence[Target], solution: Solution, rng: np.random.Generator) -> PlanOutcome:
    """The truth of a plan, by simulation."""
    mixture = Mixture.rounded(solution, made.basis)
    table, attempts = np.zeros((2, 5)), 0.0
    for weights, part in zip(mixture.candidates.weights, mixture.parts, strict=True):
        shares, each = simulated(made, solution, weights, part, rng)
        table, attempts = table + part.share * shares, attempts + part.share * each
    off = [float(np.abs(table.sum(1 - i) - list(t.shares.values())).max()) for i, t in enumerate(targets)]
    step = solution.early_classifier.step if solution.early_classifier else 0
    return PlanOutcome(
        off=max(off),
        said_feasible=solution.choice.feasible,
        nats=sum(part.share * part.intervention.kl_nats for part in mixture.parts),
        expected_extra=mixture.extra_calls_per_image,
        extra=(attempts - 1) * (step + 1) / CALLS,
        pilots=len(solution.pilots),
    )


def simulated(
    made: World, solution: Solution, weights: Array, part: Part, rng: np.random.Generator
) -> tuple[Array, float]:
    """The true joint shares (2, 5) of a part, and its attempts an image."""
    classifier = solution.early_classifier
    z = rng.standard_normal((POSITIONS, 2)) + weights @ made.basis.matrix @ made.places.T
    final = [(z[:, [i]] > made.thresholds[i]).sum(1) for i in (0, 1)]
    accepted = np.ones(POSITIONS, bool)
    for i, name in enumerate(NAMES):
        if classifier and name in part.accept:
            wanted = [load_axis(name).classes.index(label) for label in part.accept[name]]
            accepted &= np.isin(predicted(final[i], i, classifier.step, rng), wanted)
    cells = 5 * final[0] + final[1]
    tables = [np.bincount(cells[rows], minlength=10).reshape(2, 5) for rows in (accepted, slice(None))]
    own, all_ = (table / table.sum() for table in tables)
    most = classifier.most_attempts if classifier and part.accept else 1
    missed = (1 - accepted.mean()) ** (most - 1)
    return (1 - missed) * own + missed * all_, (1 - (1 - accepted.mean()) ** most) / accepted.mean()


def table(rows: Sequence[WorldOutcome]) -> list[Row]:
    """A line for each kind of plan."""
    return [_line("shifts", [row.shifts for row in rows]), _line("selection", [row.selection for row in rows])]


def _line(kind: str, found: Sequence[PlanOutcome]) -> Row:
    off, extra = (np.array([getattr(row, name) for row in found]) for name in ("off", "extra"))
    error = extra - np.array([row.expected_extra for row in found])
    return {
        "plans": kind,
        "worlds": len(found),
        "farthest class off, mean": 100 * float(off.mean()),
        f"off by more than {100 * MARGIN:.0f} points": int((off > MARGIN).sum()),
        "nats": float(np.mean([row.nats for row in found])),
        "more calls, mean %": 100 * float(extra.mean()),
        "largest %": 100 * float(extra.max()),
        "expected against true, points of calls": 100 * float(np.abs(error).mean()),
        "pilots": float(np.mean([row.pilots for row in found])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--pilots", type=int, default=384)
    args = parser.parse_args()
    file = RESULTS / "selection.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    known = kept["rows"] if kept.get("pilots") == args.pilots else []
    rows = [WorldOutcome.from_json(row, str(file)) for row in known]
    with progress("worlds", args.worlds) as tick:
        tick(min(len(rows), args.worlds))
        for number in range(len(rows), args.worlds):
            rows.append(tried(number, args.pilots))
            keep({"pilots": args.pilots, "rows": rows}, "selection")
            tick(1)
    show(table(rows[: args.worlds]))


if __name__ == "__main__":
    main()
