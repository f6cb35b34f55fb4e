"""Step × weight: what a direction does to a concept at each step and weight, on the same pilot seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.axes import Axis
from equinoise.directions.direction import DirectionSet
from equinoise.engine import Engine, Job, Request
from equinoise.engine.images import Tick, make_images
from equinoise.models.base import Step
from equinoise.run import Record, RunFolder
from equinoise.statistics import total_variation
from equinoise.steering.intervention import How, Intervention, Shift
from equinoise.understanding.audit import audit

KEPT = 0.95
"""A cell can be best only if its concept fidelity is at least this part of the untouched images' own."""

CLEAR = 0.85
"""The same for the share of clear images: lower, since images between two classes of a scale are rightly unclear."""


@dataclass(frozen=True)
class Cell:
    """What one step and weight gives on the pilot seeds."""

    step: Step | None
    weight: float
    kl_nats: float
    audit: Mapping[str, Any]

    def to_json(self, label: str) -> dict[str, Any]:
        """`share`, `low`, `high` are those of the class swept for; all classes stand in `classes`."""
        share = self.audit["classes"][label]
        return {
            "step": self.step,
            "weight": self.weight,
            "n": self.audit["n"],
            "unclear": self.audit["unclear"],
            **{key: share[key] for key in ("share", "low", "high")},
            "tv": self.audit["tv"],
            "concept_fidelity": self.audit["concept_fidelity"],
            "intrusion_nats": self.kl_nats,
            "classes": self.audit["classes"],
        }


@dataclass(frozen=True)
class Sweep:
    """The untouched cell, one cell for each step and weight, and the ids of the images in order."""

    untouched: Cell
    cells: tuple[Cell, ...]
    order: tuple[str, ...]


def sweep(
    engine: Engine,
    request: Request,
    concept: str,
    asked: str | None,
    directions: DirectionSet,
    label: str,
    axis: Axis,
    steps: Sequence[Step],
    weights: Sequence[float],
    seeds: Sequence[int],
    target: Mapping[str, float],
    run: RunFolder | None = None,
    tick: Tick = lambda _: None,
    how: How = "add",
    beside: tuple[Shift, ...] = (),
) -> Sweep:
    """Every step and weight, and the untouched images, on the same seeds. `beside` is applied in every cell too."""
    plan: list[tuple[Step | None, float, Intervention]] = [(None, 0.0, Intervention())]
    plan += [
        (step, w, Intervention((*beside, Shift(directions.find(label, step), w, how))))
        for step in steps
        for w in weights
    ]
    jobs = [
        Job(f"{'untouched' if step is None else step}-{weight!r}-{seed}", concept, seed, change)
        for step, weight, change in plan
        for seed in seeds
    ]
    records = make_images(engine, request, jobs, run, tick)
    cells = [
        Cell(step, weight, change.kl_nats, _audited(rows, axis, target, concept, asked))
        for (step, weight, change), rows in zip(plan, _groups(records, len(seeds)), strict=True)
    ]
    return Sweep(cells[0], tuple(cells[1:]), tuple(job.id for job in jobs))


def _audited(
    rows: Sequence[Record], axis: Axis, target: Mapping[str, float], concept: str, asked: str | None
) -> dict[str, Any]:
    return audit(rows, [axis], {axis.name: target}, {concept: asked}).audits[0].to_json()


def best(untouched: Cell, cells: Sequence[Cell], target: Mapping[str, float]) -> Cell | None:
    """The cell nearest to the target among those that keep the concept and stay clear; of equals the smallest weight.

    None where no cell keeps it, or none is nearer than the untouched images.
    """
    kept = [cell for cell in cells if _keeps(cell, untouched)]
    nearest = min(kept, key=lambda cell: (round(_distance(cell, target), 6), abs(cell.weight)), default=None)
    return nearest if nearest and _distance(nearest, target) < _distance(untouched, target) else None


def _keeps(cell: Cell, untouched: Cell) -> bool:
    """Concept fidelity (where known) and the share of clear images stay near those of the untouched images."""
    before, after = untouched.audit, cell.audit
    clear = [1 - found["unclear"] / found["n"] for found in (before, after)]
    if clear[1] < CLEAR * clear[0]:
        return False
    return before["concept_fidelity"] is None or after["concept_fidelity"] >= KEPT * before["concept_fidelity"]


def _distance(cell: Cell, target: Mapping[str, float]) -> float:
    shares = [entry["share"] for entry in cell.audit["classes"].values()]
    return total_variation(shares, list(target.values())) if None not in shares else float("inf")


def _groups(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
