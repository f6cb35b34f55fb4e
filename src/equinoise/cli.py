"""The command line: one thin function a command. The contract of names and JSON is in `docs/cli.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from equinoise import commands
from equinoise.console import run_app, show
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.seeds import AUDIT, COLLECT, GENERATE, PILOT
from equinoise.session import Session, open_session

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure social bias in text-to-image models and mitigate it by shifting the initial noise.",
)

Model = Annotated[str, typer.Argument(help="emoji, mixture, a pipeline folder, or a hub name")]
Concepts = Annotated[list[str], typer.Option("--concept", help="neutral prompt under audit; may be repeated")]
Concept = Annotated[str, typer.Option("--concept", help="neutral prompt")]
Axes = Annotated[list[str], typer.Option("--axis", help="axis by name, or a .toml file; may be repeated")]
OneAxis = Annotated[str, typer.Option("--axis", help="axis by name, or a .toml file")]
Targets = Annotated[list[str] | None, typer.Option("--target", help="AXIS=uniform or AXIS=CLASS:P,…")]
Orthogonal = Annotated[list[str] | None, typer.Option("--orthogonal-to", help="FILE:CLASS; may be repeated")]
Shifts = Annotated[
    list[str] | None, typer.Option("--direction", help="FILE:CLASS@STEP=WEIGHT[,truncate|reflect]; may be repeated")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="where the result goes; a run that was cut off goes on there")]
MaybeOut = Annotated[Path | None, typer.Option("-o", "--out", help="run folder; without it nothing is kept")]
Json = Annotated[bool, typer.Option("--json", help="the result as one JSON object on stdout")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print images, denoiser calls and time, and do nothing")]
Steps = Annotated[int, typer.Option("--steps", help="denoising steps")]
Guidance = Annotated[float | None, typer.Option("--guidance-scale", help="default: the model's own")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="diffusers class, such as DDIMScheduler")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or mps")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32, float16 or bfloat16")]
Workers = Annotated[int | None, typer.Option("--workers", help="one-thread processes on a CPU; default: the cores")]
Batch = Annotated[int, typer.Option("--batch-size", help="fixed compute batch; part of the result")]
Detector = Annotated[str | None, typer.Option("--detector", help="emoji, mixture, a CLIP folder, or a hub name")]
Unclear = Annotated[
    float, typer.Option("--unclear-below", help="an image whose best class is less probable is unclear")
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@app.command()
def audit(
    model: Model,
    concept: Concepts,
    axis: Axes,
    target: Targets = None,
    n: Annotated[int, typer.Option("-n")] = 128,
    seed: Annotated[int, typer.Option("--seed")] = AUDIT,
    out: MaybeOut = None,
    steps: Steps = 50,
    guidance_scale: Guidance = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    workers: Workers = None,
    batch_size: Batch = 16,
    detector: Detector = None,
    unclear_below: Unclear = UNCLEAR_BELOW,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Share of each class over generated images, with intervals and distance to the target."""
    session = open_session(
        model, steps, guidance_scale, scheduler, device, dtype, batch_size, workers, detector, unclear_below
    )
    result = commands.audit_model(session, concept, axis, target or (), n, seed, out, dry_run)
    show(result, json, _dry if dry_run else _audit_table)


