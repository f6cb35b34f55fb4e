"""`detect_objects`: what is in the images of a run, counted and put into its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equinoise.detectors.loading import detector_folder, fingerprint
from equinoise.detectors.object_loading import (
    ObjectSpec,
    default_object_detector,
    load_object_detector,
    object_folder,
)
from equinoise.encoders import load_encoder
from equinoise.errors import EquinoiseError, warn
from equinoise.files import base_name
from equinoise.no_picture import count_reasons, describe
from equinoise.progress import progress as progress_bar
from equinoise.results.objects import MergingInfo, ObjectDetectorInfo, ObjectsResult
from equinoise.results.parts import read_part, write_part
from equinoise.results.reading import Source, read_run
from equinoise.run import Record, RunContent, rewrite_records
from equinoise.runtime.reading_images import open_record
from equinoise.tables import read_counted
from equinoise.understanding.objects import count_objects, spellings
from equinoise.understanding.phrases import Merge, merge, to_encode
from equinoise.understanding.relations import encode_texts

BATCH = 16


@dataclass(frozen=True)
class Merging:
    """Which phrases are counted as one object: see `understanding.phrases`.

    Attributes:
        how: phrase, extended or head.
        similar: with an encoder, groups of at least this cosine are one.
        encoder: by name; without one only words are compared.
        table: phrase → name of the object, or a CSV of `phrase`, `name`; it overrides the rest.

    Raises:
        EquinoiseError: no such way to merge, or a similarity that is no cosine.
    """

    how: Merge = "extended"
    similar: float = 0.9
    encoder: str | None = None
    table: Mapping[str, str] | Path | None = None

    def __post_init__(self) -> None:
        merge({}, self.how, None, self.similar)

    def names(self) -> dict[str, str]:
        """The table: phrase → name."""
        if isinstance(self.table, Path):
            return _names_in(self.table)
        return dict(self.table or {})


def _names_in(path: Path) -> dict[str, str]:
    """A CSV of `phrase` and `name`.

    Raises:
        EquinoiseError: it is none, or a phrase has two names.
    """
    table, names = read_counted(path, ("phrase", "name")), dict[str, str]()
    for phrase, name in table.rows:
        if names.setdefault(phrase, name) != name:
            where = table.where((phrase, name))
            raise EquinoiseError(f"{where}: the phrase '{phrase}' has a second name, '{name}'; give each phrase one")
    return names


def detect_objects(
    run: Source,
    *,
    detector: str | None = None,
    phrases: Sequence[str] = (),
    threshold: float | None = None,
    merging: Merging = Merging(),
    device: str = "cpu",
    progress: bool | None = None,
) -> ObjectsResult:
    """How many images of a run show each object; phrases and boxes are put into the records of the run.

    Images that this very detector has read already are not read again, so merging another way costs nothing.

    Args:
        run: a run folder, or the result of a verb that has one.
        detector: emoji, or a folder or hub name: Kosmos-2, OWLv2, Grounding DINO, a DETR; default the emoji model's own
            for its runs, else Kosmos-2.
        phrases: what to look for, for a detector that has to be told.
        threshold: least score of an object; default that of the detector's kind.
        merging: which phrases are counted as one object.
        device: of the detector: cpu, cuda or mps.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: no run in a folder, no such detector, or an argument that makes no sense.
    """
    content = read_run(run)
    folder, table = content.require_folder(), merging.names()
    if threshold is not None and not 0 <= threshold <= 1:
        raise EquinoiseError(f"--threshold {threshold} is not a score from 0 to 1")
    if not all(map(str.strip, phrases)) or len(set(phrases)) < len(phrases):
        raise EquinoiseError(f"--phrases {','.join(phrases)}: give different phrases, such as 'a house,a hut'")
    model = content.file.part("model").get("name")
    name = detector or default_object_detector(str(model) if model else None)
    read, info = _read(content, folder, ObjectSpec(name, tuple(phrases), threshold, device), progress)
    reasons = [record.no_picture for record in read.records]
    if said := describe(reasons, "in which no object was looked for"):
        warn(said)
    counts = spellings(read.records)
    vectors = None
    if merging.encoder and counts:
        encoder = load_encoder(detector_folder(merging.encoder), device)
        vectors = encode_texts(encoder, to_encode(counts, merging.how))
    groups = merge(counts, merging.how, vectors, merging.similar, table)
    result = ObjectsResult(
        objects=tuple(count_objects(read.records, groups)),
        images=len(read.records),
        no_picture=count_reasons(reasons) or None,
        detector=info,
        merging=MergingInfo(how=merging.how, similar=merging.similar if merging.encoder else None),
    )
    encoded_by = merging.encoder and base_name(merging.encoder)
    asked = {"command": "detect", "detector": info.to_json(), "merge": merging.how, "encoder": encoded_by}
    write_part(folder, result, {**asked, "similar": merging.similar, "table": table})
    return result.with_run(read)


def _read(run: RunContent, folder: Path, spec: ObjectSpec, show: bool | None) -> tuple[RunContent, ObjectDetectorInfo]:
    """The run with the objects of its images, found now or before by the same detector, and that detector."""
    weights, kept = fingerprint(object_folder(spec.name)), read_part(folder, ObjectsResult)
    before = kept.result.detector if kept else None
    asked = (base_name(spec.name), weights, spec.phrases, spec.threshold)
    same = before and (before.name, before.weights, before.phrases, before.asked_threshold) == asked
    if before and same and all(record.objects is not None or record.no_picture for record in run.records):
        return run, before
    found = load_object_detector(spec)
    records: list[Record] = []
    with progress_bar("looking for objects", len(run.records), show) as tick:
        for start in range(0, len(run.records), BATCH):
            rows = run.records[start : start + BATCH]
            opened = [open_record(folder, record) for record in rows]
            pictures = [image for record, image in opened if record.no_picture is None]
            seen = iter(found.objects(pictures) if pictures else [])
            for record, _ in opened:
                items = None if record.no_picture else tuple(item.to_json() for item in next(seen))
                records.append(replace(record, objects=items))
            tick(len(rows))
    rewrite_records(folder, records)
    info = ObjectDetectorInfo(
        name=base_name(spec.name),
        weights=weights,
        phrases=spec.phrases,
        asked_threshold=spec.threshold,
        threshold=getattr(found, "threshold", None),
        labels=found.labels,
    )
    return replace(run, records=tuple(records)), info
