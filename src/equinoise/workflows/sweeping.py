"""`sweep`: what a direction does to a concept at each step and weight, on the same pilot seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from equinoise.axes import Axis, load_axis
from equinoise.directions.direction import DirectionSet
from equinoise.engine import Engine, Job
from equinoise.errors import EquinoiseError, warn
from equinoise.models.base import Step
from equinoise.results.audits import Audit
from equinoise.results.sweeps import Cell, MissingStep, SweepResult
from equinoise.run import Record, start_run
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import check_interventions, making, warn_of_no_pictures
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.seeds import PILOT, seed_range
from equinoise.statistics import total_variation
from equinoise.steering.intervention import HOWS, How, Intervention, Shift
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.targets import Wanted, wanted_shares

WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
FAITHFUL = 0.95
"""A cell can be best only if its concept fidelity is at least this part of the untouched images' own."""
CLEAR = 0.85
"""The same for the share of clear images: lower, since images between two classes of a scale are rightly unclear."""


def sweep(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concept: str,
    directions: DirectionSet,
    *,
    towards: str,
    steps: Sequence[Step] | None = None,
    weights: Sequence[float] = WEIGHTS,
    target: Wanted = "uniform",
    axis: str | Axis | None = None,
    how: How = "add",
    n: int = 32,
    beside: Sequence[Shift] = (),
    detector: str | DetectorSettings | None = None,
    out: str | Path | None = None,
    seed: int = PILOT,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> SweepResult:
    """Shares at every step and weight, and of untouched images, on the same n pilot seeds.

    Args:
        model: as `load` gives it.
        concept: the neutral prompt.
        directions: as `fit` gives them.
        towards: the class.
        steps: of the directions; default every step at which there is one towards the class.
        weights: in standard deviations of the noise along the direction; w²/2 is the KL divergence from N(0, I).
        target: "uniform" or class → share; the best cell is the one nearest to it.
        axis: which is read off the images; default the direction's own, from the catalogue.
        how: add, truncate or reflect; see `steering.intervention.Shift`.
        n: images a cell.
        beside: shifts that every cell but the untouched one has too.
        detector, out, seed, engine, progress: as of `audit`.

    Raises:
        EquinoiseError: no such direction, axis or target, a direction of another model, or a weight that is not finite.
    """
    (concept,) = require_concepts(concept)
    asked = Sweeping.asking(directions, towards, steps, weights, axis, how)
    for entry in asked.missing:
        warn(f"step {entry.step} is left out: {entry.reason}")
    wanted = wanted_shares(target, asked.axis)
    model, seeds = model.reading_with(detector, [asked.axis]), seed_range(seed, n)
    check_interventions(model, [change for _, _, change in asked.cells(beside)], seeds)
    about = {
        "command": "sweep",
        "concept": concept,
        **asked.to_json(),
        "beside": [shift.name for shift in beside],
        "n": n,
        "seed": seed,
        "target": wanted,
    }
    run = start_run(Path(out) if out else None, {**about, **model.to_json()})
    cells = [(None, 0.0, Intervention()), *asked.cells(tuple(beside))]
    jobs = [
        Job(f"{'untouched' if step is None else step}-{weight!r}-{s}", concept, s, change)
        for step, weight, change in cells
        for s in seeds
    ]
    axes = [asked.axis, *_beside_axes(beside, asked.axis)]
    with making(model, engine, progress) as maker:
        records = maker.make(f"sweep towards {towards}", jobs, axes, run)
    warn_of_no_pictures(records)
    groups = [records[start : start + n] for start in range(0, len(records), n)]
    role = model.detector.role(concept)
    untouched, *found = [
        _cell(step, weight, change, _audit(rows, asked.axis, wanted, {concept: role}), towards)
        for (step, weight, change), rows in zip(cells, groups, strict=True)
    ]
    result = SweepResult(
        axis=asked.axis.name,
        label=towards,
        target=wanted,
        untouched=untouched,
        cells=tuple(found),
        best=best(untouched, found, wanted),
        concept=concept,
        n=n,
        skipped=asked.missing,
        beside=tuple(shift.name for shift in beside) or None,
    )
    return result.with_run(run.finish([job.id for job in jobs], result.to_json(), model.world_json(), role))


def sweep_cost(model: Model, asked: Sweeping, n: int, workers: int | None = None) -> Estimate:
    """What a sweep would take."""
    return model.estimate((1 + len(asked.steps) * len(asked.weights)) * n, model.calls, workers)


@dataclass(frozen=True)
class Sweeping:
    """What is swept: the directions towards a class at some steps, with some weights.

    `missing`: steps that were asked for and have no direction.
    """

    directions: DirectionSet
    towards: str
    axis: Axis
    steps: tuple[Step, ...]
    weights: tuple[float, ...]
    how: How = "add"
    missing: tuple[MissingStep, ...] = ()

    @classmethod
    def asking(
        cls,
        directions: DirectionSet,
        towards: str,
        steps: Sequence[Step] | None,
        weights: Sequence[float],
        axis: str | Axis | None,
        how: str,
    ) -> Sweeping:
        """The question of the verb `sweep`.

        Raises:
            EquinoiseError: no such direction or axis, or weights that are not finite or come twice.
        """
        way = next((known for known in HOWS if known == how), None)
        if way is None:
            raise EquinoiseError(f"--how {how}: use one of {', '.join(HOWS)}")
        if towards not in directions.labels():
            raise EquinoiseError(f"no direction towards '{towards}'; there are {', '.join(directions.labels())}")
        if not all(isfinite(weight) for weight in weights) or len(set(weights)) < len(weights):
            raise EquinoiseError(f"weights {', '.join(map(str, weights))} must be finite and different from each other")
        known = directions.steps()
        wanted = known if steps is None else list(steps)
        reason = f"the file has directions at {', '.join(map(str, known))} only"
        missing = tuple(MissingStep(step=step, reason=reason) for step in wanted if step not in known)
        if len(missing) == len(wanted):
            raise EquinoiseError(f"no direction at step {missing[0].step}: {reason}")
        own = axis if isinstance(axis, Axis) else load_axis(axis or _axis_towards(directions, towards))
        there = tuple(step for step in wanted if step in known)
        return cls(directions, towards, own, there, tuple(weights), way, missing)

    def cells(self, beside: Sequence[Shift] = ()) -> list[tuple[Step | None, float, Intervention]]:
        """Step, weight and intervention of every cell but the untouched one."""
        return [
            (step, w, Intervention((*beside, Shift(self.directions.named(self.towards, step), w, self.how))))
            for step in self.steps
            for w in self.weights
        ]

    def to_json(self) -> dict[str, object]:
        """For the record of a run."""
        return {
            "direction": {direction.name: direction.digest for direction in self.directions.directions},
            "axis": {self.axis.name: self.axis.digest},
            "label": self.towards,
            "steps_from": list(self.steps),
            "weights": list(self.weights),
            "how": self.how,
        }


def _axis_towards(directions: DirectionSet, label: str) -> str:
    """Name of the axis that a class is of."""
    origins = [direction.origin for direction in directions.directions]
    return next(origin.axis for origin in origins if label in (origin.towards, origin.label, origin.against))


def _beside_axes(beside: Sequence[Shift], axis: Axis) -> list[Axis]:
    """The catalogue's axes that the shifts beside are of."""
    names = dict.fromkeys(term.origin.axis for shift in beside for term in shift.direction.terms)
    return [load_axis(name) for name in names if name != axis.name]


def _audit(rows: Sequence[Record], axis: Axis, target: Mapping[str, float], roles: Mapping[str, str | None]) -> Audit:
    return Measures({axis.name: target}).audit(tally(rows, [axis], roles)).audits[0]


def _cell(step: Step | None, weight: float, change: Intervention, audit: Audit, label: str) -> Cell:
    own = audit.classes[label]
    return Cell(
        step=step,
        weight=weight,
        n=audit.n,
        unclear=audit.unclear,
        no_picture=audit.no_picture,
        share=own.share,
        low=own.low,
        high=own.high,
        tv=audit.tv,
        concept_fidelity=audit.concept_fidelity,
        intrusion_nats=change.kl_nats,
        kl_nats=change.kl_nats,
        classes=audit.classes,
    )


def best(untouched: Cell, cells: Sequence[Cell], target: Mapping[str, float]) -> Cell | None:
    """The cell nearest to the target among those that keep the concept and stay clear; of equals the smallest weight.

    None where no cell keeps the concept, or none is nearer than the untouched images.
    """
    kept = [cell for cell in cells if _keeps(cell, untouched)]
    nearest = min(kept, key=lambda cell: (round(_distance(cell, target), 6), abs(cell.weight)), default=None)
    return nearest if nearest and _distance(nearest, target) < _distance(untouched, target) else None


def _keeps(cell: Cell, untouched: Cell) -> bool:
    """Concept fidelity (where known) and the share of clear images stay near those of the untouched images."""
    if 1 - cell.unclear / cell.n < CLEAR * (1 - untouched.unclear / untouched.n):
        return False
    before, after = untouched.concept_fidelity, cell.concept_fidelity
    return before is None or after is None or after >= FAITHFUL * before


def _distance(cell: Cell, target: Mapping[str, float]) -> float:
    shares = [found.share for found in cell.classes.values()]
    known = [share for share in shares if share is not None]
    return total_variation(known, list(target.values())) if len(known) == len(shares) else float("inf")
