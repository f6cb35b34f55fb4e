"""The command line: one thin function a command. The contract of names and JSON is in `docs/cli.md`.

What a command needs is imported by the command, so that labels are audited, checked and helped with in no time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from equinoise.cli import tables
from equinoise.cli import understanding as cli_understanding
from equinoise.cli.console import run_app, show
from equinoise.cli.options import (
    Axes,
    Concept,
    Concepts,
    Detector,
    Json,
    MaybeOut,
    Model,
    ModelOptions,
    OneAxis,
    Out,
    PlanFile,
    Targets,
    Unclear,
    spread,
)
from equinoise.seeds import AUDIT, COLLECT, GENERATE, PILOT

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure social bias in text-to-image models and mitigate it by shifting the initial noise.",
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@app.command()
@spread
def audit(
    source: Annotated[list[str], typer.Argument(help="a model; or folders of images or runs; or CSV files of counts")],
    axis: Axes,
    options: ModelOptions,
    concept: Annotated[
        list[str] | None, typer.Option("--concept", help="neutral prompt; of images and labels only these")
    ] = None,
    target: Targets = None,
    plan: PlanFile = None,
    cross: Annotated[
        list[str] | None, typer.Option("--cross", help="the intersection of axes as well, such as gender,tone")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="classes of an axis that is not built in, comma-separated")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="CSV concept,axis,class,share|count to measure amplification by")
    ] = None,
    confusion: Annotated[
        list[Path] | None, typer.Option("--confusion", help="CSV true,predicted,count, or what calibrate-detector made")
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", help="images a concept: 128; with --until-width at most, default: enough for any shares"),
    ] = None,
    until_width: Annotated[
        float | None, typer.Option("--until-width", help="stop as soon as every interval is this narrow, such as 0.2")
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = AUDIT,
    out: MaybeOut = None,
    detector: Detector = None,
    unclear_below: Unclear = None,
    json: Json = False,
) -> None:
    """Share of each class over generated images, given images or given labels, with intervals."""
    from equinoise.cli.routing import audit_any

    result = audit_any(
        source,
        options,
        axis,
        concepts=concept or (),
        targets=target or (),
        plan=plan,
        crosses=cross or (),
        classes=classes,
        reference=reference,
        confusions=confusion or (),
        n=n,
        until_width=until_width,
        seed=seed,
        out=out,
        detector=detector,
        unclear_below=unclear_below,
    )
    show(result, json, tables.dry if "dry_run" in result else tables.audit_table)


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="a run that was audited, or the JSON of an audit")],
    max_spd: Annotated[
        float | None, typer.Option("--max-spd", help="limit of the largest share − the smallest")
    ] = None,
    max_tv: Annotated[float | None, typer.Option("--max-tv", help="limit of the distance to the target")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="inconclusive fails too")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", help="JUnit XML for a build server")] = None,
    json: Json = False,
) -> None:
    """Pass, fail or inconclusive: do the whole intervals lie within the limits? Exit 1 where they do not."""
    from equinoise.workflows.checking import check_run

    result, passed = check_run(run, max_spd, max_tv, strict, junit)
    show(result, json, tables.check_table)
    if not passed:
        raise typer.Exit(1)


@app.command()
def calibrate_detector(
    folder: Annotated[Path, typer.Argument(help="labelled images, a sub-folder a class; `unclear` may be one")],
    axis: OneAxis,
    out: Annotated[Path, typer.Option("-o", "--out", help="confusion matrix: .csv, or .json with the threshold")],
    detector: Detector = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or mps")] = "cpu",
    unclear_below: Annotated[
        float | None, typer.Option("--unclear-below", help="keep this threshold instead of choosing one")
    ] = None,
    wrong_cost: Annotated[
        float, typer.Option("--wrong-cost", help="how many unclear answers a wrong one is as bad as")
    ] = 2.0,
    json: Json = False,
) -> None:
    """What a detector gets wrong, counted on images whose class is known."""
    from equinoise.workflows.calibrating import calibrate_detector as calibrate

    show(calibrate(folder, axis, out, detector, device, unclear_below, wrong_cost), json, tables.calibration_table)


@app.command()
@spread
def collect(
    model: Model,
    axis: OneAxis,
    out: Out,
    options: ModelOptions,
    prompt: Annotated[list[str] | None, typer.Option("--prompt")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="only these, comma-separated")] = None,
    labels: Annotated[str, typer.Option("--labels", help="prompted (default), or detected on --concept")] = "prompted",
    concept: Annotated[str | None, typer.Option("--concept")] = None,
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
    from equinoise.workflows.learning import collect_traces

    session = options.open(model, detector, unclear_below)
    result = collect_traces(
        session, axis, prompt or (), classes, labels, concept, n, seed, capture, out, options.dry_run
    )
    show(result, json, tables.dry if options.dry_run else tables.plain)


@app.command()
def fit(
    traces: Annotated[list[Path], typer.Argument(help="folders that collect made")],
    out: Out,
    estimator: Annotated[str, typer.Option("--estimator", help="svm, mean or paired")] = "svm",
    orthogonal_to: Annotated[
        list[str] | None, typer.Option("--orthogonal-to", help="FILE:CLASS; may be repeated")
    ] = None,
    permutations: Annotated[int, typer.Option("--permutations")] = 99,
    json: Json = False,
) -> None:
    """A unit direction for each class and step, with its held-out accuracy."""
    from equinoise.workflows.learning import fit_directions

    show(fit_directions(traces, out, estimator, orthogonal_to or (), permutations), json, tables.fit_table)


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
    from equinoise.workflows.shifting import sweep_direction

    session = options.open(model, detector, unclear_below)
    result = sweep_direction(
        session, concept, direction, steps_from, weights, target or (), axis, how, n, seed, out, options.dry_run
    )
    show(result, json, tables.dry if options.dry_run else tables.sweep_table)


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
    from equinoise.workflows.shifting import generate as make

    result = make(options.open(model), concept, direction or (), n, seed, out, options.dry_run, plan)
    show(result, json, tables.dry if options.dry_run else tables.plain)


@app.command()
@spread
def plan(
    model: Model,
    concept: Concept,
    options: ModelOptions,
    out: Annotated[Path, typer.Option("-o", "--out", help="file of the plan; what was drawn is kept beside it")],
    target: Annotated[
        list[str], typer.Option("--target", help="AXIS=uniform, AXIS=CLASS:P,…, AXIS*AXIS=FILE.csv, FILE.csv")
    ],
    direction: Annotated[
        list[Path] | None, typer.Option("--direction", help="file of directions; without one they are collected")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", help="of the directions; default 0, the first call")] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="CLASS=TEXT: what directions are collected from instead")
    ] = None,
    budget: Annotated[int, typer.Option("--budget", help="images for directions, pilots and verification")] = 1024,
    verify: Annotated[
        int | None, typer.Option("--verify", help="of these, how many verify on untouched seeds; default: half")
    ] = None,
    margin: Annotated[float, typer.Option("--margin", help="on target: a whole interval within ± this")] = 0.1,
    pairs: Annotated[int, typer.Option("--pairs", help="seeds directions are collected from")] = 32,
    round_: Annotated[int, typer.Option("--round", help="1 to 9: plan again, on seeds never used before")] = 0,
    selection: Annotated[
        bool, typer.Option("--selection/--no-selection", help="whether runs may be stopped early and drawn again")
    ] = True,
    detector: Detector = None,
    unclear_below: Unclear = None,
    confusion: Annotated[
        list[Path] | None, typer.Option("--confusion", help="CSV true,predicted,count, or what calibrate-detector made")
    ] = None,
    json: Json = False,
) -> None:
    """The mixture of shifts and selections that meets a target at the least cost, verified once on fresh seeds."""
    from equinoise.understanding.targets import parse_targets
    from equinoise.workflows.planning import Ask
    from equinoise.workflows.planning import plan as make

    targets = parse_targets(target, concept)
    ask = Ask(concept, targets, direction or (), step, budget, verify, margin, pairs, round_, selection, prompt or ())
    session = options.open(model, detector, unclear_below, list(ask.axes.values()), confusion or ())
    show(make(session, ask, out, options.dry_run), json, tables.dry if options.dry_run else tables.plan_table)


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
    from equinoise.workflows.converting import import_direction as convert

    show(convert(file, axis, label, step, against, model, out), json, tables.plain)


@app.command()
def export_direction(
    direction: Annotated[str, typer.Argument(help="FILE:CLASS@STEP")],
    out: Annotated[Path, typer.Option("-o", "--out", help=".npy file")],
    json: Json = False,
) -> None:
    """A direction as the authors' scripts read it (.npy): the vector without its provenance."""
    from equinoise.workflows.converting import export_direction as convert

    show(convert(direction, out), json, tables.plain)


@app.command()
def demo(
    out: Out,
    n: Annotated[int, typer.Option("-n", help="fresh seeds before and after")] = 128,
    pilots: Annotated[int, typer.Option("--pilots", help="pilot images a cell")] = 24,
    pairs: Annotated[
        int, typer.Option("--pairs", help="seeds the directions are made from, drawn for every class")
    ] = 40,
    workers: Annotated[int | None, typer.Option("--workers", help="one-thread processes")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="fixed compute batch; part of the result")] = 16,
    json: Json = False,
) -> None:
    """The whole story on the emoji model: audit, directions, sweep, shift, report. Minutes on a CPU, offline."""
    from equinoise.workflows.demo import demo as tell

    show(tell(out, n, pilots, pairs, batch_size, workers), json, tables.demo_table)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders")],
    out: Out,
    json: Json = False,
) -> None:
    """One self-contained HTML file from finished runs."""
    from equinoise.workflows.reporting import report as write

    show(write(runs, out), json, tables.plain)


app.add_typer(cli_understanding.app)


def main() -> None:
    """Entry point of the `equinoise` script."""
    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
