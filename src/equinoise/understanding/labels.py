"""Labels from elsewhere: a table of counts, in a CSV file or a pandas DataFrame → the same counts that images give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from equinoise.axes import UNCLEAR, Axis, catalogue, one_form, same_name
from equinoise.errors import EquinoiseError, listed
from equinoise.tables import number, read_counted
from equinoise.tables.foreign import read_foreign
from equinoise.understanding.counts import Counts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("concept", "axis", "class", "count")
Cell = tuple[str, str, str, str]
"""Concept, axis, class and count, as texts."""


@dataclass(frozen=True)
class LabelTable:
    """Rows of `concept`, `axis`, `class` (may be `unclear`) and `count`, each with how often it comes.

    Attributes:
        where: what the rows were read from, for errors.
        cells: the rows.
        line: of a row, for errors; None where rows have no lines.
        note: how a file of another tool was read; empty for tables of ours.
    """

    where: str
    cells: Mapping[Cell, int]
    line: Callable[[Cell], str] | None = None
    note: str = ""

    @classmethod
    def read(cls, path: Path) -> LabelTable:
        """From a CSV file; without a column `count` a row is one image. Or from what FairFace or DeepFace writes.

        Raises:
            EquinoiseError: the file cannot be read, lacks a column, or a row is longer or shorter than the header.
        """
        if foreign := read_foreign(path):
            faces = Counter((path.stem, axis, label, "1") for axis, label in foreign.labels)
            return cls(str(path), faces, note=foreign.note)
        table = read_counted(path, COLUMNS[:3], optional=COLUMNS[3:])
        if "count" in table.columns:
            return cls(str(path), {(c, a, k, n): times for (c, a, k, n), times in table.rows.items()}, table.where)
        cells = {(concept, axis, label, "1"): times for (concept, axis, label), times in table.rows.items()}
        return cls(str(path), cells, lambda cell: table.where(cell[:3]))

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> LabelTable:
        """From a DataFrame; without a column `count` a row is one image.

        Raises:
            EquinoiseError: it lacks a column, or has one twice.
        """
        names = [same_name(name) for name in frame.columns]
        twice = next((name for name in COLUMNS if names.count(name) > 1), None)
        if twice:
            raise EquinoiseError(f"the DataFrame has the column {twice} twice")
        if any(name not in names for name in COLUMNS[:3]):
            there = ", ".join(map(str, frame.columns)) or "none"
            raise EquinoiseError(f"the DataFrame needs the columns {', '.join(COLUMNS)}; it has {there}")
        whole = frame.set_axis(names, axis="columns")
        table = whole[[name for name in COLUMNS if name in names]]
        cells = table.astype(object).where(table.notna(), "")
        columns = [map(_text, cells[name]) if name in names else repeat("1", len(frame)) for name in COLUMNS]
        rows = zip(*columns, strict=True)
        return cls("the DataFrame", Counter((concept, axis, label, n) for concept, axis, label, n in rows))

    @cached_property
    def axes(self) -> list[str]:
        """Every axis that the rows name, in order: as the catalogue spells it, else as first spelled."""
        built_in = {same_name(name): name for name in catalogue()}
        found: dict[str, str] = {}
        for axis in dict.fromkeys(axis for _, axis, _, _ in self.cells):
            plain = same_name(axis)
            found.setdefault(plain, built_in.get(plain, axis))
        return list(found.values())

    def count(self, axes: Sequence[Axis]) -> list[Counts]:
        """Counts of each concept on each of the axes. Rows add up; declared classes that do not come are 0.

        Axes and classes are compared without case and spaces, and words for a class (`female`) count as the class.
        Rows of other axes are left out; `omitted` says how many.

        Raises:
            EquinoiseError: a class is not declared, a count is no whole number of at least 0, or the rows say nothing
                of one of the axes.
        """
        known = {same_name(axis.name): axis for axis in axes}
        plain = {name: same_name(name) for name in {axis for _, axis, _, _ in self.cells}}
        found: dict[tuple[str, str], Counter[str]] = {}
        labels: dict[tuple[str, str], str] = {}
        for cell, times in self.cells.items():
            concept, spelled, text, count = cell
            axis = known.get(plain[spelled])
            if axis is None:
                continue
            label = labels.get((axis.name, text)) or labels.setdefault((axis.name, text), self._label(axis, cell))
            if not concept:
                raise EquinoiseError(f"{self._at(cell)} has a row without a concept")
            counter = found.setdefault((one_form(concept), axis.name), Counter())
            counter[label] += times * int(self._number(cell, count))
        self._require_all(known.values(), {axis for _, axis in found})
        classes = {axis.name: axis.classes for axis in axes}
        return [
            Counts(concept, axis, {name: counter[name] for name in classes[axis]}, counter[UNCLEAR])
            for (concept, axis), counter in found.items()
        ]

    def omitted(self, axes: Sequence[Axis]) -> str:
        """What `count` leaves out of these axes, in words; empty where nothing, or where every row has all axes."""
        known, others = {same_name(axis.name) for axis in axes}, Counter[str]()
        for (_, axis, _, _), times in self.cells.items():
            if same_name(axis) not in known:
                others[axis] += times
        if not others or self.note:
            return ""
        rows = others.total()
        return f"{self.where}: {rows} row{'s' * (rows != 1)} of other axes left out: {listed(list(others))}"

    def _label(self, axis: Axis, cell: Cell) -> str:
        label = axis.match(cell[2])
        if label is None:
            classes = ", ".join(axis.classes)
            raise EquinoiseError(
                f"{self._at(cell)}: '{cell[2]}' ({cell[0]}) is no class of '{axis.name}'; it has {classes}, {UNCLEAR}"
            )
        return label

    def _number(self, cell: Cell, text: str) -> float:
        try:
            return number(text, True, self.where)
        except EquinoiseError:
            return number(text, True, self._at(cell))  # the line is looked for only now

    def _at(self, cell: Cell) -> str:
        return self.line(cell) if self.line else self.where

    def _require_all(self, axes: Iterable[Axis], there: Container[str]) -> None:
        silent = next((axis.name for axis in axes if axis.name not in there), None)
        if silent is not None:
            others = ", ".join(self.axes) or "none"
            raise EquinoiseError(f"{self.where} has no rows of axis '{silent}'; give another --axis: it has {others}")


def _text(value: object) -> str:
    """A cell of a DataFrame as a CSV file has it; 3.0 is 3, since pandas makes floats of a column with a gap."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
