"""Tables as counts of distinct rows. A million rows take about a second."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

from equinoise.axes import same_name
from equinoise.errors import EquinoiseError
from equinoise.tables.numbers import number
from equinoise.tables.source import TableText, Wanted, csv_reader

CHUNK = 1 << 10
"""Rows that are looked at together: few enough to stay in the cache of a processor."""

Values = tuple[str, ...]


@dataclass(frozen=True)
class CountedTable:
    """Distinct rows of some columns of a table.

    Attributes:
        source: the whole table.
        columns: those that were asked for and are there, in the order asked for.
        rows: their stripped values → how often they come.
    """

    source: TableText
    columns: tuple[str, ...]
    rows: Counter[Values]

    def where(self, row: Values) -> str:
        """File and line of the first row that has these values, for errors."""
        found = next((line for line, values in _picked(self.source, self.columns) if values == row), 0)
        return f"{self.source.path}, line {found}"

    def number(self, row: Values, text: str, whole: bool) -> float:
        """The number that a cell of a row holds; see `numbers.number`.

        Raises:
            EquinoiseError: it is none; the message has the line.
        """
        try:
            return number(text, whole, self.source.path)
        except EquinoiseError:
            return number(text, whole, self.where(row))  # the line is looked for only now


def read_counted(
    path: Path, columns: Sequence[str], one_of: Sequence[str] = (), optional: Sequence[str] = ()
) -> CountedTable:
    """The columns of a CSV file, read as `read_rows` reads it, and each distinct row of them with how often it comes.

    Of `one_of` exactly one column must be there, `optional` ones may be; they are read as well, last.

    Raises:
        EquinoiseError: as of `read_rows`.
    """
    wanted = Wanted.named(columns, one_of)
    source = TableText.read(path, wanted)
    extra = [name for name in map(same_name, optional) if name in source.header]
    chosen = (*wanted.columns, *wanted.present(source.header), *extra)
    found = _fast(source, chosen)
    if found is None:  # something is odd: slowly, with the line of what is wrong
        found = Counter(values for _, values in _picked(source, chosen))
    return CountedTable(source, chosen, found)


def _picked(source: TableText, columns: Values) -> Iterator[tuple[int, Values]]:
    places = [source.header.index(name) for name in columns]
    return ((line, tuple(row[place] for place in places)) for line, row in source.rows())


def _fast(source: TableText, columns: Values) -> Counter[Values] | None:
    """Distinct rows of a table without anything odd in it; None where there is, or may be."""
    if source.unnamed:
        return None
    places = [source.header.index(name) for name in columns]
    pick = itemgetter(*places, places[0])  # one more, since of a single place it makes no tuple
    raw: Counter[Values] = Counter()
    rows = filter(any, csv_reader(source.text, source.separator))
    try:
        next(rows, None)  # the header, or an empty row above it, which the width below tells
        for chunk in iter(lambda: list(islice(rows, CHUNK)), []):
            if set(map(len, chunk)) != {len(source.header)}:
                return None
            raw.update(map(pick, chunk))
    except csv.Error:
        return None
    found: Counter[Values] = Counter()
    for row, times in raw.items():
        found[tuple(value.strip() for value in row[:-1])] += times
    return None if ("",) * len(columns) in found else found
