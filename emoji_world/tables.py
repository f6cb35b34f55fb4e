"""Rows of measurements: printed as a table, and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from equinoise.results.base import Value

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
"""Where the measurements of this repository are kept."""
R = TypeVar("R", bound=Value)
Cell = str | float | bool | None
Row = dict[str, Cell]
"""Column → what stands there."""


def show(rows: Sequence[Row] | Sequence[Value], title: str = "", width: int = 170) -> None:
    """Print rows; a column that a row lacks stays empty."""
    cells = [row.to_json() if isinstance(row, Value) else row for row in rows]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    table = Table(*columns, title=title or None)
    for row in cells:
        values = (row.get(column, "") for column in columns)
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in values))
    Console(width=width).print(table)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as the docs have it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def write_rows(rows: Iterable[Row | Value], path: Path) -> None:
    """Write rows to a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.to_json() if isinstance(row, Value) else row for row in rows], indent=1) + "\n")


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Rows of one type from a JSON file; none where there is no file.

    Raises:
        EquinoiseError: rows of another type.
    """
    rows = json.loads(path.read_text()) if path.is_file() else []
    return [kind.from_json(row, str(path)) for row in rows]
