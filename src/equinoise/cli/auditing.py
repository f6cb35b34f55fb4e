"""The commands that count: audits of models, images and labels, their gate, and what a detector gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from equinoise.cli.arguments import split, targets
from equinoise.cli.console import show
from equinoise.cli.options import (
    Axes,
    Confusions,
    Crosses,
    Detector,
    Device,
    Json,
    MaybeOut,
    ModelOptions,
    OneAxis,
    PlanFile,
    Targets,
    Unclear,
    detector_settings,
    spread,
)
from equinoise.errors import EquinoiseError
from equinoise.seeds import AUDIT

app = typer.Typer()

Kind = Literal["labels", "images", "model"]


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
    cross: Crosses = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="classes of an axis that is not built in, comma-separated")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="CSV concept,axis,class,share|count to measure amplification by")
    ] = None,
    confusion: Confusions = None,
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
    kind = kind_of_sources(source)
    crosses = [split(group) or [] for group in cross or ()]
    flags = {"--plan": plan, "-n": n, "--until-width": until_width, "--seed": None if seed == AUDIT else seed}
    if kind != "labels" and classes is not None:
        raise EquinoiseError(
            "--classes is for labels in a CSV; for images declare the axis in a file: --axis FILE.toml"
        )
    if kind == "labels":
        _refuse(kind, {**flags, **options.given(), "--detector": detector, "--unclear-below": unclear_below})
        if crosses:
            raise EquinoiseError("--cross needs images; a file of counts holds each axis by itself")
        from equinoise.workflows.auditing_counts import audit_counts

        declared, wanted = split(classes), targets(target, axis, (), split(classes))
        found = audit_counts(
            source, axes=axis, classes=declared, concepts=concept or (), targets=wanted, reference=reference,
            confusion=confusion or (), out=out,
        )  # fmt: skip
        show(found, json)
        return
    settings, wanted = detector_settings(detector, unclear_below, confusion), targets(target, axis, crosses)
    if kind == "images":
        _refuse(kind, {**flags, **options.given(but=("device",))})
        from equinoise.workflows.auditing_images import audit_images

        found = audit_images(
            source, axes=axis, concepts=concept or (), targets=wanted, crosses=crosses, reference=reference,
            detector=settings, device=options.device, out=out,
        )  # fmt: skip
        show(found, json)
        return
    from equinoise.runtime.question import Question
    from equinoise.workflows import auditing

    if not concept:
        raise EquinoiseError("give a neutral prompt, such as --concept 'a photo of a doctor'")
    model = options.load(source[0])
    if options.dry_run:
        question = Question.asking(axis, crosses, wanted, reference)
        show(auditing.audit_cost(model, concept, question, n, until_width, plan, options.workers), json)
        return
    with options.engine(model) as engine:
        found = auditing.audit(
            model, concept, axes=axis, n=n, targets=wanted, plan=plan, crosses=crosses, reference=reference,
            until_width=until_width, detector=settings, out=out, seed=seed, engine=engine,
        )  # fmt: skip
    show(found, json)


def kind_of_sources(sources: Sequence[str]) -> Kind:
    """What all sources are: labels, images, or one model.

    Raises:
        EquinoiseError: several kinds, several models, or a file that is neither.
    """
    kinds = {kind_of_source(source) for source in sources}
    if len(kinds) > 1 or (kinds == {"model"} and len(sources) > 1):
        raise EquinoiseError("audit takes one model, or folders of images, or CSV files of labels, not several kinds")
    return kinds.pop()


def kind_of_source(source: str) -> Kind:
    """A CSV file or JSON of DeepFace holds labels; a folder that is no pipeline images; other names are of models.

    Raises:
        EquinoiseError: a file that is no CSV.
    """
    path = Path(source)
    if source in ("emoji", "mixture"):
        return "model"
    if path.suffix.lower() in (".csv", ".tsv") or (path.suffix.lower() == ".json" and path.is_file()):
        return "labels"
    if path.is_file():
        from equinoise.models.checkpoints import PICKLED  # with torch, which labels and images do not wait for

        if path.suffix.lower() in (".safetensors", *PICKLED):  # one file of all weights: loading refuses it with a hint
            return "model"
        raise EquinoiseError(f"{source} is neither a CSV of labels, nor a folder of images, nor a model")
    return "images" if path.is_dir() and not (path / "model_index.json").is_file() else "model"


def _refuse(kind: Kind, given: Mapping[str, object]) -> None:
    for flag, value in given.items():
        if value is not None:
            raise EquinoiseError(f"{flag} is for audits of a model; here {kind} are audited, all that there are")


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
    from equinoise.workflows.checking import check as judge

    found = judge(run, max_spd=max_spd, max_tv=max_tv, strict=strict, junit_file=junit)
    show(found, json)
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def calibrate_detector(
    folder: Annotated[Path, typer.Argument(help="labelled images, a sub-folder a class; `unclear` may be one")],
    axis: OneAxis,
    out: Annotated[Path, typer.Option("-o", "--out", help="confusion matrix: .csv, or .json with the threshold")],
    detector: Detector = None,
    device: Device = "cpu",
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

    found = calibrate(
        folder, axis, out=out, detector=detector, device=device, unclear_below=unclear_below, wrong_cost=wrong_cost
    )
    show(found, json)
