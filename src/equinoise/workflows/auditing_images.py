"""`audit FOLDER`: images that are there already, ours or from anywhere, read where no label came along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.understanding.folders import ImageFolder, read_folder
from equinoise.workflows.detector import open_reader
from equinoise.workflows.question import Question
from equinoise.workflows.reading_images import detector_of, open_image, read_images

ALIKE = ("model", "sampling", "detector")
"""What runs must share to be shards of one."""


def audit_images(
    folders: Sequence[Path],
    question: Question,
    concepts: Sequence[str] = (),
    detector: str | None = None,
    device: str = "cpu",
    unclear_below: float | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """The audit object of one or more folders together: shards of a run, or images of any origin.

    `out`: a run folder with copies of the images, for a report or a check.

    Raises:
        EquinoiseError: a folder or image cannot be read, two folders hold the same image, or a concept is not there.
    """
    axes = list(question.axes.values())
    wanted = [_only(read_folder(folder, axes), concepts) for folder in folders]
    _require_apart(folders, wanted)
    if detector is None and all(_labelled(record, axes) for folder in wanted for record in folder.records):
        return _as_labelled(folders, wanted, question, out)
    chosen = detector or detector_of(wanted)
    recorded = wanted[0].about.get("detector") if detector is None else None
    reader = open_reader(chosen, axes, device, unclear_below, question.confusion_files, recorded)
    with progress("reading images", sum(len(folder.files) for folder in wanted)) as tick:
        read = [list(read_images(folder, axes, reader, detector is None, tick)) for folder in wanted]
    records = [record for part in read for record in part]
    asked = {concept: reader.asked(concept) for concept in dict.fromkeys(r.prompt for r in records)}
    if not all("role" in record.detections for record in records):
        asked = {}
    result = {
        **question.answer(records, asked, reader.confusions),
        **reader.faceless(records, axes),
        "detector": reader.about(),
        "corrected_by": dict(reader.origins),
    }
    if out:
        made = [replace(f, records=tuple(part)) for f, part in zip(wanted, read, strict=True)]
        _keep(out, folders, made, question, result)
    return result


def _labelled(record: Record, axes: Sequence[Axis]) -> bool:
    """Whether somebody else's labels came along for every axis."""
    return not record.detections and all(axis.name in record.labels for axis in axes)


def _as_labelled(
    paths: Sequence[Path], folders: Sequence[ImageFolder], question: Question, out: Path | None
) -> dict[str, Any]:
    """No detector is needed; errors of whoever labelled are corrected by what is known of them."""
    records = [record for folder in folders for record in folder.records]
    confusions, origins = question.given_confusions()
    result = {**question.answer(records, {}, confusions), "detector": None, "corrected_by": origins}
    if out:
        _keep(out, paths, folders, question, result)
    return result


def _keep(
    out: Path,
    paths: Sequence[Path],
    folders: Sequence[ImageFolder],
    question: Question,
    result: dict[str, Any],
) -> None:
    """A run of images that are there already: copies of them, their records and the audit."""
    about = {
        "command": "audit",
        "sources": [{"folder": p.resolve().name, "sha256": f.digest} for p, f in zip(paths, folders, strict=True)],
        **question.about(),
        "detector": result["detector"],
    }
    run, order = RunFolder(out, about), []
    for index, folder in enumerate(folders):
        for file, record in zip(folder.files, folder.records, strict=True):
            kept = replace(record, id=f"{index}-{record.id}", source=record.source or file.name)
            order.append(kept.id)
            if kept.id not in run.records:
                run.add(kept, open_image(file))
    run.finish(order, result)


def _only(folder: ImageFolder, concepts: Sequence[str]) -> ImageFolder:
    """Only the images of these concepts; a single one names the images of a plain folder, which name none."""
    if not concepts:
        return folder
    here = {record.prompt for record in folder.records}
    if len(concepts) == 1 and concepts[0] not in here and len(here) == 1 and not folder.about:
        return replace(folder, records=tuple(replace(record, prompt=concepts[0]) for record in folder.records))
    absent = [concept for concept in concepts if concept not in here]
    if absent:
        raise EquinoiseError(f"no images of '{absent[0]}'; there are {', '.join(sorted(here))}")
    rows = [i for i, record in enumerate(folder.records) if record.prompt in concepts]
    return ImageFolder(tuple(folder.files[i] for i in rows), tuple(folder.records[i] for i in rows), folder.about)


def _require_apart(paths: Sequence[Path], folders: Sequence[ImageFolder]) -> None:
    """Shards are made alike, and hold no image twice: the same seed of the same concept, or the very same file."""
    first = folders[0].about
    for path, folder in zip(paths, folders, strict=True):
        other = next((key for key in ALIKE if folder.about.get(key) != first.get(key)), None)
        if other:
            raise EquinoiseError(f"{paths[0]} and {path} were made with another {other}; audit them one by one")
    seen: dict[tuple[object, ...], Path] = {}
    for path, folder in zip(paths, folders, strict=True):
        for file, record in zip(folder.files, folder.records, strict=True):
            key = (record.prompt, record.intervention, record.seed) if folder.about else (file.resolve(),)
            if seen.setdefault(key, path) is not path:
                raise EquinoiseError(f"{seen[key]} and {path} hold the same image ({file.name}); give each image once")
