"""The commands that ask what an encoder ties to a concept, what the images show, and whether the two agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equinoise.cli import tables
from equinoise.cli.console import show
from equinoise.cli.options import Concept, Detector, Json, Model, ModelOptions, Out, spread
from equinoise.errors import EquinoiseError
from equinoise.seeds import AUDIT, RELATE

app = typer.Typer()

Attributes = Annotated[
    Path, typer.Option("--attributes", help="a line each: mansion, or mansion = a photo of a mansion; or .toml")
]
MoreEncoders = Annotated[
    list[str] | None, typer.Option("--encoder", help="one more, minilm or a folder or hub name; may be repeated")
]
Phrases = Annotated[
    str | None, typer.Option("--phrases", help="what to look for, comma-separated, for a detector that is told")
]
Threshold = Annotated[float | None, typer.Option("--threshold", help="least score of a find")]


@app.command()
@spread
def understand(
    model: Model,
    concept: Concept,
    attributes: Attributes,
    options: ModelOptions,
    out: Annotated[Path, typer.Option("-o", "--out", help="run folder; what was cut off goes on there")],
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="of the social panel, may be repeated; default: gender and tone")
    ] = None,
    cross: Annotated[
        list[str] | None, typer.Option("--cross", help="the intersection of axes as well, such as gender,tone")
    ] = None,
    encoder: MoreEncoders = None,
    objects: Annotated[
        str | None, typer.Option("--objects", help="what finds objects; as --detector of detect")
    ] = None,
    phrases: Phrases = None,
    threshold: Threshold = None,
    n: Annotated[int, typer.Option("-n", help="images of the concept")] = 200,
    each: Annotated[int, typer.Option("--each", help="images of each attribute")] = 16,
    seed: Annotated[int, typer.Option("--seed")] = AUDIT,
    detector: Detector = None,
    json: Json = False,
) -> None:
    """Audit, relations, objects and misalignment of a concept in one run, with a report of all four panels."""
    from equinoise.workflows.question import ask
    from equinoise.workflows.understanding import Images, ObjectSearch
    from equinoise.workflows.understanding import understand as study

    question = ask(axis or ("gender", "tone"), crosses=cross or ())
    session = options.open(model, detector, axes=question.all_axes())
    search, images = ObjectSearch(objects, phrases, threshold), Images(n, each, seed)
    result = study(session, concept, attributes, question, images, out, search, encoder or (), options.dry_run)
    show(result, json, tables.dry if options.dry_run else tables.understanding_table)


@app.command()
@spread
def relate(
    model: Model,
    concept: Concept,
    attributes: Attributes,
    options: ModelOptions,
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="read off the concept's images too; may be repeated")
    ] = None,
    encoder: MoreEncoders = None,
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
    from equinoise.workflows.relating import relate as measure

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
    phrases: Phrases = None,
    threshold: Threshold = None,
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
    from equinoise.workflows.objects import detect_objects, merging

    if not objects:
        raise EquinoiseError("say what to detect: --objects")
    how = merging(merge, similar, encoder, table)
    show(detect_objects(run, detector, phrases, threshold, how, device), json, tables.objects_table)


@app.command()
def find_disagreements(
    run: Annotated[Path, typer.Argument(help="a run with relations (relate), labels (audit) or objects (detect)")],
    space: Annotated[str | None, typer.Option("--space", help="text (centred; default), text-raw or vision")] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="which, where there are several")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="bound of the chance that anything found is false")] = 0.05,
    json: Json = False,
) -> None:
    """Pairs of attributes where the encoder says one thing and the images show another."""
    from equinoise.workflows.disagreeing import misalign_run

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
    from equinoise.workflows.interacting import interact

    show(interact(runs, phrase or ()), json, tables.interactions_table)


@app.command()
def quality(
    run: Annotated[Path, typer.Argument(help="the run in question, read by audit or plan")],
    against: Annotated[Path, typer.Option("--against", help="a run whose prompts name the classes")],
    before: Annotated[
        Path | None, typer.Option("--before", help="the untouched images of the same seeds: what changed besides")
    ] = None,
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="axes meant to move; images are compared within their classes")
    ] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="CLIP or SigLIP; default: the detector's")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or mps")] = "cpu",
    json: Json = False,
) -> None:
    """Fidelity, variety and realism of a run, and what moved besides, each with an interval."""
    from equinoise.workflows.quality import judge_quality

    show(judge_quality(run, against, before, axis or (), encoder, device), json, tables.quality_table)


@app.command()
def figures(
    run: Annotated[Path, typer.Argument(help="a finished run")],
    out: Out,
    kinds: Annotated[str, typer.Option("--formats", help="svg, png or both, comma-separated")] = "svg,png",
    json: Json = False,
) -> None:
    """The charts of a run as SVG and PNG files, without a browser; needs equinoise[figures]."""
    from equinoise.workflows.drawing import draw_figures

    show(draw_figures(run, out, kinds), json, tables.plain)
