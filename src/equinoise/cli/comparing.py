"""The command that compares methods of mitigation."""

from __future__ import annotations

from typing import Annotated

import typer

from equinoise.cli import arguments
from equinoise.cli.console import show
from equinoise.cli.options import (
    Axes,
    Concepts,
    Confusions,
    Detector,
    Json,
    MaybeOut,
    Model,
    ModelOptions,
    Targets,
    Unclear,
    detector_settings,
    spread,
)
from equinoise.seeds import VERIFY

app = typer.Typer()


@app.command()
@spread
def compare(
    model: Model,
    concept: Concepts,
    axis: Axes,
    options: ModelOptions,
    methods: Annotated[
        str | None, typer.Option("--methods", help="comma-separated; default: all; the untouched model comes first")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="images in every row")] = 128,
    others: Annotated[
        list[str] | None, typer.Option("--others", help="axis that is read as well, to see what moves; may be repeated")
    ] = None,
    target: Targets = None,
    pilots: Annotated[int, typer.Option("--pilots", help="images that judge a strength; 0: no tuned rows")] = 64,
    budget: Annotated[int, typer.Option("--budget", help="images of a plan")] = 1024,
    margin: Annotated[float, typer.Option("--margin", help="on target: every interval within the target ± this")] = 0.1,
    seed: Annotated[int, typer.Option("--seed")] = VERIFY,
    detector: Detector = None,
    unclear_below: Unclear = None,
    confusion: Confusions = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="CLIP or SigLIP; default: the detector's")] = None,
    out: MaybeOut = None,
    json: Json = False,
) -> None:
    """Methods of mitigation on the same seeds: what each reaches, what it costs, what else it does."""
    from equinoise.workflows.comparisons import methods as workflow

    loaded = options.load(model)
    wanted = arguments.targets(target, axis, ())
    if options.dry_run:
        named = arguments.split(methods)
        cells = len(concept) * len(axis)
        show(workflow.compare_cost(loaded, cells, named, n, pilots, budget, options.workers), json)
        return
    with options.engine(loaded) as engine:
        found = workflow.compare(
            loaded, concept, axes=axis, methods=arguments.split(methods), n=n, others=others or (), targets=wanted,
            pilots=pilots, budget=budget, margin=margin, detector=detector_settings(detector, unclear_below, confusion),
            encoder=encoder, out=out, seed=seed, engine=engine,
        )  # fmt: skip
    show(found, json)
