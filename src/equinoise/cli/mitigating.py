"""The commands that mitigate: from traces to directions, sweeps, plans and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equinoise.cli import arguments
from equinoise.cli.console import note, show
from equinoise.cli.options import (
    Concept,
    Concepts,
    Confusions,
    Detector,
    Json,
    MaybeOut,
    Model,
    ModelOptions,
    OneAxis,
    Out,
    PlanFile,
    Prompts,
    Targets,
    Unclear,
    detector_settings,
    spread,
)
from equinoise.results.base import Value
from equinoise.seeds import COLLECT, GENERATE, PILOT

app = typer.Typer()


@app.command()
@spread
def collect(
    model: Model,
    axis: OneAxis,
    out: Out,
    options: ModelOptions,
    prompt: Prompts = None,
    classes: Annotated[str | None, typer.Option("--classes", help="only these, comma-separated")] = None,
    labels: Annotated[str, typer.Option("--labels", help="prompted (default), or detected on --concept")] = "prompted",
    concept: Annotated[
        str | None, typer.Option("--concept", help="neutral prompt that the classes' prompts are made from")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="images a class")] = 50,
    seed: Annotated[int | None, typer.Option("--seed", help=f"default {COLLECT}")] = None,
    capture: Annotated[
        str | None,
        typer.Option("--capture", help="T, steps or fractions such as 0.2; default: 0,5,…,45 of 50, as fractions"),
    ] = None,
    detector: Detector = None,
    unclear_below: Unclear = None,
    json: Json = False,
) -> None:
    """Latents of every class of an axis from the same seeds, at the captured steps."""
    from equinoise.axes import load_axis
    from equinoise.results.directions import Collected
    from equinoise.workflows import collecting

    loaded = options.load(model)
    steps = arguments.captured(capture, loaded.sampling.steps)
    wanted, chosen, own = arguments.class_texts(prompt), arguments.split(classes), load_axis(axis)
    asked = collecting.Collecting.asking(loaded, own, concept, wanted, chosen, labels, steps)
    if options.dry_run:
        show(collecting.collect_cost(asked, loaded, n, options.workers), json)
        return
    if asked.note:
        note(asked.note)
    with options.engine(loaded) as engine:
        traces = collecting.collect(
            loaded, own, concept=concept, prompts=wanted, classes=chosen, labels=labels, n=n, capture=steps,
            detector=detector_settings(detector, unclear_below), out=out, seed=seed, engine=engine,
        )  # fmt: skip
    images = asked.images(n)
    found = Collected(
        images=images,
        denoiser_calls=images * asked.calls(loaded),
        captured=tuple(traces.latents),
        labelled=len(traces.labels),
        prompts=dict(traces.prompts),
        note=asked.note or None,
    )
    show(found, json)


@app.command()
def fit(
    traces: Annotated[list[Path], typer.Argument(help="folders that collect made")],
    out: Out,
    estimator: Annotated[str, typer.Option("--estimator", help="svm, mean or paired")] = "svm",
    orthogonal_to: Annotated[
        list[str] | None, typer.Option("--orthogonal-to", help="FILE:CLASS; may be repeated")
    ] = None,
    permutations: Annotated[int, typer.Option("--permutations")] = 99,
    c: Annotated[float, typer.Option("--c", help="penalty of the support vector machine")] = 1.0,
    json: Json = False,
) -> None:
    """A unit direction for each class and step, with its held-out accuracy."""
    from equinoise.results.directions import DirectionsResult
    from equinoise.workflows import fitting

    others = arguments.orthogonal(orthogonal_to or ())
    found = fitting.fit(traces, estimator=estimator, orthogonal_to=others, permutations=permutations, c=c, out=out)
    show(DirectionsResult.listing(found), json)


@app.command()
@spread
def sweep(
    model: Model,
    concept: Concept,
    direction: Annotated[str, typer.Option("--direction", help="FILE:CLASS")],
    options: ModelOptions,
    steps_from: Annotated[str | None, typer.Option("--steps-from", help="steps of the direction; default: all")] = None,
    weights: Annotated[str, typer.Option("--weights")] = "0.5,1,2,3,4,6,8,12,16",
    target: Targets = None,
    axis: Annotated[str | None, typer.Option("--axis", help="default: the direction's, from the catalogue")] = None,
    how: Annotated[str, typer.Option("--how", help="add, truncate or reflect")] = "add",
    n: Annotated[int, typer.Option("-n", help="images a cell")] = 32,
    seed: Annotated[int, typer.Option("--seed")] = PILOT,
    out: MaybeOut = None,
    detector: Detector = None,
    unclear_below: Unclear = None,
    json: Json = False,
) -> None:
    """What a direction does to a concept at each step and weight, on the same pilot seeds."""
    from equinoise.models.base import parse_steps
    from equinoise.understanding.targets import parse_shares
    from equinoise.workflows import sweeping

    directions, towards = arguments.direction(direction)
    steps = parse_steps(steps_from, directions.total) if steps_from else None
    tried = arguments.numbers(weights, "--weights")
    asked = sweeping.Sweeping.asking(directions, towards, steps, tried, axis, how)
    wanted = parse_shares(target or (), {asked.axis.name: asked.axis}).get(asked.axis.name, "uniform")
    loaded = options.load(model)
    if options.dry_run:
        show(sweeping.sweep_cost(loaded, asked, n, options.workers), json)
        return
    with options.engine(loaded) as engine:
        found = sweeping.sweep(
            loaded, concept, directions, towards=towards, steps=steps, weights=tried, target=wanted, axis=asked.axis,
            how=arguments.how(how), n=n, detector=detector_settings(detector, unclear_below), out=out, seed=seed,
            engine=engine,
        )  # fmt: skip
    show(found, json)


@app.command()
@spread
def generate(
    model: Model,
    concept: Concepts,
    out: Out,
    options: ModelOptions,
    direction: Annotated[
        list[str] | None, typer.Option("--direction", help="FILE:CLASS@STEP=WEIGHT[,truncate|reflect]")
    ] = None,
    plan: PlanFile = None,
    n: Annotated[int, typer.Option("-n")] = 16,
    seed: Annotated[int, typer.Option("--seed")] = GENERATE,
    json: Json = False,
) -> None:
    """Images of a concept, with the noise shifted by the given directions, or by a plan."""
    from equinoise.workflows import generating

    loaded, change = options.load(model), arguments.intervention(direction)
    if options.dry_run:
        show(generating.generate_cost(loaded, concept, n, plan, options.workers), json)
        return
    with options.engine(loaded) as engine:
        found = generating.generate(
            loaded, concept, n=n, intervention=change, plan=plan, out=out, seed=seed, engine=engine
        )
    show(found, json)


@app.command()
@spread
def plan(
    model: Model,
    concept: Concept,
    options: ModelOptions,
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.safetensors, its images beside it; or a run folder")],
    target: Annotated[
        list[str], typer.Option("--target", help="AXIS=uniform, AXIS=CLASS:P,…, AXIS*AXIS=FILE.csv, FILE.csv")
    ],
    direction: Annotated[
        list[Path] | None, typer.Option("--direction", help="file of directions; without one they are collected")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", help="of the directions; default 0, the first call")] = None,
    prompt: Prompts = None,
    budget: Annotated[int, typer.Option("--budget", help="images for directions, pilots and verification")] = 1024,
    verify: Annotated[
        int | None, typer.Option("--verify", help="of these, how many verify on untouched seeds; default: half")
    ] = None,
    margin: Annotated[float, typer.Option("--margin", help="on target: a whole interval within ± this")] = 0.1,
    pairs: Annotated[int, typer.Option("--pairs", help="seeds directions are collected from")] = 8,
    round_: Annotated[int, typer.Option("--round", help="1 to 9: plan again, on seeds never used before")] = 0,
    rejection: Annotated[
        bool,
        typer.Option(
            "--rejection/--no-rejection",
            "--selection/--no-selection",
            help="whether runs may be stopped early and their noise drawn again",
        ),
    ] = True,
    detector: Detector = None,
    unclear_below: Unclear = None,
    confusion: Confusions = None,
    json: Json = False,
) -> None:
    """The mixture of interventions that meets a target at the least cost, verified once on fresh seeds."""
    from equinoise.planning.question import PlanQuestion
    from equinoise.understanding.targets import parse_targets
    from equinoise.workflows import planning

    targets, loaded = parse_targets(target, concept), options.load(model)
    at, said = arguments.one_step(step) if step else None, arguments.class_texts(prompt)
    if options.dry_run:
        question = PlanQuestion(
            concept, tuple(targets), budget=budget, verify=verify, margin=margin, directions=direction, step=at,
            prompts=said, pairs=pairs, round=round_, rejection=rejection,
        )  # fmt: skip
        show(planning.plan_cost(loaded, question, options.workers), json)
        return
    settings = detector_settings(detector, unclear_below, confusion)
    with options.engine(loaded) as engine:
        found = planning.plan(
            loaded, concept, targets=targets, budget=budget, verify=verify, margin=margin, directions=direction,
            step=at, prompts=said, pairs=pairs, round=round_, rejection=rejection, detector=settings, out=out,
            engine=engine,
        )  # fmt: skip
    for prompts in (found.prompts or {}).values():
        note(prompts.note)
    show(found, json)


class ConvertedDirections(Value):
    """Directions in a file."""

    directions: tuple[dict[str, int | str], ...]
    file: str


class ConvertedArray(Value):
    """An array in a file."""

    file: str
    shape: tuple[int, ...]


@app.command()
def import_direction(
    file: Annotated[Path, typer.Argument(help=".npy of shape (1, channels, height, width)")],
    axis: OneAxis,
    label: Annotated[str, typer.Option("--class", help="the class it points to")],
    step: Annotated[str, typer.Option("--step", help="T, or the step it was found at")],
    out: Annotated[Path, typer.Option("-o", "--out", help="file of directions")],
    against: Annotated[
        str | None, typer.Option("--against", help="the class it points away from; default: rest")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="the model it was found on, if you know: uses on others are refused")
    ] = None,
    json: Json = False,
) -> None:
    """A direction of the authors' scripts (.npy) as a file of directions, at length 1."""
    from equinoise.axes import load_axis
    from equinoise.directions.direction import DirectionSet
    from equinoise.directions.npy import read_npy
    from equinoise.errors import EquinoiseError

    own, at = load_axis(axis), arguments.one_step(step)
    other = own.require(against) if against else "rest"
    known = ModelOptions().load(model).backend if model else None
    found = read_npy(
        file, own.name, own.require(label), step=at, against=other, model=known.provenance if known else None
    )
    if known and found.vector.shape != known.latent_shape:
        raise EquinoiseError(
            f"{file} has shape {found.vector.shape}, the latents of {model} {known.latent_shape}; it is not its own"
        )
    DirectionSet((found,)).save(out)
    row = {"axis": own.name, "class": label, "step": at, "name": found.name}
    show(ConvertedDirections(directions=(row,), file=str(out)), json)


@app.command()
def export_direction(
    direction: Annotated[str, typer.Argument(help="FILE:CLASS@STEP")],
    out: Annotated[Path, typer.Option("-o", "--out", help=".npy file")],
    json: Json = False,
) -> None:
    """A direction as the authors' scripts read it (.npy): the vector without its provenance."""
    from equinoise.directions.npy import write_npy
    from equinoise.errors import EquinoiseError

    where, at, step = direction.rpartition("@")
    if not at:
        raise EquinoiseError(f"'{direction}' is not FILE:CLASS@STEP, such as gender.safetensors:woman@10")
    directions, label = arguments.direction(where)
    shape = write_npy(directions.named(label, arguments.one_step(step)), out)
    show(ConvertedArray(file=str(out), shape=shape), json)
