"""The commands that ask what an encoder ties to a concept, what the images show, and whether the two agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equinoise import tables
from equinoise.console import show
from equinoise.errors import EquinoiseError
from equinoise.options import Concept, Detector, Json, Model, ModelOptions, Out, spread
from equinoise.seeds import RELATE

app = typer.Typer()


@app.command()
@spread
def relate(
    model: Model,
    concept: Concept,
    attributes: Annotated[
        Path, typer.Option("--attributes", help="a line each: mansion, or mansion = a photo of a mansion; or .toml")
    ],
    options: ModelOptions,
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="read off the concept's images too; may be repeated")
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", help="one more, minilm or a folder or hub name; may be repeated")
    ] = None,
    pooling: Annotated[
        str, typer.Option("--pooling", help="of the model's own text encoders: pooled, tokens, authors; or several")
    ] = "pooled",
    reference: Annotated[
        Path | None, typer.Option("--reference", help="neutral phrases to centre on, a line each; default: built in")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="images of the concept and of each attribute; 0: texts alone")] = 32,
    seed: Annotated[int, typer.Option("--seed")] = RELATE,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="run folder, new or there already; without it nothing is kept")
    ] = None,
    detector: Detector = None,
    json: Json = False,
) -> None:
    """How close a concept and attributes lie in the text encoder and over images, with intervals."""
    from equinoise.axes import load_axis
    from equinoise.commands.relating import relate as measure

    axes = [load_axis(name) for name in axis or ()]
    session = options.open(model, detector, axes=axes)
    result = measure(
        session, concept, attributes, n, seed, out, axes, encoder or (), reference, pooling.split(","), options.dry_run
    )
    show(result, json, tables.dry if options.dry_run else tables.relations_table)


@app.command()
def detect(
    run: Annotated[Path, typer.Argument(help="a finished run")],
    objects: Annotated[
        bool, typer.Option("--objects", help="objects with their boxes; classes are read by audit")
    ] = False,
    detector: Annotated[
        str | None, typer.Option("--detector", help="emoji, or a folder or hub name: Kosmos-2, OWLv2, a DETR, …")
    ] = None,
    phrases: Annotated[
        str | None, typer.Option("--phrases", help="what to look for, comma-separated, for a detector that is told")
    ] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="least score of a find")] = None,
    merge: Annotated[
        str, typer.Option("--merge", help="phrase: articles and case apart; extended: longer lists too; head: by noun")
    ] = "extended",
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="merge phrases whose vectors here are similar as well")
    ] = None,
    similar: Annotated[float, typer.Option("--similar", help="from which cosine on")] = 0.9,
    table: Annotated[Path | None, typer.Option("--table", help="CSV phrase,name: has the last word in merging")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or mps")] = "cpu",
    json: Json = False,
) -> None:
    """What is in a run's images: phrases and boxes into its records, and how many images show each."""
    from equinoise.commands.detecting import detect_objects, merging

    if not objects:
        raise EquinoiseError("say what to detect: --objects")
    how = merging(merge, similar, encoder, table)
    show(detect_objects(run, detector, phrases, threshold, how, device), json, tables.objects_table)


@app.command()
def misalign(
    run: Annotated[Path, typer.Argument(help="a run with relations (relate), labels (audit) or objects (detect)")],
    space: Annotated[str | None, typer.Option("--space", help="text (centred; default), text-raw or vision")] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="which, where there are several")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="bound of the false discovery rate")] = 0.05,
    json: Json = False,
) -> None:
    """Pairs of attributes where the encoder says one thing and the images show another."""
    from equinoise.commands.misaligning import misalign_run

    show(misalign_run(run, space, encoder, alpha), json, tables.findings_table)


@app.command()
def interactions(
    runs: Annotated[list[Path], typer.Argument(help="runs with images of the same seeds, untouched and shifted")],
    phrase: Annotated[
        list[str] | None, typer.Option("--object", help="the presence of an object as well; may be repeated")
    ] = None,
    json: Json = False,
) -> None:
    """What moving one axis does to all others, paired by seed."""
    from equinoise.commands.interacting import interact

    show(interact(runs, phrase or ()), json, tables.interactions_table)


@app.command()
def figures(
    run: Annotated[Path, typer.Argument(help="a finished run")],
    out: Out,
    kinds: Annotated[str, typer.Option("--formats", help="svg, png or both, comma-separated")] = "svg,png",
    json: Json = False,
) -> None:
    """The charts of a run as SVG and PNG files, without a browser; needs equinoise[figures]."""
    from equinoise.commands.drawing import draw_figures

    show(draw_figures(run, out, kinds), json, tables.plain)
