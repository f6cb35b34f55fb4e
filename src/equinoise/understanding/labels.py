"""Labels from elsewhere: a table of counts, in a CSV file or a pandas DataFrame → the same counts that images give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from equinoise.axes import UNCLEAR, Axis
from equinoise.errors import EquinoiseError
from equinoise.understanding.counts import Counts
from equinoise.understanding.tables import number, read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("concept", "axis", "class", "count")


@dataclass(frozen=True)
class LabelTable:
    """Rows of `concept`, `axis`, `class` (may be `unclear`) and `count`, each with how often it comes.

    `where`: what the rows were read from, for errors.
    """

    where: str
    cells: Mapping[tuple[str, str, str, str], int]

    @classmethod
    def read(cls, path: Path) -> LabelTable:
        """From a CSV file.

        Raises:
            EquinoiseError: the file cannot be read, or lacks a column.
        """
        rows = read_table(path, COLUMNS)[1]
        return cls(str(path), {(concept, axis, label, n): times for (concept, axis, label, n), times in rows.items()})

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> LabelTable:
        """From a DataFrame.

        Raises:
            EquinoiseError: it lacks a column.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            there = ", ".join(map(str, frame.columns)) or "none"
            raise EquinoiseError(f"the DataFrame needs the columns {', '.join(COLUMNS)}; it has {there}")
        table = frame[list(COLUMNS)]
        cells = table.astype(object).where(table.notna(), "")
        rows = zip(*(map(_text, cells[name]) for name in COLUMNS), strict=True)
        return cls("the DataFrame", Counter((concept, axis, label, n) for concept, axis, label, n in rows))

    @property
    def axes(self) -> list[str]:
        """Every axis that the rows name, in order."""
        return list(dict.fromkeys(axis for _, axis, _, _ in self.cells))

    def count(self, axes: Sequence[Axis]) -> list[Counts]:
        """Counts of each concept on each of the axes. Rows add up; declared classes that do not come are 0.

        Rows of other axes are left out.

        Raises:
            EquinoiseError: a class is not declared, a count is no whole number of at least 0, or the rows say nothing
                of one of the axes.
        """
        known = {axis.name: axis for axis in axes}
        found: Counter[tuple[str, str, str]] = Counter()
        for (concept, axis, label, count), times in self.cells.items():
            if axis in known:
                found[concept, axis, label] += times * int(number(count, whole=True, where=self.where))
        if any(not concept for concept, _, _ in found):
            raise EquinoiseError(f"{self.where} has a row without a concept")
        for concept, axis, label in found:
            if label != UNCLEAR and label not in known[axis].classes:
                classes = ", ".join(known[axis].classes)
                raise EquinoiseError(
                    f"{self.where}: '{label}' ({concept}) is no class of '{axis}'; it has {classes}, {UNCLEAR}"
                )
        silent = [name for name in known if all(axis != name for _, axis, _ in found)]
        if silent:
            raise EquinoiseError(f"{self.where} has no rows of axis '{silent[0]}'; give another --axis")
        groups = dict.fromkeys((concept, axis) for concept, axis, _ in found)
        return [
            Counts(c, a, {name: found[c, a, name] for name in known[a].classes}, found[c, a, UNCLEAR])
            for c, a in groups
        ]


def _text(value: object) -> str:
    """A cell of a DataFrame as a CSV file has it; 3.0 is 3, since pandas makes floats of a column with a gap."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
