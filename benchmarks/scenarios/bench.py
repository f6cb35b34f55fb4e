"""Directions, pilots and verified images of a scenario; everything is kept and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from benchmarks.common import RUNS, audit_under, fit_quickly, folder_of
from benchmarks.scenarios.table import AXES, Scenario, axes_of
from benchmarks.scenarios.text_edit import without
from equinoise import DirectionSet, Engine, Intervention, Model, Record, Shift, collect, load_axis, sweep
from equinoise.results.audits import ClassShare
from equinoise.results.sweeps import Cell
from equinoise.run import RunFolder
from equinoise.seeds import VERIFY, seed_range
from equinoise.workflows.sweeping import best as nearest

PAPER_STEP, PAPER_WEIGHT, PER_CLASS = 0.2, 10.0, 50
"""Step 10 of 50 as a fraction, so that the recipe means the same with fewer denoising steps."""
OWN = "own"
"""Among the estimators: the paired one, on the concept's own prompts."""
WANTED, OTHERS = "wanted", "others"
HALF = 0.5
"""The share that the wanted classes are to have together."""


@dataclass(frozen=True)
class Search:
    """The steps, weights and estimators among which the best shift is searched, on so many pilot images each."""

    steps: tuple[int, ...]
    weights: tuple[float, ...]
    estimators: tuple[str, ...]
    pilots: int


class Bench:
    """One model with its directions; images are kept in a folder of its settings' own and taken from there."""

    def __init__(self, model: Model, engine: Engine, search: Search) -> None:
        self.model, self.engine, self.search = model, engine, search
        self.paper_step = round(PAPER_STEP * model.sampling.steps)
        self.steps = sorted({*search.steps, self.paper_step})
        self.home = f"scenarios/{folder_of({'steps': self.steps, **model.to_json()})}"
        self._found: dict[tuple[str, str, str], DirectionSet] = {}

    def directions(self, axis: str, estimator: str, concept: str = "") -> DirectionSet:
        """Directions of the two ends of an axis; the estimator `own` is the paired one on the concept's own prompts."""
        own = estimator == OWN
        key = axis, estimator, concept if own else ""
        if key not in self._found:
            name = f"{axis}-{concept.replace(' ', '-')}" if own else axis
            traces = collect(
                self.model,
                axis,
                concept=concept if own else None,
                prompts=None if own else AXES[axis] or None,
                classes=list(AXES[axis]) or None,
                n=PER_CLASS,
                capture=self.steps,
                out=RUNS / self.home / name,
                engine=self.engine,
            )
            self._found[key] = fit_quickly(traces, "paired" if own else estimator)
        return self._found[key]

    def judge(self, scenario: Scenario, n: int) -> tuple[dict[str, Intervention], dict[str, Sequence[Record]]]:
        """Interventions and their images, by name: untouched, the paper's recipe, the best found, the text edit."""
        papers = [
            Shift(self.directions(axis, "svm").find(label, self.paper_step), PAPER_WEIGHT)
            for axis, label in scenario.towards.items()
        ]
        changes = {"untouched": Intervention(), "paper": Intervention(tuple(papers))}
        if best := self.best(scenario):
            changes["best"] = best
        made = {name: self.images(scenario, change, n, name) for name, change in changes.items()}
        if scenario.axis == "ground":
            edited = {"text edit": Intervention()} | ({"text edit + best": best} if best else {})
            for name, change in edited.items():
                made[name] = self._edited(scenario, change, n, name)
            changes |= edited
        return changes, made

    def images(self, scenario: Scenario, change: Intervention, n: int, name: str) -> Sequence[Record]:
        """The images of one intervention, with the axes of the scenario detected."""
        where = f"{self.home}/{scenario.folder}-{name}"
        return audit_under(self.model, self.engine, scenario.concept, change, n, axes_of(scenario), where).run.records

    def _edited(self, scenario: Scenario, change: Intervention, n: int, name: str) -> Sequence[Record]:
        """As `images`, with the difference of the ends of the axis projected out of the text as well."""
        ends, seeds = [load_axis("ground").generate[label][0] for label in ("water", "land")], seed_range(VERIFY, n)
        shifts = {shift.name: shift.direction.digest for shift in change.shifts}
        about = {"concept": scenario.concept, "without": ends, "shifts": shifts, "n": n, **self.model.to_json()}
        run = RunFolder(RUNS / self.home / f"{scenario.folder}-{name}", about)
        records = without(self.model, scenario.concept, ends, change, seeds, axes_of(scenario), run)
        return run.finish([record.id for record in records], {}).records

    def best(self, scenario: Scenario) -> Intervention | None:
        """Axis after axis, each with the shifts of those before it in place; None where nothing came nearer to half."""
        shifts: tuple[Shift, ...] = ()
        for axis, label in scenario.towards.items():
            found: list[tuple[str, Cell]] = []
            for estimator in self.search.estimators:
                untouched, *cells = self._sweep(scenario, axis, label, estimator, shifts)
                if cell := nearest(untouched, cells, {WANTED: HALF, OTHERS: 1 - HALF}):
                    found.append((estimator, cell))
            if not found:
                print(f"{scenario.name}: no pilot cell of {axis} came nearer to half")
                continue
            estimator, cell = min(found, key=lambda item: (_from_half(item[1]), item[1].kl_nats))
            assert cell.step is not None
            direction = self.directions(axis, estimator, scenario.concept).find(label, cell.step)
            shifts += (Shift(direction, cell.weight),)
        return Intervention(shifts) if shifts else None

    def _sweep(
        self, scenario: Scenario, axis: str, label: str, estimator: str, beside: tuple[Shift, ...]
    ) -> list[Cell]:
        """The untouched cell, then the others; in each the wanted classes are counted together."""
        made = sweep(
            self.model,
            scenario.concept,
            self.directions(axis, estimator, scenario.concept),
            towards=label,
            steps=self.search.steps,
            weights=self.search.weights,
            axis=axis,
            n=self.search.pilots,
            beside=beside,
            out=RUNS / self.home / f"pilots-{scenario.folder}-{axis}-{estimator}",
            engine=self.engine,
        )
        return [_in_two(cell, scenario.reached(axis)) for cell in (made.untouched, *made.cells)]

    def pictured(self, scenario: Scenario, name: str, records: Sequence[Record], n: int = 14) -> list[Image.Image]:
        """The first images of what `Bench.judge` made under a name."""
        folder = RUNS / self.home / f"{scenario.folder}-{name}"
        return [Image.open(folder / record.file) for record in records[:n]]


def _from_half(cell: Cell) -> float:
    share = cell.classes[WANTED].share
    return 1.0 if share is None else abs(share - HALF)


def _in_two(cell: Cell, wanted: Sequence[str]) -> Cell:
    """The cell with two classes: the wanted ones together, and the others together."""
    count = sum(cell.classes[name].count for name in wanted)
    counts = {WANTED: count, OTHERS: cell.clear - count}
    shares = [found.share for found in cell.classes.values()]
    share = sum(cell.classes[name].share or 0.0 for name in wanted)
    both: dict[str, float | None] = dict.fromkeys(counts) if None in shares else {WANTED: share, OTHERS: 1 - share}
    classes = {name: ClassShare(count=counts[name], share=both[name], low=None, high=None) for name in counts}
    return cell.model_copy(update={"classes": classes})
