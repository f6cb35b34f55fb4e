"""Which images are the same evidence, so that no picture counts twice.

Images that a model made are told apart by concept, intervention and seed, never by their pixels: two seeds may well
give one picture. Images from elsewhere are told apart by their pixels, whatever their names and formats; where metadata
name a seed for every image, by the seed too. A picture of one colour tells nothing of where it comes from: only links
to one file are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from equinoise.errors import EquinoiseError, warn
from equinoise.folders.inventory import NAMED
from equinoise.folders.pictures import UnreadableError, look_at, refuse_unreadable
from equinoise.folders.reading import ImageFolder
from equinoise.run import Record

ALIKE = ("model", "sampling", "detector")
"""What runs must share to be shards of one."""


def settle_evidence(folder: ImageFolder, tick: Callable[[int], None] = lambda _: None) -> ImageFolder:
    """The folder with every picture looked at, and each only once in a concept. A warning names the doubles.

    Images that a model made are not looked at.

    Raises:
        EquinoiseError: images cannot be read (all are named), or one picture has two labels.
    """
    if folder.model:
        tick(len(folder.files))
        return folder
    pixels, faults = [], []
    for file in folder.files:
        try:
            look = look_at(file)
            pixels.append(f"{file.resolve()}" if look.blank else look.pixels)
        except UnreadableError as error:
            faults.append((file.relative_to(folder.place).as_posix(), error))
        tick(1)
    refuse_unreadable(folder.place, faults)
    looked = replace(folder, pixels=tuple(pixels))
    return looked if folder.about else _without_doubles(looked)


def require_apart(folders: Sequence[ImageFolder]) -> None:
    """Shards are made alike, and no image is in two folders.

    Raises:
        EquinoiseError: two folders were made otherwise, or hold the same image.
    """
    first = folders[0]
    for folder in folders:
        other = next((key for key in ALIKE if folder.about.get(key) != first.about.get(key)), None)
        if other:
            raise EquinoiseError(
                f"{first.place} and {folder.place} were made with another {other}; audit them one by one"
            )
    seen: dict[tuple[object, ...], ImageFolder] = {}
    for folder in folders:
        for index, (file, record) in enumerate(zip(folder.files, folder.records, strict=True)):
            key = (record.prompt, record.intervention, record.seed) if folder.model else _picture(folder, index)
            if seen.setdefault(key, folder) is not folder:
                raise EquinoiseError(
                    f"{seen[key].place} and {folder.place} hold the same image ({file.name}); give each image once"
                )


def _picture(folder: ImageFolder, index: int) -> tuple[object, ...]:
    return (folder.pixels[index], folder.records[index].seed if folder.seeded else None)


def _without_doubles(folder: ImageFolder) -> ImageFolder:
    kept: dict[tuple[object, ...], int] = {}
    records, doubles = list(folder.records), []
    for index, record in enumerate(folder.records):
        key = (*_picture(folder, index), record.prompt, record.intervention)
        first = kept.setdefault(key, index)
        if first != index:
            records[first] = _with_labels_of(folder.place, records[first], record)
            doubles.append(f"{record.source} (of {records[first].source})")
    if doubles:
        named, more = ", ".join(doubles[:NAMED]), f" and {len(doubles) - NAMED} more" if len(doubles) > NAMED else ""
        warn(f"{folder.place}: each picture counts once; doubles left out: {len(doubles)}: {named}{more}")
    return replace(folder, records=tuple(records)).only(list(kept.values()))


def _with_labels_of(place: Path, record: Record, double: Record) -> Record:
    """The record, with labels that only its double has."""
    for axis, label in double.labels.items():
        if record.labels.get(axis, label) != label:
            raise EquinoiseError(
                f"{place}: {record.source} and {double.source} are one picture, labelled '{record.labels[axis]}' and "
                f"'{label}'; keep one of them"
            )
    return replace(record, labels={**record.labels, **double.labels})
