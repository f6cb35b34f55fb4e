"""Tables row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equinoise.tables.source import TableText, Wanted


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        line: where it begins in its file, from 1; for errors.
        values: name of the column, as `axes.same_name` has it → stripped value. Every named column of the header is
            there; a cell without anything is the empty text.
    """

    line: int
    values: Mapping[str, str]


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[TableRow]:
    """Every row of a CSV file that is not empty, in order; the first row names the columns.

    Comma, semicolon and tab are told by the header, and by a first line `sep=;`, as Excel writes it. UTF-8 and UTF-16
    with their marks and all ends of lines are read. Names of columns are compared by `axes.same_name`, so that
    `File_Name ` is `file_name`: look values up by `same_name(name)`. `columns`: those that must be there.

    Raises:
        EquinoiseError: the file cannot be read, is no CSV, lacks a column or has one twice, or a row is longer or
            shorter than the header; the message names the file and the line.
    """
    table = TableText.read(path, Wanted.named(columns))
    named = [(place, name) for place, name in enumerate(table.header) if name]
    return [TableRow(line, {name: row[place] for place, name in named}) for line, row in table.rows()]
