"""Which kind of audit a source asks for: a model, images that are there, or labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from equinoise.cli.options import ModelOptions
from equinoise.errors import EquinoiseError
from equinoise.seeds import AUDIT
from equinoise.workflows.question import ask, audit_labels

Kind = Literal["labels", "images", "model"]


def kind_of(source: str) -> Kind:
    """A CSV file holds labels; a folder that is no pipeline holds images; anything else is the name of a model.

    Raises:
        EquinoiseError: a file that is no CSV.
    """
    path = Path(source)
    if source in ("emoji", "mixture"):
        return "model"
    if path.suffix.lower() == ".csv":
        return "labels"
    if path.is_file():
        raise EquinoiseError(f"{source} is neither a CSV of labels, nor a folder of images, nor a model")
    return "images" if path.is_dir() and not (path / "model_index.json").is_file() else "model"


def audit_any(
    sources: Sequence[str],
    options: ModelOptions,
    axes: Sequence[str],
    *,
    concepts: Sequence[str],
    targets: Sequence[str],
    plan: Path | None,
    crosses: Sequence[str],
    classes: str | None,
    reference: Path | None,
    confusions: Sequence[Path],
    n: int | None,
    until_width: float | None,
    seed: int,
    out: Path | None,
    detector: str | None,
    unclear_below: float | None,
) -> dict[str, Any]:
    """The audit object of any kind of source.

    Raises:
        EquinoiseError: sources of several kinds, or flags that this kind does not take.
    """
    kinds = {kind_of(source) for source in sources}
    if len(kinds) > 1 or (kinds == {"model"} and len(sources) > 1):
        raise EquinoiseError("audit takes one model, or folders of images, or CSV files of labels, not several kinds")
    (kind,) = kinds
    if kind != "labels" and classes is not None:
        raise EquinoiseError(
            "--classes is for labels in a CSV; for images declare the axis in a file: --axis FILE.toml"
        )
    if kind != "model":
        _refuse(
            kind, {"--plan": plan, "-n": n, "--until-width": until_width, "--seed": None if seed == AUDIT else seed}
        )
        _refuse(kind, options.given() if kind == "labels" else options.given(but=("device",)))
    question = ask(axes, targets, crosses, reference, confusions, classes)
    if kind == "labels":
        _refuse(kind, {"--detector": detector, "--unclear-below": unclear_below})
        return audit_labels([Path(source) for source in sources], question, concepts, out)
    if kind == "images":
        from equinoise.workflows.auditing_images import audit_images

        folders = [Path(source) for source in sources]
        return audit_images(folders, question, concepts, detector, options.device, unclear_below, out)
    from equinoise.workflows.auditing import Until, audit_model

    if not concepts:
        raise EquinoiseError("give a neutral prompt, such as --concept 'a photo of a doctor'")
    until = None if until_width is None else Until(until_width)
    session = options.open(sources[0], detector, unclear_below, list(question.axes.values()), confusions)
    return audit_model(session, concepts, question, n, seed, out, until, options.dry_run, plan)


def _refuse(kind: Kind, given: dict[str, Any]) -> None:
    for flag, value in given.items():
        if value is not None:
            raise EquinoiseError(f"{flag} is for audits of a model; here {kind} are audited, all that there are")
