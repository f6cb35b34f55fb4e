"""The text of a table: its separator, its header, and its rows, each as long as the header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from equinoise.axes import same_name
from equinoise.errors import EquinoiseError
from equinoise.files import read_text

SEPARATORS = (",", ";", "\t")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
HEAD = 1 << 20
"""Characters at the beginning of a table in which its header ends."""
_SEP_LINE = re.compile(r'"?sep=([,;\t|])"?[ \t]*(\r\n|\r|\n|$)', re.IGNORECASE)
"""What Excel writes in the first line to say the separator."""

Columns = Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """Which columns a table needs: every one of `columns`, and exactly one of `one_of`; names as `same_name` has them.

    Attributes:
        columns: all of these must be there.
        one_of: exactly one of these must be there; empty: none is needed.
    """

    columns: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @classmethod
    def named(cls, columns: Columns, one_of: Columns = ()) -> Wanted:
        """By names in any spelling."""
        return cls(tuple(map(same_name, columns)), tuple(map(same_name, one_of)))

    def fits(self, header: Columns) -> bool:
        """Whether a header has what is needed."""
        return set(self.columns) <= set(header) and (not self.one_of or len(self.present(header)) == 1)

    def present(self, header: Columns) -> list[str]:
        """Those of `one_of` that a header has."""
        return [name for name in self.one_of if name in header]

    def __str__(self) -> str:
        return ", ".join([*self.columns, *([" or ".join(self.one_of)] if self.one_of else [])])


@dataclass(frozen=True)
class TableText:
    """A table before its rows are read.

    Attributes:
        path: for errors.
        text: everything below a `sep=` line.
        separator: comma, semicolon or tab.
        header: names of the columns as `same_name` has them; empty where a column has none.
        offset: lines above `text`.
    """

    path: Path
    text: str
    separator: str
    header: tuple[str, ...]
    offset: int

    @classmethod
    def read(cls, path: Path, wanted: Wanted) -> TableText:
        """A file.

        Raises:
            EquinoiseError: it cannot be read, is no text, lacks a wanted column, or has a column twice.
        """
        body, separators = _below_sep_line(read_text(path))
        separator, header = _sniff(path, body, separators, wanted)
        twice = next((name for name in header if name and header.count(name) > 1), None)
        if twice:
            raise EquinoiseError(f"{path} has the column {twice} twice")
        if not wanted.fits(header):
            there = ", ".join(filter(None, header)) or "none"
            raise EquinoiseError(f"{path} needs the columns {wanted}; it has {there}")
        return cls(path, body, separator, header, 0 if separators == SEPARATORS else 1)

    @property
    def unnamed(self) -> list[int]:
        """Places of the columns without a name, but a first one, where pandas puts the numbers of the rows."""
        return [place for place, name in enumerate(self.header) if not name and place]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line where each row begins, and its stripped values, one a column; empty rows are skipped.

        Raises:
            EquinoiseError: a row is longer or shorter than the header, or not CSV.
        """
        unnamed, width = self.unnamed, len(self.header)
        found = numbered(self.path, self.text, self.separator, self.offset)
        next((row for _, row in found if any(map(str.strip, row))), None)
        for line, row in found:
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if len(values) != width:
                raise EquinoiseError(
                    f"{self.path}, line {line}: {'too few' if len(values) < width else 'too many'} columns: "
                    f"{len(values)} values where the header has {width}; put quotes around a value that holds a "
                    f"{NAMES[self.separator]}"
                )
            if any(values[place] for place in unnamed):
                raise EquinoiseError(f"{self.path}, line {line}: a value in a column without a name; name every column")
            yield line, values


def has_columns(path: Path, columns: Columns) -> bool:
    """Whether a file is a table with these columns.

    Raises:
        EquinoiseError: it cannot be read, or is no CSV.
    """
    wanted = Wanted.named(columns)
    return wanted.fits(_sniff(path, *_below_sep_line(read_text(path)), wanted)[1])


def _below_sep_line(text: str) -> tuple[str, Columns]:
    """The text below a first line that says the separator, and the separators that the table may have."""
    said = _SEP_LINE.match(text)
    return (text[said.end() :], (said[1],)) if said else (text, SEPARATORS)


def numbered(path: Path, text: str, separator: str, offset: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Every row of CSV with the line where it begins.

    Raises:
        EquinoiseError: it is not CSV; the message names the line.
    """
    reader, line = csv.reader(_lines(text), delimiter=separator, strict=True), 1
    try:
        for row in reader:
            yield line + offset, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise EquinoiseError(
            f"{path}, line {line + offset}: not CSV: {error}; quotes inside a value are doubled"
        ) from error


def csv_reader(text: str, separator: str) -> Iterator[list[str]]:
    """Python's reader, strict about quotes."""
    return csv.reader(_lines(text), delimiter=separator, strict=True)


def _lines(text: str) -> io.TextIOWrapper:
    """Lines with their ends; a StringIO would hold four bytes a character."""
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline="")


def _sniff(path: Path, text: str, separators: Columns, wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    """The separator by which the header has the wanted columns, else by which it has most; and the header."""
    headers: dict[str, tuple[str, ...]] = {}
    refused: EquinoiseError | None = None
    for separator in separators:
        try:
            rows = numbered(path, text[:HEAD], separator)
            first = next((row for _, row in rows if any(map(str.strip, row))), [])
            headers[separator] = tuple(map(same_name, first))
        except EquinoiseError as error:
            refused = refused or error
    if refused and not headers:
        raise refused
    fitting = [separator for separator in headers if wanted.fits(headers[separator])] or list(headers)
    most = max(len(headers[separator]) for separator in fitting)
    best = [separator for separator in fitting if len(headers[separator]) == most]
    several = [separator for separator in fitting if len(headers[separator]) > 1]
    if len(several) > 1 and wanted.fits(headers[several[0]]):
        kinds = " and ".join(NAMES[separator] for separator in several)
        raise EquinoiseError(f"{path}: its header can be cut at {kinds}; put quotes around names that hold one")
    return best[0], headers[best[0]]
