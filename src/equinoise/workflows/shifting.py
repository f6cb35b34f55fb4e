"""`sweep` and `generate`: what a shift does, and images with it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, load_axis
from equinoise.directions.direction import DirectionSet
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.errors import EquinoiseError, warn
from equinoise.models.base import Step, parse_steps
from equinoise.progress import progress
from equinoise.run import RunFolder
from equinoise.seeds import overlap, seed_range
from equinoise.steering.intervention import HOWS, How, Intervention, Shift, check_fits
from equinoise.understanding.targets import parse_target, targets_of
from equinoise.workflows.planned import drawn, open_plan
from equinoise.workflows.settings import Session, require_concepts
from equinoise.workflows.sweeping import Sweep, best, sweep


def sweep_direction(
    session: Session,
    concept: str,
    direction: str,
    steps_from: str | None,
    weights: str,
    targets: Sequence[str],
    axis_name: str | None,
    how: str,
    n: int,
    seed: int,
    out: Path | None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """`{"cells", "best", "untouched", …}` over steps and weights on the same pilot seeds."""
    require_concepts([concept])
    directions, label = read_direction(direction)
    axis = load_axis(axis_name or _axis_of(directions, label))
    steps, missing = _steps(directions, steps_from)
    wanted, seeds = parse_weights(weights), seed_range(seed, n)
    target = targets_of(targets, {axis.name: axis}).get(axis.name) or parse_target("uniform", axis)
    check(session, [Intervention((Shift(directions.find(label, s), 1.0, require_how(how)),)) for s in steps], seeds)
    images = (1 + len(steps) * len(wanted)) * n
    if dry_run:
        return session.estimate(images, session.calls)
    about = session.about(
        command="sweep",
        concept=concept,
        direction={d.name: d.digest for d in directions.directions},
        axis={axis.name: axis.digest},
        label=label,
        steps_from=list(steps),
        weights=wanted,
        how=how,
        n=n,
        seed=seed,
        target=target,
    )
    run = RunFolder(out, about) if out else None
    with Engine(session.workers, session.spec.device) as engine, progress("sweep", images) as tick:
        made = sweep(
            engine,
            session.request([axis]),
            concept,
            session.asked(concept),
            directions,
            label,
            axis,
            steps,
            wanted,
            seeds,
            target,
            run,
            tick,
            require_how(how),
        )
    result = {**sweep_json(made, axis, label, target), "concept": concept, "n": n, "skipped": missing}
    if run:
        run.finish(made.order, {**result, **session.results(concept)})
    return result


def sweep_json(made: Sweep, axis: Axis, label: str, target: dict[str, float]) -> dict[str, Any]:
    """A sweep as the command prints it."""
    chosen = best(made.untouched, made.cells, target)
    return {
        "axis": axis.name,
        "class": label,
        "target": target,
        "untouched": made.untouched.to_json(label),
        "cells": [cell.to_json(label) for cell in made.cells],
        "best": chosen.to_json(label) if chosen else None,
    }


def generate(
    session: Session,
    concepts: Sequence[str],
    directions: Sequence[str],
    n: int,
    seed: int,
    out: Path,
    dry_run: bool = False,
    plan_file: Path | None = None,
) -> dict[str, Any]:
    """Images into a run folder; `{"images": [{file, seed, intervention}], …}`.

    Raises:
        EquinoiseError: directions and a plan at once, or one of another model.
    """
    if directions and plan_file:
        raise EquinoiseError("give --direction or --plan: a plan says itself which directions each image gets")
    intervention = Intervention(tuple(map(read_shift, directions)))
    seeds, named = seed_range(seed, n), require_concepts(concepts)
    planned = open_plan(plan_file, session, named, seeds) if plan_file else None
    check(session, planned.plan.interventions if planned else [intervention], seeds)

    def job(name: str, concept: str, seed: int) -> Job:
        if planned:
            return planned.job(name, concept, seed)
        return Job(name, concept, seed, intervention if directions else None)

    jobs = [job(f"{i}-{s}", concept, s) for i, concept in enumerate(named) for s in seeds]
    if dry_run:
        return session.estimate(len(jobs), planned.calls(session.calls) if planned else session.calls)
    about = session.about(
        command="generate",
        concepts=list(concepts),
        directions={s.name: s.direction.digest for s in intervention.shifts},
        n=n,
        seed=seed,
        **({"plan": planned.about()} if planned else {}),
    )
    run, request = RunFolder(out, about), session.request([])
    request = planned.request(request) if planned else request
    with Engine(session.workers, session.spec.device) as engine, progress("generate", len(jobs)) as tick:
        records = make_images(engine, request, jobs, run, tick)
    images = [
        {
            "file": str(out / r.file),
            "seed": r.seed,
            "intervention": r.intervention,
            "draws": len(r.draws) if r.draws else 1,
        }
        for r in records
    ]
    nats = planned.plan.kl_nats if planned else intervention.kl_nats
    more: dict[str, Any] = {"intrusion_nats": nats}
    if planned:
        more |= {"plan": planned.about(), "drawn": drawn(records, session, planned.look)}
    run.finish([job.id for job in jobs], {**more, **session.results(concepts[0])})
    return {"images": images, **more}


def read_direction(text: str) -> tuple[DirectionSet, str]:
    """`FILE:CLASS` → the file's directions and the class.

    Raises:
        EquinoiseError: not of that form, no such file, or no direction towards the class.
    """
    path, colon, label = text.rpartition(":")
    if not colon or not path:
        raise EquinoiseError(f"--direction '{text}' is not FILE:CLASS, such as gender.safetensors:woman")
    directions = DirectionSet.load(Path(path))
    if label not in directions.labels():
        raise EquinoiseError(f"{path} has no direction towards '{label}'; it has {', '.join(directions.labels())}")
    return directions, label


def read_shift(text: str) -> Shift:
    """`FILE:CLASS@STEP=WEIGHT`, with `,truncate` or `,reflect` behind it where wanted.

    Raises:
        EquinoiseError: not of that form, or no such direction.
    """
    head, equals, tail = text.rpartition("=")
    where, at, step = head.rpartition("@")
    weight, _, how = tail.partition(",")
    try:
        value = float(weight)
    except ValueError:
        value = float("nan")
    if not (equals and at) or isnan(value):
        raise EquinoiseError(
            f"--direction '{text}' is not FILE:CLASS@STEP=WEIGHT, such as gender.safetensors:woman@10=3"
        )
    directions, label = read_direction(where)
    return Shift(directions.find(label, parse_steps(step, directions.total)[0]), value, require_how(how or "add"))


def check(session: Session, interventions: Sequence[Intervention], seeds: Sequence[int]) -> None:
    """Refuse directions of another model; warn of other settings and of seeds that they were made from."""
    messages = [text for i in interventions for text in check_fits(i, session.model, session.sampling)]
    origins = [term.origin for i in interventions for shift in i.shifts for term in shift.direction.terms]
    shared = overlap(seeds, {seed for origin in origins for seed in origin.seeds})
    for message in dict.fromkeys([*messages, *([shared] if shared else [])]):
        warn(message)


def parse_weights(text: str) -> list[float]:
    """`1,2,4` → [1.0, 2.0, 4.0].

    Raises:
        EquinoiseError: an entry is no finite number, or comes twice.
    """
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise EquinoiseError(f"--weights '{text}' are not numbers, such as 1,2,4") from error
    if not all(abs(weight) < float("inf") for weight in weights) or len(set(weights)) < len(weights):
        raise EquinoiseError(f"--weights '{text}' must be finite and different from each other")
    return weights


def require_how(name: str) -> How:
    """The way of a shift by name.

    Raises:
        EquinoiseError: there is none of that name.
    """
    for how in HOWS:
        if how == name:
            return how
    raise EquinoiseError(f"--how {name}: use one of {', '.join(HOWS)}")


def _axis_of(directions: DirectionSet, label: str) -> str:
    for direction in directions.directions:
        origin = direction.terms[0].origin
        if label in (origin.label, origin.against):
            return origin.axis
    raise EquinoiseError(f"no direction towards '{label}'")


def _steps(directions: DirectionSet, text: str | None) -> tuple[list[Step], list[dict[str, Any]]]:
    """The steps to sweep, and those asked for that the file has no direction at."""
    known = directions.steps()
    asked = parse_steps(text, directions.total) if text else known
    missing = [step for step in asked if step not in known]
    reason = f"the file has directions at {', '.join(map(str, known))} only"
    if len(missing) == len(asked):
        raise EquinoiseError(f"no direction at step {missing[0]}: {reason}")
    for step in missing:
        warn(f"step {step} is left out: {reason}")
    return [step for step in asked if step in known], [{"step": step, "reason": reason} for step in missing]
