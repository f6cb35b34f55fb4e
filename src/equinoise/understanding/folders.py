"""Images from anywhere (a run, an imagefolder, a plain folder) → their files and what is known of each."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.axes import UNCLEAR, Axis
from equinoise.errors import EquinoiseError
from equinoise.run import UNTOUCHED, Record, read_records, read_run_file
from equinoise.tables import read_rows

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
CONCEPT_COLUMNS = ("concept", "prompt", "text", "caption")
"""Which column of the metadata names the concept; the first that is there."""


@dataclass(frozen=True)
class ImageFolder:
    """Images with their records: what was known of them before any detector looked.

    Attributes:
        files: path of each image.
        records: one each; labels and detections only where they came with the images.
        about: how a run was made; empty for images from elsewhere.
    """

    files: tuple[Path, ...]
    records: tuple[Record, ...]
    about: Mapping[str, Any]

    @property
    def detector(self) -> str | None:
        """The detector that read the run."""
        found = (self.about.get("detector") or {}).get("name")
        return str(found) if found else None

    @property
    def digest(self) -> str:
        """A short hash of the images and of what was known of them."""
        content = hashlib.sha256()
        for file, record in zip(self.files, self.records, strict=True):
            known = [file.name, record.prompt, record.intervention, dict(record.labels), dict(record.detections)]
            content.update(json.dumps(known).encode() + hashlib.sha256(file.read_bytes()).digest())
        return content.hexdigest()[:16]

    @property
    def model(self) -> str | None:
        """The model that made the run."""
        found = (self.about.get("model") or {}).get("name")
        return str(found) if found else None


def read_folder(path: Path, axes: Sequence[Axis]) -> ImageFolder:
    """A run (or its `images/`), a folder with `metadata.jsonl` or `metadata.csv`, or any folder of images.

    In metadata the concept is the column `concept`, `prompt`, `text` or `caption`, and a column named like an axis
    holds its classes. In a plain folder a sub-folder is a concept; images that lie in the folder itself are of the
    concept that the folder is called by.

    Raises:
        EquinoiseError: no such folder, no image in it, or damaged metadata.
    """
    if not path.is_dir():
        raise EquinoiseError(f"{path} is not a folder of images")
    run = path.parent if path.name == "images" and (path.parent / "run.json").is_file() else path
    if (run / "run.json").is_file():
        return _not_empty(path, _read_run(run))
    if any((path / name).is_file() for name in ("metadata.jsonl", "metadata.csv")):
        rows = list(_metadata(path))
        made = [_from_row(path, index, row, axes) for index, row in enumerate(rows)]
        folder = ImageFolder(tuple(path / str(row["file_name"]) for row in rows), tuple(made), {})
    else:
        files = sorted(_walk(path))
        records = [_from_file(path, index, file) for index, file in enumerate(files)]
        folder = ImageFolder(tuple(files), tuple(records), {})
    _not_empty(path, folder)
    missing = next((file for file in folder.files if not file.is_file()), None)
    if missing:
        raise EquinoiseError(f"the metadata of {path} name {missing.name}, which is not there")
    twice = next((file for file, times in Counter(folder.files).items() if times > 1), None)
    if twice:
        raise EquinoiseError(f"the metadata of {path} name {twice.name} twice")
    return folder


def _not_empty(path: Path, folder: ImageFolder) -> ImageFolder:
    if not folder.files:
        raise EquinoiseError(f"{path} holds no images ({', '.join(sorted(SUFFIXES))})")
    return folder


def _walk(path: Path) -> Iterator[Path]:
    """Every image below a folder, through links too; a folder that cannot be read is an error, not an omission."""

    def refuse(error: OSError) -> None:
        raise EquinoiseError(f"cannot read {error.filename}: {error.strerror}") from error

    seen: set[Path] = set()
    for place, folders, names in os.walk(path, followlinks=True, onerror=refuse):
        real = Path(place).resolve()
        if real in seen:  # a link back to where we have been
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place) / name for name in names if Path(name).suffix.lower() in SUFFIXES)


def _read_run(path: Path) -> ImageFolder:
    about, records = read_run_file(path).about, read_records(path)
    return ImageFolder(tuple(path / record.file for record in records), tuple(records), about)


def _metadata(path: Path) -> Iterator[Mapping[str, Any]]:
    lines = path / "metadata.jsonl"
    if lines.is_file():
        try:
            rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").split("\n") if line.strip()]
        except (OSError, ValueError) as error:
            raise EquinoiseError(f"cannot read {lines}: {error}") from error
    else:
        rows = [row.values for row in read_rows(path / "metadata.csv", ("file_name",))]
    for row in rows:
        if not isinstance(row, dict) or not row.get("file_name"):
            raise EquinoiseError(f"a row of the metadata of {path} has no file_name")
        yield row


def _from_row(path: Path, index: int, row: Mapping[str, Any], axes: Sequence[Axis]) -> Record:
    concept = next((str(row[name]) for name in CONCEPT_COLUMNS if row.get(name)), None)
    inside = Path(str(row["file_name"])).parent
    labels = {axis.name: _label(path, axis, row[axis.name]) for axis in axes if row.get(axis.name) not in (None, "")}
    seed = row.get("seed")
    return Record(
        f"image-{index:06d}",
        concept or (str(inside) if inside != Path() else path.resolve().name),
        int(str(seed)) if str(seed).isdecimal() else index,
        str(row.get("intervention") or UNTOUCHED),
        labels=labels,
        source=str(row["file_name"]),
    )


def _label(path: Path, axis: Axis, value: Any) -> str:
    if value != UNCLEAR and value not in axis.classes:
        classes = ", ".join([*axis.classes, UNCLEAR])
        raise EquinoiseError(f"the metadata of {path} say '{value}' for axis '{axis.name}', which has {classes}")
    return str(value)


def _from_file(path: Path, index: int, file: Path) -> Record:
    inside = file.parent.relative_to(path)
    concept = str(inside) if inside != Path() else path.resolve().name
    return Record(f"image-{index:06d}", concept, index, source=str(file.relative_to(path)))
