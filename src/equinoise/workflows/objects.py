"""`detect RUN --objects`: what is in the images of a run, counted and put into its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.detectors.loading import fingerprint
from equinoise.detectors.object_loading import (
    ObjectSpec,
    default_object_detector,
    load_object_detector,
    object_folder,
    split_phrases,
)
from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.progress import progress
from equinoise.run import Record, read_records, rewrite_records
from equinoise.understanding.objects import count_objects, spellings, with_objects
from equinoise.understanding.parts import OBJECTS, read_part, require_run, write_part
from equinoise.understanding.phrases import MERGES, Group, Merge, merge, to_encode
from equinoise.understanding.relations import encode_texts
from equinoise.understanding.tables import read_table
from equinoise.workflows.reading_images import open_image

BATCH = 16


@dataclass(frozen=True)
class Merging:
    """How phrases become one: see `understanding.phrases`.

    Attributes:
        how: phrase, extended or head.
        similar: with an encoder, groups of at least this cosine are one.
        encoder: by name; without it only words are compared.
        table: a CSV of `phrase`, `name` that has the last word.
    """

    how: Merge = "extended"
    similar: float = 0.9
    encoder: str | None = None
    table: Path | None = None


def merging(how: str, similar: float, encoder: str | None, table: Path | None) -> Merging:
    """The way that the flags ask for.

    Raises:
        EquinoiseError: it makes no sense.
    """
    for known in MERGES:
        if how == known:
            merge({}, known, None, similar)
            return Merging(known, similar, encoder, table)
    raise EquinoiseError(f"--merge {how}: use one of {', '.join(MERGES)}")


def detect_objects(
    run: Path,
    detector: str | None,
    phrases: str | None,
    threshold: float | None,
    merging: Merging = Merging(),
    device: str = "cpu",
) -> dict[str, Any]:
    """`{"objects": [{concept, phrase, count, share, low, high, merged, with}], …}`; records keep phrases and boxes.

    Images that this very detector has read already are not read again, so merging another way costs nothing.

    Raises:
        EquinoiseError: no run, no such detector, or a way of merging that makes no sense.
    """
    require_run(run)
    if threshold is not None and not 0 <= threshold <= 1:
        raise EquinoiseError(f"--threshold {threshold} is not a score from 0 to 1")
    told, merging_table = split_phrases(phrases), _table(merging.table)
    model = (read_json(run / "run.json").get("about") or {}).get("model") or {}
    spec = ObjectSpec(detector or default_object_detector(model.get("name")), told, threshold, device)
    records, about = _read(run, spec)
    groups = _groups(spellings(records), merging, merging_table, device)
    found = {
        "objects": count_objects(records, groups),
        "images": len(records),
        "detector": about,
        "merging": {"how": merging.how, "similar": merging.similar if merging.encoder else None},
    }
    asked = {"command": "detect", "detector": about, "merge": merging.how, "encoder": merging.encoder}
    write_part(run, OBJECTS, {**asked, "similar": merging.similar, "table": merging_table}, found)
    return found


def _read(run: Path, spec: ObjectSpec) -> tuple[list[Record], dict[str, Any]]:
    """The records with their objects, found now or before by the same detector, and what that is."""
    records, kept = read_records(run), read_part(run, OBJECTS)
    asked = {"name": spec.name, "weights": _weights(spec.name), "phrases": list(spec.phrases)}
    before = kept[0].get("detector") if kept else None
    if isinstance(before, dict) and _same(before, asked, spec) and all(r.objects is not None for r in records):
        return records, before
    found = load_object_detector(spec)
    seen: dict[str, list[Mapping[str, Any]]] = {}
    with progress("looking for objects", len(records)) as tick:
        for start in range(0, len(records), BATCH):
            rows = records[start : start + BATCH]
            items = found.objects([open_image(run / record.file) for record in rows])
            seen |= {r.id: [item.to_json() for item in entry] for r, entry in zip(rows, items, strict=True)}
            tick(len(rows))
    read = with_objects(records, seen)
    rewrite_records(run, read)
    labels = None if found.labels is None else list(found.labels)
    used = getattr(found, "threshold", None)
    return read, {**asked, "asked_threshold": spec.threshold, "threshold": used, "labels": labels}


def _same(before: Mapping[str, Any], asked: Mapping[str, Any], spec: ObjectSpec) -> bool:
    """Whether what was found before was found by this very detector, asked the same."""
    threshold = before.get("asked_threshold")
    return all(before.get(key) == value for key, value in asked.items()) and threshold == spec.threshold


def _weights(name: str) -> str | None:
    return fingerprint(object_folder(name))


def _table(path: Path | None) -> dict[str, str]:
    return {} if path is None else {row[0]: row[1] for row in read_table(path, ("phrase", "name"))[1]}


def _groups(counts: Mapping[str, int], merging: Merging, table: Mapping[str, str], device: str) -> Sequence[Group]:
    vectors = None
    if merging.encoder and counts:
        from equinoise.workflows.encoding import open_encoder

        names = to_encode(counts, merging.how)
        vectors = encode_texts(open_encoder(merging.encoder, device), names)
    return merge(counts, merging.how, vectors, merging.similar, table)
