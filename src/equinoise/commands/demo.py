"""`demo`: the whole story on the emoji model, from the audit to the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, load_axis
from equinoise.commands.learning import describe
from equinoise.commands.shifting import sweep_json
from equinoise.console import progress
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.mitigation import Direction, DirectionSet, Intervention, Shift, Traces, fit
from equinoise.mitigation.collect import Keep, collect, collect_detected
from equinoise.mitigation.sweep import Sweep, best, sweep
from equinoise.models.base import NOISE, Step
from equinoise.report import write_report
from equinoise.run import Record, RunFolder
from equinoise.seeds import COLLECT, DETECTED, PILOT, VERIFY, seed_range
from equinoise.session import Session, open_session
from equinoise.understanding import audit, change, parse_target

CONCEPT = "a photo of a doctor"
STEPS: tuple[Step, ...] = (NOISE, 0, 5, 10, 15, 20)
FIRST_WEIGHT = 3.0
WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0)
TOWARDS = {"gender": "woman", "tone": "dark"}


@dataclass(frozen=True)
class Stage:
    """What the stages of the demo share."""

    session: Session
    engine: Engine
    folder: Path
    axes: Mapping[str, Axis]
    pairs: int


def demo(
    out: Path, n: int = 128, pilots: int = 24, pairs: int = 40, batch_size: int = 16, workers: int | None = None
) -> dict[str, Any]:
    """Audit, directions, step and weight on pilot seeds, fresh seeds untouched and shifted, report.

    Every stage keeps what it has made under the run folder, so that a demo that was cut off goes on where it was.
    """
    axes = {name: load_axis(name) for name in TOWARDS}
    session = open_session("emoji", batch_size=batch_size, workers=workers, axes=list(axes.values()))
    fresh = seed_range(VERIFY, n)
    seed_range(PILOT, pilots, "--pilots"), seed_range(COLLECT, pairs, "--pairs")
    run = RunFolder(
        out, _about(session, axes.values(), command="demo", n=n, pilots=pilots, pairs=pairs, weights=WEIGHTS)
    )
    with Engine(session.workers) as engine:
        stage = Stage(session, engine, out, axes, pairs)
        before = _draw(stage, run, "before", None, fresh)
        directions = {name: fit(_prompted(stage, axis), "paired")[0] for name, axis in axes.items()}
        directions["gender"] = _of_the_noise(stage, axes["gender"]) + directions["gender"]
        everything = sum(directions.values(), DirectionSet(()))
        everything.save(out / "directions.safetensors")
        step, gender = _choose_step(stage, directions["gender"], pilots)
        separate = _separate(directions, step)
        sweeps, shifts = [gender], tuple[Shift, ...]()
        for name in ("tone", "gender"):  # the second weight is chosen with the first shift in place
            sweeps.append(_choose_weight(stage, axes[name], separate, step, pilots, shifts))
            if chosen := sweeps[-1]["best"]:
                shifts += (Shift(separate.find(TOWARDS[name], step), chosen["weight"]),)
        intervention = Intervention(shifts)
        after = _draw(stage, run, "after", intervention, fresh) if shifts else before
    asked = {CONCEPT: session.asked(CONCEPT)}
    known = session.reader.confusions
    audits = [audit(rows, list(axes.values()), asked=asked, confusions=known).to_json() for rows in (before, after)]
    result = {
        "before": audits[0],
        "after": audits[1],
        "differences": {name: change(before, after, axis) for name, axis in axes.items()},
        "applied": _applied(intervention),
        "direction": _applied(intervention)["shifts"],
        "directions": describe(everything),
        "sweeps": sweeps,
    }
    notes = [] if shifts else ["no pilot came nearer to the target and kept the concept: nothing was shifted"]
    made = [*before, *after] if shifts else before
    run.finish([record.id for record in made], {**result, "warnings": notes, **session.results(CONCEPT)})
    return {"report": str(write_report([out], out / "report.html")), **result}


def _draw(stage: Stage, run: RunFolder, name: str, change_: Intervention | None, seeds: Sequence[int]) -> list[Record]:
    jobs = [Job(f"{name}-{seed}", CONCEPT, seed, change_) for seed in seeds]
    with progress(f"{name}: {len(seeds)} fresh seeds", len(jobs)) as tick:
        return make_images(stage.engine, stage.session.request(list(stage.axes.values())), jobs, run, tick)


def _prompted(stage: Stage, axis: Axis) -> Traces:
    prompts = {label: axis.generate[label][0] for label in axis.classes}
    seeds, steps = seed_range(COLLECT, stage.pairs), [step for step in STEPS if step != NOISE]
    about = _about(stage.session, [axis], command="collect", prompts=prompts, n=len(seeds), capture=steps)
    request, provenance = stage.session.request([axis], steps), stage.session.model.provenance
    with progress(f"{axis.name}: latents of {len(prompts)} classes", len(seeds) * len(prompts)) as tick:
        keep = Keep(stage.folder / "traces" / axis.name, about)
        return collect(stage.engine, request, axis, prompts, seeds, provenance, keep, tick)


def _of_the_noise(stage: Stage, axis: Axis) -> DirectionSet:
    """The direction at step T, from the noise of neutral images by what they turned out to show."""
    seeds, provenance = seed_range(DETECTED, 2 * stage.pairs), stage.session.model.provenance
    about = _about(stage.session, [axis], command="collect", labels="detected", n=len(seeds), capture=[NOISE])
    request = stage.session.request([axis], [NOISE])
    with progress(f"{axis.name}: noise of images by what they show", len(seeds)) as tick:
        keep = Keep(stage.folder / "traces" / f"{axis.name}-detected", about)
        traces = collect_detected(stage.engine, request, axis, CONCEPT, seeds, provenance, keep, tick)
    return fit(traces, "mean")[0]


def _about(session: Session, axes: Iterable[Axis], **more: Any) -> dict[str, Any]:
    return session.about(concept=CONCEPT, axes={axis.name: axis.digest for axis in axes}, **more)


def _choose_step(stage: Stage, directions: DirectionSet, pilots: int) -> tuple[Step, dict[str, Any]]:
    """Every step at one weight; the step that comes nearest to even without losing the concept.

    `T` is looked at but not chosen: it has no direction on the other axis to be kept apart from.
    """
    axis, steps = stage.axes["gender"], directions.steps()
    made, result = _sweep(stage, axis, directions, steps, (FIRST_WEIGHT,), pilots, "step")
    learnt = [cell for cell in made.cells if cell.step != NOISE]
    chosen = best(made.untouched, learnt, parse_target("uniform", axis))
    return (chosen.step if chosen and chosen.step is not None else STEPS[1]), result


def _separate(directions: Mapping[str, DirectionSet], step: Step) -> DirectionSet:
    """At one step, each axis's direction at right angles to the other's, so that one axis moves and not both."""
    plain: dict[str, Direction] = {axis: directions[axis].find(label, step) for axis, label in TOWARDS.items()}
    return DirectionSet(
        tuple(
            direction.orthogonal_to([other for name, other in plain.items() if name != axis])
            for axis, direction in plain.items()
        )
    )


def _choose_weight(
    stage: Stage, axis: Axis, directions: DirectionSet, step: Step, pilots: int, beside: tuple[Shift, ...]
) -> dict[str, Any]:
    return _sweep(stage, axis, directions, [step], WEIGHTS, pilots, f"{axis.name}-weight", beside)[1]


def _sweep(
    stage: Stage,
    axis: Axis,
    directions: DirectionSet,
    steps: Sequence[Step],
    weights: Sequence[float],
    pilots: int,
    name: str,
    beside: tuple[Shift, ...] = (),
) -> tuple[Sweep, dict[str, Any]]:
    label, target, session = TOWARDS[axis.name], parse_target("uniform", axis), stage.session
    used = {d.name: d.digest for d in directions.directions}
    about = _about(
        session,
        [axis],
        command="sweep",
        directions=used,
        steps=steps,
        weights=weights,
        n=pilots,
        beside=[shift.name for shift in beside],
    )
    run = RunFolder(stage.folder / "sweeps" / name, about)
    with progress(f"{axis.name}: pilots by {name}", (1 + len(steps) * len(weights)) * pilots) as tick:
        made = sweep(
            stage.engine,
            session.request(list(stage.axes.values())),
            CONCEPT,
            session.asked(CONCEPT),
            directions,
            label,
            axis,
            steps,
            weights,
            seed_range(PILOT, pilots),
            target,
            run,
            tick,
            beside=beside,
        )
    result = {
        **sweep_json(made, axis, label, target),
        "concept": CONCEPT,
        "n": pilots,
        "name": name,
        "beside": [shift.name for shift in beside],
    }
    run.finish(made.order, {**result, **session.results(CONCEPT)})
    return made, result


def _applied(intervention: Intervention) -> dict[str, Any]:
    return {
        "name": intervention.name,
        "intrusion_nats": intervention.intrusion,
        "shifts": [
            {"direction": shift.direction.name, "weight": shift.weight, "how": shift.how}
            for shift in intervention.shifts
        ],
    }
