"""Tables of metadata beside images: CSV, JSON lines or Parquet, by the convention of the datasets library."""

from __future__ import annotations

import importlib
import json
import math
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from equinoise.axes import same_name
from equinoise.errors import EquinoiseError
from equinoise.files import inside, read_text
from equinoise.folders.inventory import Inventory
from equinoise.tables import read_rows

FILE_NAME, SEED, INTERVENTION = "file_name", "seed", "intervention"
CONCEPT_COLUMNS = ("concept", "prompt", "text", "caption")
"""Which column names the concept; the first that is there."""
MOST_SEED = 2**63


@dataclass(frozen=True)
class Line:
    """A line of a table: its number, and its values by column as `same_name` has the column's name."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class MetadataRow:
    """What a table says of one image.

    Attributes:
        table: path of the table below the folder that holds all.
        where: file and line, for errors.
        values: name of the column, as `same_name` has it → what stands there.
    """

    table: str
    where: str
    values: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Path of the table's folder."""
        return posixpath.dirname(self.table)

    @property
    def file(self) -> str:
        """The image's name, taken from the table's folder; empty where the row names none."""
        return self.text(FILE_NAME)

    def text(self, column: str) -> str:
        """What stands in a column, stripped; empty where nothing does. 12.0 is 12.

        Raises:
            EquinoiseError: a list or an object stands there.
        """
        return _text(self.values.get(same_name(column)), self.where, column)

    @property
    def concept(self) -> str | None:
        """The text of the first of the columns that name concepts; None where there is none."""
        return next((text for name in CONCEPT_COLUMNS if (text := self.text(name))), None)

    @property
    def seed(self) -> int | None:
        """The seed of the image; None where the table has no such column.

        Raises:
            EquinoiseError: the column is there, and what stands in it is no whole number.
        """
        if SEED not in self.values:
            return None
        text = self.text(SEED)
        whole = re.fullmatch(r"([0-9]{1,19})(\.0*)?|(0[xX][0-9a-fA-F]{1,16})", text)
        seed = int(whole[1]) if whole and whole[1] else int(whole[3], 16) if whole else MOST_SEED
        if seed >= MOST_SEED:
            raise EquinoiseError(f"{self.where}: the seed '{text}' is no whole number; mend it or leave the column out")
        return seed


def read_metadata(inventory: Inventory, axes: Sequence[str]) -> list[MetadataRow]:
    """The rows of every table below a folder, in the order of the tables' paths. `axes`: columns that may be there.

    Raises:
        EquinoiseError: two tables lie beside each other, one cannot be read, a row has no file_name, or a column is
            called nearly like one that is looked for.
    """
    places = [PurePosixPath(name).parent for name in inventory.tables]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        both = " and ".join(PurePosixPath(t).name for t, p in zip(inventory.tables, places, strict=True) if p == twice)
        raise EquinoiseError(f"{inventory.root / twice} holds two tables of metadata, {both}; keep one of them")
    return [row for table in inventory.tables for row in _rows(inventory.root, table, axes)]


def find_images(inventory: Inventory, rows: Sequence[MetadataRow]) -> list[str]:
    """The image of each row, as a path below the folder.

    Raises:
        EquinoiseError: a row names no image of the folder, a place outside, or an image that another row names.
    """
    found: dict[str, str] = {}
    images = {_one_form(name): name for name in inventory.images}
    images |= {name: name for name in inventory.images}  # where two names differ in their Unicode form only
    for row in rows:
        plain = posixpath.normpath(posixpath.join(row.folder, row.file.replace("\\", "/")))
        spellings = (posixpath.join(row.folder, row.file), plain, _one_form(plain))
        image = next((images[name] for name in spellings if name in images), None)
        if image is None:
            there = inside(inventory.root, posixpath.join(row.folder, row.file)).exists()
            why = "is hidden, or no image" if there else "is not there"
            raise EquinoiseError(f"{row.where}: the metadata name {row.file}, which {why}")
        if image in found:
            raise EquinoiseError(f"{row.where}: the metadata name {image} twice; {found[image]} names it too")
        found[image] = row.where
    return list(found)


def _one_form(name: str) -> str:
    """Archives and systems change the Unicode form of names."""
    return unicodedata.normalize("NFC", name)


def _rows(root: Path, table: str, axes: Sequence[str]) -> Iterator[MetadataRow]:
    path = root / table
    read = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}[path.suffix.lower()]
    wanted = [same_name(name) for name in (FILE_NAME, SEED, INTERVENTION, *CONCEPT_COLUMNS, *axes)]
    lines = list(read(path))
    columns = {name for line in lines for name in line.values}
    for near, name in _near_misses(columns, wanted):
        raise EquinoiseError(f"{path} has a column '{near}'; call it {name}, or otherwise if it is something else")
    seeded = SEED in columns
    for line in lines:
        values = {SEED: "", **line.values} if seeded else line.values
        row = MetadataRow(table, f"{path}, line {line.number}", values)
        if not row.file:
            hint = f"; it has {', '.join(sorted(columns))}" if FILE_NAME not in columns else ""
            raise EquinoiseError(f"{row.where}: the row has no file_name{hint}")
        yield row


def _near_misses(columns: Iterable[str], wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Columns that are called like one that is looked for and is not there, but for `_`, `-` and spaces."""
    for name in wanted:
        if name not in columns and not (name in CONCEPT_COLUMNS and any(other in columns for other in CONCEPT_COLUMNS)):
            yield from ((column, name) for column in sorted(columns) if _squeezed(column) == _squeezed(name))


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]", "", name)


def _csv(path: Path) -> Iterator[Line]:
    return (Line(row.line, row.values) for row in read_rows(path))


def _json_lines(path: Path) -> Iterator[Line]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:  # too deep, or a number of thousands of digits
            raise EquinoiseError(f"{where}: not JSON: {str(error).splitlines()[0]}") from error
        if not isinstance(pairs, _Pairs):
            raise EquinoiseError(f'{where}: not an object such as {{"file_name": "0.png"}}')
        yield _by_name(number, where, pairs)


class _Pairs(list[tuple[str, Any]]):
    """The pairs of an object of JSON: a name that comes twice is not lost."""


def _parquet(path: Path) -> Iterator[Line]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise EquinoiseError(f"{path}: reading Parquet needs pyarrow; pip install pyarrow") from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except Exception as error:  # pyarrow's parsers raise errors of their own, of the system and of Python
        raise EquinoiseError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0][:120]}") from error
    for number, row in enumerate(rows, start=1):
        yield _by_name(number, f"{path}, row {number}", list(row.items()))


def _by_name(number: int, where: str, pairs: Sequence[tuple[str, Any]]) -> Line:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if same_name(name) in found:
            raise EquinoiseError(f"{where}: the column {name} comes twice")
        found[same_name(name)] = value
    return Line(number, found)


def _text(value: object, where: str, column: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise EquinoiseError(f"{where}: a text or a number belongs into the column {column}")
    return str(value).strip()
