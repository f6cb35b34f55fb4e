"""Relation and frequency of each attribute side by side, and what was planted where the model is a test fixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equinoise.page import scatters, words
from equinoise.page.charts import Chart
from equinoise.page.reading import Run
from equinoise.understanding.objects import is_a

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Panel:
    """One of the four panels: its charts, what they say in words, and the same numbers as rows."""

    title: str
    sentence: str
    charts: tuple[Chart, ...]
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def compare(run: Run, mis: Row, id: str) -> Panel:
    """What misalignment was looked for in: the attributes that have both, the closest first."""
    rows = sorted(mis["attributes"], key=lambda row: -row["relation"])
    planted = [_planted(run, mis["concept"], row["source"]) for row in rows]
    known = any(share is not None for share in planted)
    table = [
        (row["attribute"], words.number(row["relation"]), f"{row['count']} of {row['n']}",
         words.percent(row["share"]), words.span(row["low"], row["high"]),
         *([words.percent(share)] if known else []), row["source"])
        for row, share in zip(rows, planted, strict=True)
    ]  # fmt: skip
    marked = [entry[key] for entry in mis["findings"] for key in ("attribute", "than")]
    chart = scatters.shown(id, rows, mis["encoder"], marked)
    heads = ("Attribute", "Relation", "Images", "Share", "95% interval", *(["Planted"] if known else []), "Read from")
    return Panel("Relation against frequency", "", (chart,), "Relation and frequency", heads, tuple(table))


def _planted(run: Run, concept: str, source: str) -> float | None:
    """The planted share of `AXIS:CLASS`, of an object, or of any of several classes of one axis."""
    shares = [_planted_place(run, concept, place) for place in source.split(", ")]
    known = [share for share in shares if share is not None]
    return min(1.0, sum(known)) if known and len(known) == len(shares) else None


def _planted_place(run: Run, concept: str, place: str) -> float | None:
    axis, colon, label = place.partition(":")
    if colon:
        return run.planted(concept).get(axis, {}).get(label)
    known = run.planted_objects(concept)
    return None if known is None else sum(share for name, share in known.items() if is_a(name, place))


def planted_object(run: Run, row: Row) -> float | None:
    """The share of images that an object was planted in, of a test fixture; None where that is not known."""
    known = run.planted_objects(row["concept"])
    return None if known is None else known.get(next(iter(row["merged"])), 0.0)
