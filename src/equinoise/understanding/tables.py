"""CSV files with named columns, read with one-line errors. A million rows take about a second."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from equinoise.errors import EquinoiseError


def read_table(
    path: Path, columns: Sequence[str], one_of: Sequence[str] = (), optional: Sequence[str] = ()
) -> tuple[list[str], Counter[tuple[str, ...]]]:
    """The columns that were found, and each distinct row of them with how often it comes.

    Of `one_of` exactly one column must be there, `optional` ones may be; they are read as well, last. Empty lines do
    not count.

    Raises:
        EquinoiseError: the file cannot be read, is no CSV, lacks a column, or a row is short.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            chosen = [*_choose(path, header, columns, one_of), *(name for name in optional if name in header)]
            found: Counter[tuple[str, ...]] = Counter(map(itemgetter(*map(header.index, chosen)), filter(None, reader)))
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EquinoiseError(f"{path} is not a CSV file in UTF-8: {error}") from error
    except IndexError as error:
        raise EquinoiseError(f"{path}, line {reader.line_num}: too few columns") from error
    rows: Counter[tuple[str, ...]] = Counter()
    for row, times in found.items():
        rows[tuple(value.strip() for value in row)] += times
    return chosen, rows


def _choose(path: Path, header: Sequence[str], columns: Sequence[str], one_of: Sequence[str]) -> list[str]:
    present = [name for name in one_of if name in header]
    twice = next((name for name in [*columns, *present] if header.count(name) > 1), None)
    if twice:
        raise EquinoiseError(f"{path} has the column {twice} twice")
    if any(name not in header for name in columns) or (one_of and len(present) != 1):
        needed = ", ".join([*columns, *([" or ".join(one_of)] if one_of else [])])
        raise EquinoiseError(f"{path} needs the columns {needed}; it has {', '.join(header) or 'none'}")
    return [*columns, *present]


def number(text: str, whole: bool, where: str | Path) -> float:
    """A number of at least 0, whole where asked.

    Raises:
        EquinoiseError: it is not.
    """
    try:
        value = float(text) if not whole else int(text) if text.isascii() and text.isdigit() else -1
    except ValueError:
        value = -1
    if not 0 <= value < 2**53:  # NaN fails too
        kind = "whole number" if whole else "number"
        raise EquinoiseError(f"{where}: '{text}' is not a {kind} of at least 0")
    return value
