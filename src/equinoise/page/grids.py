"""Pictures: the same seeds before and after side by side, or one group, or a sweep's contact sheet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.page import words
from equinoise.page.pictures import Picture, embed
from equinoise.page.reading import Run
from equinoise.page.sweep_charts import same
from equinoise.page.sweeps import best_step, cell_share
from equinoise.run import UNTOUCHED, Record, read_records

SHOWN, MOST, CONCEPTS, SHEET = 24, 64, 8, 8
SHIFT = re.compile(r"(?P<turned>-1·)?(?P<label>[^@]+)@(?P<step>[^@=⟂]+)(⟂[^=]*)?=(?P<weight>[^=,]+)(,\w+)?")
"""The name of an intervention with one direction: `woman@10=3`, or `-1·dark@10=3` towards the other end."""

Shot = tuple[Record, ...]


@dataclass(frozen=True)
class Card:
    """One seed: one or two pictures, and what each was perceived as; `changed` tells which of the last are new."""

    seed: int
    pictures: tuple[Picture, ...]
    before: tuple[str, ...]
    after: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Grid:
    """The pictures of one concept: some at once, some behind a fold; `total` counts those that are left out too."""

    concept: str
    paired: bool
    shown: tuple[Card, ...]
    folded: tuple[Card, ...]
    total: int


@dataclass(frozen=True)
class Row:
    """One row of a contact sheet."""

    title: str
    note: str
    best: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Sheet:
    """Rows are the cells at one step (or of one weight), columns are seeds."""

    title: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]


def grids(run: Run) -> list[Grid]:
    """The grids of a run, one a concept. A run that only sweeps has none: it has contact sheets."""
    if run.sweeps and not run.before:
        return []
    paired = bool(run.after)
    shots = _pairs(run) if paired else _singles(run)
    concepts = list(dict.fromkeys(shot[0].prompt for shot in shots))[:CONCEPTS]
    most = max(SHEET, MOST // max(1, len(concepts)))
    return [_grid(run, concept, [s for s in shots if s[0].prompt == concept], paired, most) for concept in concepts]


def _grid(run: Run, concept: str, shots: Sequence[Shot], paired: bool, most: int) -> Grid:
    cards = tuple(_card(run, shot) for shot in shots[:most])
    return Grid(concept, paired, cards[:SHOWN], cards[SHOWN:], len(shots))


def _card(run: Run, shot: Shot) -> Card:
    read = [words.labels(record.labels, run.axes) for record in shot]
    after = tuple((label, label not in read[0]) for label in read[1]) if len(shot) > 1 else ()
    return Card(shot[0].seed, tuple(embed(run.path, record, run.axes) for record in shot), tuple(read[0]), after)


def _by_seed(records: Iterable[Record]) -> list[list[Record]]:
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        groups.setdefault((record.prompt, record.seed), []).append(record)
    return list(groups.values())


def _pairs(run: Run) -> list[Shot]:
    """Untouched first. The pilot seeds of a sweep have more than two images each and come before: they are no pairs."""
    groups = [sorted(rows, key=lambda record: record.intervention != UNTOUCHED) for rows in _by_seed(run.records)]
    pairs = [tuple(rows) for rows in groups if len(rows) == 2 and rows[0].intervention == UNTOUCHED]
    audits = run.before["audits"] if run.before else []
    wanted = sum({audit["concept"]: audit["n"] for audit in audits}.values())
    return pairs[-wanted:] if wanted else pairs


def _singles(run: Run) -> list[Shot]:
    return [(rows[0],) for rows in _by_seed(run.records) if len(rows) == 1]


def sheet(run: Run, sweep: Mapping[str, Any]) -> Sheet | None:
    """The contact sheet of a sweep; None where the run holds no pictures of it.

    Rows are the weights at the best step. A sweep of one weight shows the steps instead.
    """
    home, records = _home(run, sweep)
    alone = len({cell["weight"] for cell in sweep["cells"]}) == 1
    step = None if alone else best_step(sweep)
    cells = [cell for cell in sweep["cells"] if alone or cell["step"] == step]
    cells = cells if alone else sorted(cells, key=lambda cell: cell["weight"])
    swept = [{record.seed: record for record in records if _made_by(record, sweep, cell)} for cell in cells]
    untouched = {record.seed: record for record in records if record.intervention == UNTOUCHED}
    common = [seed for seed in untouched if all(seed in row for row in swept)][:SHEET]
    if not common:
        return None
    shots = [[found[seed] for seed in common] for found in (untouched, *swept)]
    rows = [
        _row(home, run.axes, sweep, cell, shot) for cell, shot in zip([sweep["untouched"], *cells], shots, strict=True)
    ]
    title = f"Weight {cells[0]['weight']:g} at each step" if alone else f"Step {step}"
    return Sheet(title, tuple(common), tuple(rows))


def _home(run: Run, sweep: Mapping[str, Any]) -> tuple[Path, Sequence[Record]]:
    """Where a sweep's pictures are: in the run, or in a run of their own inside it (`sweeps/NAME`)."""
    inner, concept = run.path / "sweeps" / Path(str(sweep.get("name") or ".")).name, sweep.get("concept")
    home = inner if sweep.get("name") and (inner / "run.json").is_file() else run.path
    records = run.records if home == run.path else read_records(home)
    return home, [record for record in records if concept is None or record.prompt == concept]


def _row(
    home: Path, axes: Sequence[str], sweep: Mapping[str, Any], cell: Mapping[str, Any], records: Sequence[Record]
) -> Row:
    title = "untouched" if cell["step"] is None else f"step {cell['step']}, weight {cell['weight']:g}"
    pictures = tuple(embed(home, record, axes) for record in records)
    return Row(title, cell_share(cell, sweep["class"]), same(cell, sweep.get("best")), pictures)


def _made_by(record: Record, sweep: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    found = SHIFT.fullmatch(record.intervention)
    if not found or (found["step"], found["weight"]) != (str(cell["step"]), f"{cell['weight']:g}"):
        return False
    towards = found["label"] == sweep["class"]
    away = found["label"] != sweep["class"] and found["label"] in cell["classes"]
    return away if found["turned"] else towards
