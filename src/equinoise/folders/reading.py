"""Images from anywhere (a run, an imagefolder, a plain folder) → their files and what is known of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from equinoise.axes import UNCLEAR, Axis
from equinoise.errors import EquinoiseError, warn
from equinoise.folders.inventory import NAMED, Inventory, require_inside, take_inventory
from equinoise.folders.metadata import INTERVENTION, MetadataRow, find_images, read_metadata
from equinoise.run import UNTOUCHED, Record, read_records, read_run_file


@dataclass(frozen=True)
class ImageFolder:
    """Images with their records: what was known of them before any detector looked.

    Attributes:
        place: the folder.
        files: path of each image.
        records: one each; labels and detections only where they came with the images.
        about: how a run was made; empty for images from elsewhere.
        tables: the table of metadata that names each image; empty where none does.
        seeded: whether metadata name the seed of every image.
        pixels: what tells each picture apart, once it was looked at; empty before, and for generated images.
    """

    place: Path
    files: tuple[Path, ...]
    records: tuple[Record, ...]
    about: Mapping[str, Any]
    tables: tuple[str, ...] = ()
    seeded: bool = False
    pixels: tuple[str, ...] = ()

    @property
    def detector(self) -> str | None:
        """The detector that read the run."""
        found = (self.about.get("detector") or {}).get("name")
        return str(found) if found else None

    @property
    def digest(self) -> str:
        """A short hash of the images and of what was known of them.

        Raises:
            EquinoiseError: an image cannot be read.
        """
        content = hashlib.sha256()
        for file, record in zip(self.files, self.records, strict=True):
            known = [file.name, record.prompt, record.intervention, dict(record.labels), dict(record.detections)]
            content.update(json.dumps(known).encode() + _hash_of(file))
        return content.hexdigest()[:16]

    @property
    def model(self) -> str | None:
        """The model that made the run."""
        found = (self.about.get("model") or {}).get("name")
        return str(found) if found else None

    def only(self, rows: Sequence[int]) -> ImageFolder:
        """The folder with some of its images."""
        return replace(
            self,
            files=tuple(self.files[row] for row in rows),
            records=tuple(self.records[row] for row in rows),
            tables=tuple(self.tables[row] for row in rows) if self.tables else (),
            pixels=tuple(self.pixels[row] for row in rows) if self.pixels else (),
        )

    def warn_of_class_names(self, axes: Sequence[Axis]) -> None:
        """Say so where folders that are read as concepts are called like the classes of an axis."""
        plain = not (self.about or self.tables)
        names = sorted({PurePosixPath(record.prompt).name for record in self.records}) if plain else []
        for axis in axes:
            alike = [name for name in names if axis.match(name) in axis.classes]
            if len(alike) > 1:
                warn(
                    f"{self.place}: the folders {', '.join(alike)} are called like classes of {axis.name} and are read "
                    f"as concepts; if they are labels, write them into a column {axis.name} of metadata.csv, or "
                    "measure a detector on them with calibrate-detector"
                )


def read_folder(path: Path, axes: Sequence[Axis]) -> ImageFolder:
    """A run (or its `images/`), a folder with metadata (a table in it, or in folders below), or any folder of images.

    In metadata the concept is the column `concept`, `prompt`, `text` or `caption`, and a column named like an axis
    holds its classes. In a plain folder a sub-folder is a concept; images that lie in the folder itself are of the
    concept that the folder is called by. What is left out is named in warnings.

    Raises:
        EquinoiseError: no such folder, no image in it, damaged metadata, or a name or link that leads out of it.
    """
    run = path.parent if path.name == "images" and (path.parent / "run.json").is_file() else path
    if (run / "run.json").is_file():
        return _read_run(run)
    if (run / "run.partial.json").is_file():
        raise EquinoiseError(f"{path} is a run that was cut off; finish it by the command that began it")
    inventory = take_inventory(path)
    if inventory.tables:
        return _from_metadata(inventory, axes)
    if not inventory.images:
        held = f"; it holds {', '.join(inventory.others[:NAMED])}" if inventory.others else ""
        raise EquinoiseError(f"{path} holds no images that Pillow can open (png, jpg, webp, avif, …){held}")
    inventory.warn_of_others()
    records = [_from_file(path, index, name) for index, name in enumerate(inventory.images)]
    return ImageFolder(path, inventory.files(inventory.images), tuple(records), {})


def _read_run(path: Path) -> ImageFolder:
    about, records = read_run_file(path).about, read_records(path)
    if not records:
        raise EquinoiseError(f"{path} holds no images")
    for record in records:
        require_inside(path, path / record.file)
    return ImageFolder(path, tuple(path / record.file for record in records), tuple(records), about)


def _from_metadata(inventory: Inventory, axes: Sequence[Axis]) -> ImageFolder:
    root, rows = inventory.root, read_metadata(inventory, [axis.name for axis in axes])
    labels = [dict(_labels(row, axes)) for row in rows]
    names = find_images(inventory, rows)
    if not rows:
        raise EquinoiseError(f"{root / inventory.tables[0]} names no images; give each a row with its file_name")
    inventory.warn_of_others()
    records = [_from_row(root, index, *known) for index, known in enumerate(zip(rows, names, labels, strict=True))]
    left = sorted(set(inventory.images) - set(names))
    if left:
        named = ", ".join(left[:NAMED]) + (f" and {len(left) - NAMED} more" if len(left) > NAMED else "")
        warn(f"{root}: {len(left)} images have no row in the metadata and are left out: {named}")
    seeded = all(row.seed is not None for row in rows)
    tables = tuple(row.table for row in rows)
    return ImageFolder(root, inventory.files(names), tuple(records), {}, tables, seeded)


def _from_row(root: Path, index: int, row: MetadataRow, name: str, labels: Mapping[str, str]) -> Record:
    return Record(
        f"image-{index:06d}",
        row.concept or _folder_name(root, name),
        index if row.seed is None else row.seed,
        row.text(INTERVENTION) or UNTOUCHED,
        labels=labels,
        source=name,
    )


def _labels(row: MetadataRow, axes: Sequence[Axis]) -> Iterator[tuple[str, str]]:
    for axis in axes:
        text = row.text(axis.name)
        label = axis.match(text) if text else None
        if text and label is None:
            classes = ", ".join([*axis.classes, UNCLEAR])
            raise EquinoiseError(
                f"{row.where}: the metadata say '{text}' for axis '{axis.name}', which has {classes}; leave a cell "
                "empty where nobody labelled the image"
            )
        if label is not None:
            yield axis.name, label


def _from_file(root: Path, index: int, name: str) -> Record:
    return Record(f"image-{index:06d}", _folder_name(root, name), index, source=name)


def _folder_name(root: Path, name: str) -> str:
    """The path of the folder that an image lies in, or what the folder given is called by."""
    within = PurePosixPath(name).parent
    return str(within) if within != PurePosixPath() else root.resolve().name


def _hash_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError as error:
        raise EquinoiseError(f"cannot read {file}: {error.strerror or error}") from error
