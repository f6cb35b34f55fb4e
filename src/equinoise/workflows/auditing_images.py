"""`audit_images`: images that are there already, ours or from anywhere, read where no label came along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from equinoise.axes import Axis, one_form
from equinoise.errors import EquinoiseError, listed
from equinoise.files import describe_file
from equinoise.folders.evidence import require_apart, require_readable, settle_evidence
from equinoise.folders.pictures import open_image, open_small
from equinoise.folders.reading import ImageFolder, read_folder
from equinoise.progress import progress as progress_bar
from equinoise.results.audits import AuditResult, DetectorInfo
from equinoise.run import Json, MemoryRun, Record, start_run
from equinoise.runtime.detector import CalibratedDetector, DetectorSettings
from equinoise.runtime.making import warn_of_no_pictures
from equinoise.runtime.question import Axes, Question
from equinoise.runtime.reading_images import choose_detector, read_images
from equinoise.understanding.audit import Measures
from equinoise.understanding.calibration import calibrations_for
from equinoise.understanding.counts import respelling
from equinoise.understanding.targets import Wanted


def audit_images(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    folders: str | Path | Sequence[str | Path],
    *,
    axes: Axes,
    concepts: Sequence[str] = (),
    targets: Mapping[str, Wanted] | None = None,
    crosses: Sequence[Sequence[str]] = (),
    reference: str | Path | None = None,
    detector: str | DetectorSettings | None = None,
    device: str = "cpu",
    out: str | Path | None = None,
    progress: bool | None = None,
) -> AuditResult:
    """Shares of each class over the images of one or more folders together: shards of a run, or images of any origin.

    Args:
        folders: runs, folders with metadata (CSV, JSON lines, Parquet), or plain folders with a sub-folder a concept.
            Links that lead out of a folder are refused; a picture that is there twice counts once.
        axes, targets, crosses, reference: as of `audit`.
        concepts: only the images of these.
        detector: what reads the images; default what the runs were read with, else a CLIP from the hub.
        device: of the detector: cpu, cuda or mps.
        out: a run folder with copies of the images, for a report or a check.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: a folder or image cannot be read, two folders hold the same image, or a concept is not there.
    """
    paths = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    if not paths:
        raise EquinoiseError("no folder: give one or more folders of images")
    question = Question.asking(axes, crosses, targets, reference)
    settings = DetectorSettings(detector) if isinstance(detector, str) else detector or DetectorSettings()
    wanted = _settled([_only(read_folder(path, question.axes), concepts) for path in paths], progress)
    for folder in wanted:
        folder.warn_of_class_names(question.axes)
    labelled = all(_labelled(record, question.axes) for folder in wanted for record in folder.records)
    if settings.name is None and labelled:
        return _as_labelled(paths, wanted, question, settings, out)
    named = replace(settings, name=settings.name or choose_detector(wanted))
    kept = wanted[0].about.get("detector") if settings.name is None else None
    recorded = DetectorInfo.from_json(kept, f"{paths[0]}/run.json: detector") if kept else None
    reader = CalibratedDetector.open(named, question.axes, device, recorded)
    with progress_bar("reading images", sum(len(folder.files) for folder in wanted), progress) as tick:
        read = [list(read_images(folder, question.axes, reader, settings.name is None, tick)) for folder in wanted]
    records = [record for part in read for record in part]
    warn_of_no_pictures(records)
    known = all("role" in record.detections for record in records)
    roles = {prompt: reader.role(prompt) for prompt in {r.prompt for r in records}} if known else {}
    measures = Measures(question.targets, reader.confusions(question.axes), question.references)
    result = measures.audit(question.count(records, roles)).model_copy(
        update={
            "faces": reader.faces(records, question.axes),
            "detector": reader.info,
            "corrected_by": reader.corrected_by(question.axes),
        }
    )
    made = [replace(f, records=tuple(part)) for f, part in zip(wanted, read, strict=True)]
    return _with_run(result, paths, made, {**question.to_json(), **reader.to_json()}, out)


def _settled(folders: Sequence[ImageFolder], progress: bool | None) -> list[ImageFolder]:
    """The folders with each picture once; all images that cannot be read are named before anything else is done."""
    with progress_bar("checking images", sum(len(folder.files) for folder in folders), progress) as tick:
        settled = [settle_evidence(folder, tick) for folder in folders]
    require_apart(settled)
    return settled


def _labelled(record: Record, axes: Sequence[Axis]) -> bool:
    """Whether somebody else's labels came along for every axis."""
    return not record.detections and all(axis.name in record.labels for axis in axes)


def _as_labelled(
    paths: Sequence[Path],
    folders: Sequence[ImageFolder],
    question: Question,
    settings: DetectorSettings,
    out: str | Path | None,
) -> AuditResult:
    """No detector is needed; errors of whoever labelled are corrected by what is known of them."""
    records = [record for folder in folders for record in folder.records]
    given = calibrations_for(settings.confusion, question.axes)
    known = {axis.name: given[axis.name].ordered_as(axis.classes) for axis in question.axes if axis.name in given}
    measures = Measures(question.targets, known, question.references)
    origins = {name: dict(given[name].about) for name in known}
    result = measures.audit(question.count(records, {})).model_copy(update={"corrected_by": origins})
    asked = {**question.to_json(), "detector": None}
    if settings.confusion:
        asked["confusion"] = [describe_file(file) for file in settings.confusion]
    return _with_run(result, paths, folders, asked, out)


def _with_run(
    result: AuditResult,
    paths: Sequence[Path],
    folders: Sequence[ImageFolder],
    asked: Json,
    out: str | Path | None,
) -> AuditResult:
    """The result with its run: in a folder copies of the images, their records and the audit; else in memory."""
    for folder in folders if out else ():
        require_readable(folder)
    sources = [{"folder": p.resolve().name, "sha256": f.digest} for p, f in zip(paths, folders, strict=True)]
    about = {"command": "audit", "sources": sources, **asked}
    run = start_run(Path(out) if out else None, about)
    images = [
        (file, replace(record, id=f"{index}-{record.id}", source=record.source or file.name))
        for index, folder in enumerate(folders)
        for file, record in zip(folder.files, folder.records, strict=True)
    ]
    for file, record in images:
        if isinstance(run, MemoryRun):
            run.add(record, open_small(file) if run.takes(record.id) else None)
        elif record.id not in run.records:
            run.add(record, open_image(file))
    return result.with_run(run.finish([record.id for _, record in images], result.to_json()))


def _only(folder: ImageFolder, concepts: Sequence[str]) -> ImageFolder:
    """Only the images of these concepts; a single one names the images of a plain folder, which name none."""
    if not concepts:
        return folder
    spelled, concepts = respelling(concepts), [one_form(concept) for concept in concepts]
    folder = replace(folder, records=tuple(replace(record, prompt=spelled(record.prompt)) for record in folder.records))
    here = {record.prompt for record in folder.records}
    if len(concepts) == 1 and concepts[0] not in here and len(here) == 1 and not folder.about:
        return replace(folder, records=tuple(replace(record, prompt=concepts[0]) for record in folder.records))
    absent = [concept for concept in concepts if concept not in here]
    if absent:
        raise EquinoiseError(f"no images of '{absent[0]}'; there are {listed(sorted(here))}")
    wanted = set(concepts)
    rows = [i for i, record in enumerate(folder.records) if record.prompt in wanted]
    return folder.only(rows)
