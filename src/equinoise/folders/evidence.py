"""Which images are the same evidence, so that no picture counts twice.

Images that a model made are told apart by concept, intervention and seed, never by their pixels: two seeds may well
give one picture. Images from elsewhere are told apart by their pixels, whatever their names and formats; where metadata
name a seed for every image, by the seed too. What two tables of metadata name, one a split, counts in each. A picture
of one colour tells nothing of where it comes from: only links to one file are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from equinoise.errors import EquinoiseError, warn
from equinoise.folders.inventory import NAMED
from equinoise.folders.pictures import UnreadableError, look_at, refuse_unreadable, verify
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


def require_readable(folder: ImageFolder) -> None:
    """Name all images that are missing or damaged before the first is read; nothing to do where all were looked at.

    Raises:
        EquinoiseError: there is one.
    """
    faults = []
    for file in () if folder.pixels else folder.files:
        try:
            verify(file)
        except UnreadableError as error:
            faults.append((file.name, error))
    refuse_unreadable(folder.place, faults)


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
    pictures: dict[tuple[object, ...], dict[str, list[int]]] = {}
    for index, record in enumerate(folder.records):
        picture = (*_picture(folder, index), record.prompt, record.intervention)
        table = folder.tables[index] if folder.tables else ""
        pictures.setdefault(picture, {}).setdefault(table, []).append(index)
    records, doubles = list(folder.records), list[str]()
    for by_table in pictures.values():
        _require_one_label(folder, [index for rows in by_table.values() for index in rows])
        for first, *others in by_table.values():
            labels = {axis: label for row in [*others, first] for axis, label in records[row].labels.items()}
            records[first] = replace(records[first], labels=labels)
            doubles += [f"{records[row].source} (of {records[first].source})" for row in others]
    if doubles:
        named, more = ", ".join(doubles[:NAMED]), f" and {len(doubles) - NAMED} more" if len(doubles) > NAMED else ""
        warn(f"{folder.place}: each picture counts once; doubles left out: {len(doubles)}: {named}{more}")
    several = sum(len(by_table) > 1 for by_table in pictures.values())
    if several:
        warn(f"{folder.place}: {several} pictures are in several tables of metadata (splits) and count in each")
    kept = [rows[0] for by_table in pictures.values() for rows in by_table.values()]
    return replace(folder, records=tuple(records)).only(sorted(kept))


def _require_one_label(folder: ImageFolder, rows: Sequence[int]) -> None:
    first: dict[tuple[str, str], Record] = {}
    said: dict[str, str] = {}
    for record in (folder.records[row] for row in rows):
        for axis, label in record.labels.items():
            other = said.setdefault(axis, label)
            if other != label:
                raise EquinoiseError(
                    f"{folder.place}: {first[axis, other].source} and {record.source} are one picture, labelled "
                    f"'{other}' and '{label}'; keep one of them"
                )
            first.setdefault((axis, label), record)
