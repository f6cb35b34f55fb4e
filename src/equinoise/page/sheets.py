"""The contact sheet of a sweep: the same seeds in each row, from untouched on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equinoise.page.pictures import Picture, embed
from equinoise.page.sweeps import cell_share
from equinoise.results.sweeps import Cell, SweepResult
from equinoise.run import Record

SEEDS = 8


@dataclass(frozen=True)
class SheetRow:
    """One cell."""

    title: str
    note: str
    best: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Sheet:
    """Rows are the cells at one step (or of one weight), columns are seeds."""

    title: str
    seeds: tuple[int, ...]
    rows: tuple[SheetRow, ...]


def contact_sheet(sweep: SweepResult) -> Sheet | None:
    """Rows are the weights at the best step, or the steps of a sweep of one weight; None without pictures."""
    cells = _shown(sweep)
    by_cell = _by_cell(sweep)
    found = [by_cell.get((cell.step, cell.weight), {}) for cell in (sweep.untouched, *cells)]
    seeds = [seed for seed in found[0] if all(seed in row for row in found)][:SEEDS]
    if not seeds:
        return None
    rows = [
        _row(sweep, cell, [row[seed] for seed in seeds])
        for cell, row in zip((sweep.untouched, *cells), found, strict=True)
    ]
    alone = len({cell.weight for cell in sweep.cells}) == 1
    title = f"Weight {cells[0].weight:g} at each step" if alone else f"Step {cells[0].step}"
    return Sheet(title, tuple(seeds), tuple(rows))


def _shown(sweep: SweepResult) -> list[Cell]:
    if len({cell.weight for cell in sweep.cells}) == 1:
        return list(sweep.cells)
    nearest = min(sweep.cells, key=lambda cell: 1.0 if cell.tv is None else cell.tv)
    step = (sweep.best or nearest).step
    return sorted((cell for cell in sweep.cells if cell.step == step), key=lambda cell: cell.weight)


def _by_cell(sweep: SweepResult) -> dict[tuple[int | str | None, float], dict[int, Record]]:
    """The pictures of each cell by seed: a sweep's run holds the cells in order, each with the same seeds."""
    if not sweep.has_run:
        return {}
    run, n = sweep.run, sweep.untouched.n
    parts = [run.records[start : start + n] for start in range(0, len(run.records), n)]
    cells = (sweep.untouched, *sweep.cells)
    if len(parts) != len(cells):
        return {}
    return {
        (cell.step, cell.weight): {record.seed: record for record in part if run.shows(record)}
        for cell, part in zip(cells, parts, strict=True)
    }


def _row(sweep: SweepResult, cell: Cell, records: Sequence[Record]) -> SheetRow:
    title = "untouched" if cell.step is None else f"step {cell.step}, weight {cell.weight:g}"
    pictures = tuple(embed(sweep.run, record, [sweep.axis]) for record in records)
    return SheetRow(title, cell_share(cell, sweep.label), cell == sweep.best, pictures)
