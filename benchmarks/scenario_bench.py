"""Directions, pilots and verified images of a scenario; everything is kept and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from benchmarks.common import RUNS, folder_of, gather, shares
from benchmarks.own_prompts import own_prompts
from benchmarks.scenario_table import AXES, Scenario, axes_of
from benchmarks.text_edit import without
from equinoise.axes import load_axis
from equinoise.directions.direction import DirectionSet
from equinoise.directions.estimators import fit
from equinoise.engine import Engine
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.runtime.model import Session
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.steering.intervention import Intervention, Shift
from equinoise.understanding.targets import parse_target
from equinoise.workflows.sweeping import Cell, sweep
from equinoise.workflows.sweeping import best as nearest

PAPER_STEP, PAPER_WEIGHT, PER_CLASS = 0.2, 10.0, 50
"""Step 10 of 50 as a fraction, so that the recipe means the same with fewer denoising steps."""
OWN = "own"
"""Among the estimators: the paired one, on the concept's own prompts."""
WANTED, OTHERS = "wanted", "others"
HALF = 0.5
"""The share that the wanted classes are to have together."""


class Bench:
    """One model with its directions; images are kept in a folder of its settings' own and taken from there."""

    def __init__(self, session: Session, engine: Engine, steps: Sequence[int]) -> None:
        self.session, self.engine = session, engine
        self.paper_step = round(PAPER_STEP * session.sampling.steps)
        self.steps = sorted({*steps, self.paper_step})
        self.home = f"scenarios/{folder_of(session.about(steps=self.steps))}"
        self._found: dict[tuple[str, str, str], DirectionSet] = {}

    def directions(self, axis: str, estimator: str, concept: str = "") -> DirectionSet:
        """Of the two ends of an axis, from the same seeds; `own` is paired, on the concept's own prompts."""
        key = axis, estimator, concept if estimator == OWN else ""
        if key not in self._found:
            ours = load_axis(axis)
            prompts = AXES[axis] or {label: ours.generate[label][0] for label in ours.classes}
            where = f"{self.home}/{axis}"
            if estimator == OWN:
                prompts = {label: text for label, text in own_prompts(ours, concept).items() if label in prompts}
                where += f"-{concept.replace(' ', '-')}"
            seeds = seed_range(COLLECT, PER_CLASS)
            traces = gather(self.session, self.engine, ours, prompts, seeds, self.steps, where)
            self._found[key] = fit(traces, "paired" if estimator == OWN else estimator, permutations=0)
        return self._found[key]

    def judge(
        self,
        scenario: Scenario,
        steps: Sequence[int],
        weights: Sequence[float],
        estimators: Sequence[str],
        pilots: int,
        n: int,
    ) -> tuple[dict[str, Intervention], dict[str, list[Record]]]:
        """What was done and the images it gave: untouched, the paper's recipe, the best found, the text edit."""
        papers = [
            Shift(self.directions(axis, "svm").find(label, self.paper_step), PAPER_WEIGHT)
            for axis, label in scenario.towards.items()
        ]
        changes = {"untouched": Intervention(), "paper": Intervention(tuple(papers))}
        if best := self.best(scenario, steps, weights, estimators, pilots):
            changes["best"] = best
        seeds = seed_range(VERIFY, n)
        made = {name: self.images(scenario, change, seeds, name) for name, change in changes.items()}
        if scenario.axis == "ground":
            ends = [load_axis("ground").generate[label][0] for label in ("water", "land")]
            edited = {"text edit": Intervention()} | ({"text edit + best": best} if best else {})
            for name, change in edited.items():
                made[name] = self._edited(scenario, ends, change, seeds, name)
            changes |= edited
        return changes, made

    def images(self, scenario: Scenario, change: Intervention, seeds: Sequence[int], name: str) -> list[Record]:
        """The images of one intervention, with the axes of the scenario detected."""
        where = f"{self.home}/{scenario.folder}-{name}"
        return shares(self.session, self.engine, scenario.concept, change, seeds, axes_of(scenario), where)[1]

    def _edited(
        self, scenario: Scenario, ends: Sequence[str], change: Intervention, seeds: Sequence[int], name: str
    ) -> list[Record]:
        """As `images`, with the difference of the ends projected out of the text as well."""
        shifts = {shift.name: shift.direction.digest for shift in change.shifts}
        about = self.session.about(concept=scenario.concept, without=list(ends), shifts=shifts, n=len(seeds))
        run = RunFolder(RUNS / self.home / f"{scenario.folder}-{name}", about)
        records = without(self.session, scenario.concept, ends, change, seeds, axes_of(scenario), run)
        run.finish([record.id for record in records], {})
        return records

    def best(
        self,
        scenario: Scenario,
        steps: Sequence[int],
        weights: Sequence[float],
        estimators: Sequence[str],
        pilots: int,
    ) -> Intervention | None:
        """Axis after axis, each with the shifts of those before it in place; None where nothing came nearer to half."""
        shifts: tuple[Shift, ...] = ()
        for axis, label in scenario.towards.items():
            wanted = scenario.reached(axis)
            found: list[tuple[str, Cell]] = []
            for estimator in estimators:
                swept = self._sweep(scenario, axis, label, estimator, steps, weights, pilots, shifts)
                cells = [_in_two(cell, wanted) for cell in swept]
                if cell := nearest(cells[0], cells[1:], {WANTED: HALF, OTHERS: 1 - HALF}):
                    found.append((estimator, cell))
            if not found:
                print(f"{scenario.name}: no pilot cell of {axis} came nearer to half")
                continue
            estimator, cell = min(
                found, key=lambda item: (abs(item[1].audit["classes"][WANTED]["share"] - HALF), item[1].kl_nats)
            )
            assert cell.step is not None
            direction = self.directions(axis, estimator, scenario.concept).find(label, cell.step)
            shifts += (Shift(direction, cell.weight),)
        return Intervention(shifts) if shifts else None

    def _sweep(
        self,
        scenario: Scenario,
        axis: str,
        label: str,
        estimator: str,
        steps: Sequence[int],
        weights: Sequence[float],
        pilots: int,
        beside: tuple[Shift, ...],
    ) -> list[Cell]:
        ours, seeds = load_axis(axis), seed_range(PILOT, pilots)
        directions = self.directions(axis, estimator, scenario.concept)
        used = {d.name: d.digest for d in directions.directions}
        about = self.session.about(weights=list(weights), steps=list(steps), n=pilots, directions=used)
        about |= {"beside": [shift.name for shift in beside], "concept": scenario.concept}
        run = RunFolder(RUNS / self.home / f"pilots-{scenario.folder}-{axis}-{estimator}", about)
        with progress(f"{scenario.name}: {estimator}", (1 + len(steps) * len(weights)) * pilots) as tick:
            made = sweep(
                self.engine,
                self.session.request(axes_of(scenario)),
                scenario.concept,
                self.session.asked(scenario.concept),
                directions,
                label,
                ours,
                steps,
                weights,
                seeds,
                parse_target("uniform", ours),
                run,
                tick,
                beside=beside,
            )
        run.finish(made.order, {})
        return [made.untouched, *made.cells]

    def pictured(self, scenario: Scenario, name: str, records: Sequence[Record], n: int = 14) -> list[Image.Image]:
        """The first images of what `Bench.judge` made under a name."""
        folder = RUNS / self.home / f"{scenario.folder}-{name}"
        return [Image.open(folder / record.file) for record in records[:n]]


def _in_two(cell: Cell, wanted: Sequence[str]) -> Cell:
    """With the wanted classes counted together, and the others."""
    shares = {name: entry["share"] for name, entry in cell.audit["classes"].items()}
    if None in shares.values():  # all are unclear
        return replace(cell, audit={**cell.audit, "classes": {WANTED: {"share": None}, OTHERS: {"share": None}}})
    share = sum(shares[name] for name in wanted)
    return replace(cell, audit={**cell.audit, "classes": {WANTED: {"share": share}, OTHERS: {"share": 1 - share}}})
