"""`demo`: audit → the paper's recipe → a plan for gender and tone → verified on fresh seeds → report. Offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from equinoise.axes import load_axis
from equinoise.engine import Engine, Job
from equinoise.folders.pictures import open_image
from equinoise.models.base import step_at
from equinoise.page.assembly import write_report
from equinoise.results.audits import AuditResult
from equinoise.results.demo import Applied, AppliedShift, DemoResult, Difference, RecipeResult
from equinoise.results.directions import DirectionsResult
from equinoise.run import UNTOUCHED, Record, RunFolder
from equinoise.runtime.making import making, warn_of_no_pictures
from equinoise.runtime.model import Model, load
from equinoise.seeds import PILOT, VERIFY, seed_range
from equinoise.steering.intervention import Intervention, Shift
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.pairing import paired_changes
from equinoise.workflows.collecting import collect
from equinoise.workflows.fitting import fit
from equinoise.workflows.planning import plan

CONCEPT = "a photo of a doctor"
TOWARDS, AXES = "woman", ("gender", "tone")
STEPS = 25
"""Half of the default: twice as many pictures in the same time, and the eye hardly sees it on art this flat."""
FRACTION, WEIGHT, ESTIMATOR = 0.2, 10.0, "svm"
"""The paper's recipe: a support vector machine at step 10 of 50, added with weight 10."""
PLAN_PAIRS = 8
"""Seeds that the plan's directions are collected from."""
GROUPS = 10
"""Pilot images of the plan, in groups of `pilots`."""


def demo(
    out: str | Path,
    *,
    n: int = 128,
    pilots: int = 24,
    pairs: int = 50,
    batch_size: int = 16,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> DemoResult:
    """What a recipe and a plan do to "a photo of a doctor" on the emoji model, on the same fresh seeds.

    Every stage keeps what it has made under the run folder, so that a demo that was cut off goes on where it was.

    Args:
        out: the run folder; the page is `report.html` in it.
        n: fresh seeds, untouched, under the recipe and under the plan.
        pilots: the plan is chosen on ten times as many pilot images.
        pairs: seeds that the recipe's direction is fitted on, images made for each class.
        batch_size, engine, progress: as of `load` and `audit`.

    Raises:
        EquinoiseError: the folder holds something else, or a number makes no sense.
    """
    folder, model = Path(out), load("emoji", steps=STEPS, device="cpu", batch_size=batch_size)
    axes, seeds = [load_axis(name) for name in AXES], seed_range(VERIFY, n)
    seed_range(PILOT, pilots, "--pilots"), seed_range(PILOT, pairs, "--pairs")
    about = {
        "command": "demo",
        "concept": CONCEPT,
        "axes": {axis.name: axis.digest for axis in axes},
        "n": n,
        "pilots": pilots,
        "pairs": pairs,
        **model.to_json(),
    }
    run = RunFolder(folder, about)
    with making(model, engine, progress) as maker:
        before = maker.make("untouched", [Job(f"before-{s}", CONCEPT, s) for s in seeds], axes, run)
        step = step_at(FRACTION, model.sampling.steps)
        traces = collect(
            model, "gender", n=pairs, capture=[step], out=folder / "traces", engine=maker.engine, progress=progress
        )
        directions = fit(traces, estimator=ESTIMATOR, out=folder / "recipe.safetensors")
        recipe = Intervention((Shift(directions.find(TOWARDS, step), WEIGHT),))
        under = maker.make("the paper's recipe", [Job(f"recipe-{s}", CONCEPT, s, recipe) for s in seeds], axes, run)
        budget = n + GROUPS * pilots + ceil(PLAN_PAIRS * sum(len(axis.classes) for axis in axes) / model.sampling.steps)
        made = plan(
            model, CONCEPT, targets=dict.fromkeys(AXES, "uniform"), budget=budget, verify=n, pairs=PLAN_PAIRS,
            out=folder / "plan", engine=maker.engine, progress=progress,
        )  # fmt: skip
    after = _taken_in(run, folder / "plan" / "verification", made.verified.run.records)
    warn_of_no_pictures([*before, *under])
    groups = {UNTOUCHED: before, recipe.name: under, made.plan.name: after}
    audits = {name: _audited(model, rows, name) for name, rows in groups.items()}
    shift = recipe.shifts[0]
    shifts = (AppliedShift(concept=CONCEPT, direction=shift.direction.name, weight=shift.weight, how=shift.how),)
    result = DemoResult(
        before=audits[UNTOUCHED],
        after=audits[made.plan.name],
        differences=_differences(before, after),
        applied=Applied(name=made.plan.name, nats={"doctor": made.plan.kl_nats}, shifts=shifts),
        direction=shifts,
        directions=DirectionsResult.listing(directions).directions,
        recipe=RecipeResult(
            name=recipe.name,
            kl_nats=recipe.kl_nats,
            audit=audits[recipe.name],
            differences=_differences(before, under),
        ),
        plan=made,
        warnings=made.warnings,
    )
    order = [record.id for rows in groups.values() for record in rows]
    role = model.detector.role(CONCEPT)
    # the record of a run names no place of this machine
    kept = result.model_copy(update={"plan": made.model_copy(update={"file": "plan/plan.safetensors"})})
    finished = result.with_run(run.finish(order, kept.to_json(), model.world_json(), role))
    return finished.model_copy(update={"report": str(write_report([finished], folder / "report.html"))})


def _taken_in(run: RunFolder, folder: Path, records: Sequence[Record]) -> list[Record]:
    """The plan's verification, on the very same seeds, as images of the demo's own run."""
    taken = []
    for record in records:
        own = replace(record, id=f"plan-{record.seed}")
        if own.id not in run.records:
            run.add(own, open_image(folder / record.file))
        taken.append(own)
    return taken


def _audited(model: Model, records: Sequence[Record], name: str) -> AuditResult:
    """All images of a group under one name: the shares of a plan are of its whole mixture."""
    axes = [load_axis(axis) for axis in AXES]
    together = [replace(record, intervention=name) for record in records]
    counts = tally(together, axes, {CONCEPT: model.detector.role(CONCEPT)})
    return Measures(confusions=model.detector.confusions(axes)).audit(counts)


def _differences(before: Sequence[Record], after: Sequence[Record]) -> dict[str, dict[str, Difference]]:
    found = {}
    for name in AXES:
        changes = paired_changes(before, after, CONCEPT, name, load_axis(name).classes).classes
        found[name] = {
            label: Difference(difference=c.difference, low=c.low, high=c.high, n=c.n) for label, c in changes.items()
        }
    return found
