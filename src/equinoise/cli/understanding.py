"""The commands that ask what an encoder ties to a concept, what the images show, and whether the two agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from equinoise.cli import arguments
from equinoise.cli.console import show
from equinoise.cli.options import (
    Concept,
    Crosses,
    Detector,
    Device,
    Json,
    MaybeOut,
    Model,
    ModelOptions,
    Out,
    detector_settings,
    spread,
)
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
    out: Out,
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="of the social panel, may be repeated; default: gender and tone")
    ] = None,
    cross: Crosses = None,
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
    """Audit, relations, objects and disagreements of a concept in one run, with a report of all four panels."""
    from equinoise.workflows.understanding import ObjectSearch, understand_cost
    from equinoise.workflows.understanding import understand as study

    told = arguments.split_different(phrases, "--phrases", "a house,a hut")
    loaded = options.load(model, detector_settings(detector))
    if options.dry_run:
        show(understand_cost(loaded, concept, attributes, n, each, options.workers), json)
        return
    with options.engine(loaded) as engine:
        found = study(
            loaded,
            concept,
            attributes=attributes,
            out=out,
            axes=axis or ("gender", "tone"),
            crosses=[arguments.split(group) or [] for group in cross or ()],
            n=n,
            each=each,
            objects=ObjectSearch(objects, tuple(told), threshold),
            encoders=encoder or (),
            seed=seed,
            engine=engine,
        )
    show(found, json)


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
    out: MaybeOut = None,
    detector: Detector = None,
    json: Json = False,
) -> None:
    """How close a concept and attributes lie in the text encoder and over images, with intervals."""
    from equinoise.workflows.relating import relate as measure
    from equinoise.workflows.relating import relate_cost

    loaded = options.load(model, detector_settings(detector))
    if options.dry_run:
        show(relate_cost(loaded, concept, attributes, n, out, options.workers), json)
        return
    with options.engine(loaded) as engine:
        found = measure(
            loaded,
            concept,
            attributes=attributes,
            n=n,
            axes=axis or (),
            encoders=encoder or (),
            poolings=arguments.split(pooling) or (),
            reference=reference,
            out=out,
            seed=seed,
            engine=engine,
        )
    show(found, json)


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
    table: Annotated[
        Path | None, typer.Option("--table", help="CSV phrase,name: overrides the rest of merging")
    ] = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """What is in a run's images: phrases and boxes into its records, and how many images show each."""
    from equinoise.understanding.phrases import Merge
    from equinoise.workflows.objects import Merging, detect_objects

    if not objects:
        raise EquinoiseError("say what to detect: --objects")
    told = arguments.split_different(phrases, "--phrases", "a house,a hut")
    merging = Merging(cast(Merge, merge), similar, encoder, table)  # which checks the way
    found = detect_objects(run, detector=detector, phrases=told, threshold=threshold, merging=merging, device=device)
    show(found, json)


@app.command()
@app.command("misalign", hidden=True)
def disagreements(
    run: Annotated[Path, typer.Argument(help="a run with relations (relate), labels (audit) or objects (detect)")],
    space: Annotated[str | None, typer.Option("--space", help="text (centred; default), text-raw or vision")] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="which, where there are several")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="bound of the probability that any finding is false")] = 0.05,
    json: Json = False,
) -> None:
    """Pairs of attributes of which one is closer in the encoder, yet shown less often by the images."""
    from equinoise.workflows.understanding import disagreements as compare

    show(compare(run, space=space, encoder=encoder, alpha=alpha), json)


@app.command()
def interactions(
    runs: Annotated[list[Path], typer.Argument(help="runs with images of the same seeds, untouched and shifted")],
    phrase: Annotated[
        list[str] | None, typer.Option("--object", help="the presence of an object as well; may be repeated")
    ] = None,
    json: Json = False,
) -> None:
    """What moving one axis does to all others, paired by seed."""
    from equinoise.workflows.quality import interactions as measure

    show(measure(runs, objects=phrase or ()), json)


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
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Fidelity, variety and realism of a run, and what moved besides, each with an interval."""
    from equinoise.workflows.quality import quality as measure

    found = measure(run, against=against, before=before, axes=axis or (), encoder=encoder, device=device)
    show(found, json)