@app.command()
def collect(
    model: Model,
    axis: OneAxis,
    out: Out,
    prompt: Annotated[list[str] | None, typer.Option("--prompt")] = None,
    classes: Annotated[str | None, typer.Option("--classes", help="only these, comma-separated")] = None,
    labels: Annotated[str, typer.Option("--labels", help="prompted (default), or detected on --concept")] = "prompted",
    concept: Annotated[str | None, typer.Option("--concept")] = None,
    n: Annotated[int, typer.Option("-n", help="images a class")] = 50,
    seed: Annotated[int | None, typer.Option("--seed", help=f"default {COLLECT}")] = None,
    capture: Annotated[str, typer.Option("--capture")] = "0,5,10,15,20,25,30,35,40,45",
    steps: Steps = 50,
    guidance_scale: Guidance = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    workers: Workers = None,
    batch_size: Batch = 16,
    detector: Detector = None,
    unclear_below: Unclear = UNCLEAR_BELOW,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Latents of every class of an axis from the same seeds, at the captured steps."""
    session = open_session(
        model, steps, guidance_scale, scheduler, device, dtype, batch_size, workers, detector, unclear_below
    )
    result = commands.collect_traces(
        session, axis, prompt or (), classes, labels, concept, n, seed, capture, out, dry_run
    )
    show(result, json, _dry if dry_run else _plain)


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
    show(commands.fit_directions(traces, out, estimator, orthogonal_to or (), permutations), json, _fit_table)


@app.command()
def sweep(
    model: Model,
    concept: Concept,
    direction: Annotated[str, typer.Option("--direction", help="FILE:CLASS")],
    steps_from: Annotated[str | None, typer.Option("--steps-from", help="steps of the direction; default: all")] = None,
    weights: Annotated[str, typer.Option("--weights")] = "0.5,1,2,3,4,6,8,12,16",
    target: Targets = None,
    axis: Annotated[str | None, typer.Option("--axis", help="default: the direction's, from the catalogue")] = None,
    how: Annotated[str, typer.Option("--how", help="add, truncate or reflect")] = "add",
    n: Annotated[int, typer.Option("-n", help="images a cell")] = 32,
    seed: Annotated[int, typer.Option("--seed")] = PILOT,
    out: MaybeOut = None,
    steps: Steps = 50,
    guidance_scale: Guidance = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    workers: Workers = None,
    batch_size: Batch = 16,
    detector: Detector = None,
    unclear_below: Unclear = UNCLEAR_BELOW,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """What a direction does to a concept at each step and weight, on the same pilot seeds."""
    session = open_session(
        model, steps, guidance_scale, scheduler, device, dtype, batch_size, workers, detector, unclear_below
    )
    result = commands.sweep_direction(
        session, concept, direction, steps_from, weights, target or (), axis, how, n, seed, out, dry_run
    )
    show(result, json, _dry if dry_run else _sweep_table)


@app.command()
def generate(
    model: Model,
    concept: Concepts,
    out: Out,
    direction: Annotated[
        list[str] | None, typer.Option("--direction", help="FILE:CLASS@STEP=WEIGHT[,truncate|reflect]")
    ] = None,
    n: Annotated[int, typer.Option("-n")] = 16,
    seed: Annotated[int, typer.Option("--seed")] = GENERATE,
    steps: Steps = 50,
    guidance_scale: Guidance = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    workers: Workers = None,
    batch_size: Batch = 16,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Images of a concept, with the noise shifted by the given directions."""
    session = open_session(model, steps, guidance_scale, scheduler, device, dtype, batch_size, workers)
    show(commands.generate(session, concept, direction or (), n, seed, out, dry_run), json, _dry if dry_run else _plain)


@app.command()
def demo(
    out: Out,
    n: Annotated[int, typer.Option("-n", help="fresh seeds before and after")] = 128,
    pilots: Annotated[int, typer.Option("--pilots", help="pilot images a cell")] = 24,
    pairs: Annotated[
        int, typer.Option("--pairs", help="seeds the directions are made from, drawn for every class")
    ] = 40,
    workers: Workers = None,
    batch_size: Batch = 16,
    json: Json = False,
) -> None:
    """The whole story on the emoji model: audit, directions, sweep, shift, report. Minutes on a CPU, offline."""
    session: Session = open_session("emoji", batch_size=batch_size, workers=workers)
    show(commands.demo(session, out, n, pilots, pairs), json, _demo_table)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders")],
    out: Out,
    json: Json = False,
) -> None:
    """One self-contained HTML file from finished runs."""
    show(commands.report(runs, out), json, _plain)


def main() -> None:
    """Entry point of the `equinoise` script."""
    sys.exit(run_app(app))


def _audit_table(result: dict[str, Any]) -> Table:
    table = Table("concept", "axis", "class", "count", "share", "95% interval", "target")
    for entry in result["audits"]:
        for name, found in entry["classes"].items():
            table.add_row(
                entry["concept"],
                entry["axis"],
                name,
                f"{found['count']} of {entry['n'] - entry['unclear']}",
                _percent(found["share"]),
                f"{_percent(found['low'])} – {_percent(found['high'])}",
                _percent(entry["target"][name]),
            )
    return table


def _fit_table(result: dict[str, Any]) -> Table:
    table = Table("axis", "class", "step", "estimator", "held-out accuracy", "95% interval", "p")
    for d in result["directions"]:
        known = d["accuracy"] is not None  # not of a direction made orthogonal to others
        interval = f"{d['low']:.2f} – {d['high']:.2f}" if known else "–"
        table.add_row(
            d["axis"],
            d["class"],
            str(d["step"]),
            d["estimator"],
            f"{d['accuracy']:.2f}" if known else "–",
            interval,
            f"{d['p']:.2f}" if known else "–",
        )
    return table


def _sweep_table(result: dict[str, Any]) -> Table:
    table = Table("step", "weight", "share", "95% interval", "fidelity", "nats", "")
    for cell in [result["untouched"], *result["cells"]]:
        table.add_row(
            "untouched" if cell["step"] is None else str(cell["step"]),
            f"{cell['weight']:g}",
            _percent(cell["share"]),
            f"{_percent(cell['low'])} – {_percent(cell['high'])}",
            _percent(cell["concept_fidelity"]),
            f"{cell['intrusion_nats']:.1f}",
            "best" if cell == result["best"] else "",
        )
    return table


def _demo_table(result: dict[str, Any]) -> Table:
    table = Table("axis", "class", "before", "after", "change (paired 95% interval)")
    for before, after in zip(result["before"]["audits"], result["after"]["audits"], strict=True):
        for name, found in before["classes"].items():
            c = result["differences"][before["axis"]][name]
            table.add_row(
                before["axis"],
                name,
                _percent(found["share"]),
                _percent(after["classes"][name]["share"]),
                f"{100 * c['difference']:+.0f} ({100 * c['low']:+.0f} to {100 * c['high']:+.0f}) points",
            )
    table.caption = f"{result['applied']['name']}: {result['report']}"
    return table


def _dry(result: dict[str, Any]) -> str:
    return (
        f"{result['images']} images, {result['denoiser_calls']} denoiser calls, "
        f"about {result['estimated_seconds']:.0f} s with {result['workers']} worker(s)"
    )


def _plain(result: dict[str, Any]) -> str:
    return "\n".join(f"{key}: {value if not isinstance(value, list) else len(value)}" for key, value in result.items())


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


if __name__ == "__main__":
    main()
