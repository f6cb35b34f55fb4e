"""Scatter plots of relations: text against vision, attribute by attribute and pair by pair, with labels that are free.

Colours are never alone: what is part of a finding has a symbol of its own, and every number stands in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.page import words
from equinoise.page.charts import Chart, Figure, axis, layout, plain
from equinoise.page.placing import Offset, place
from equinoise.page.relation_charts import TITLES, cosine

Row = Mapping[str, Any]
WIDTHS = (250.0, 420.0, 620.0, 900.0)
"""Plots between a phone and a desk: labels are placed so that they are free at all of them."""
TALL, LOW = 620, 460
NUMBERED = 20


@dataclass(frozen=True)
class Point:
    """An attribute in a scatter plot."""

    name: str
    x: float
    y: float
    text: str
    marked: bool


def scatter(id: str, rows: Sequence[Row], marked: Sequence[str] = ()) -> Chart:
    """Text against vision, a labelled point an attribute; those of a finding are diamonds."""
    points = [
        Point(r["attribute"], r["text_centred"], r["vision"],
              f"{r['attribute']}: text {cosine(r, 'text_centred')}, vision {cosine(r, 'vision')}",
              r["attribute"] in marked)
        for r in rows
        if r["text_centred"] is not None and r["vision"] is not None
    ]  # fmt: skip
    label = "Relation in the text encoder against relation over images; the table holds the same numbers"
    return _cloud(id, points, label, {"title": {"text": TITLES["text_centred"]}}, {"title": {"text": TITLES["vision"]}})


def shown(id: str, rows: Sequence[Row], kind: str, marked: Sequence[str] = ()) -> Chart:
    """Relation against frequency, a labelled point an attribute: those at the lower right are closer than shown."""
    points = [
        Point(r["attribute"], r["relation"], r["share"],
              f"{r['attribute']}: relation {words.number(r['relation'])}, shown in {words.share(r, r['n'])}",
              r["attribute"] in marked)
        for r in rows
    ]  # fmt: skip
    label = "Relation against the share of images that show it; the table holds the same numbers"
    up = {"title": {"text": "share of images that show it"}, "tickformat": ".0%"}
    return _cloud(id, points, label, {"title": {"text": TITLES[kind]}}, up)


def _cloud(id: str, points: Sequence[Point], label: str, across: Figure, up: Figure) -> Chart:
    x, y = [point.x for point in points], [point.y for point in points]
    shape = layout(
        xaxis=axis(range=reach(x), **across), yaxis=axis(range=reach(y), **up),
        margin={"l": 56, "r": 8, "t": 24, "b": 56}, annotations=_labels([point.name for point in points], x, y),
    )  # fmt: skip
    groups = [("no finding", "--blue", "circle", False), ("part of a finding", "--vermillion", "diamond", True)]
    data = [
        {
            "type": "scatter", "mode": "markers", "name": name,
            "marker": {"symbol": symbol, "size": 11, "color": colour},
            "x": [point.x for point in those], "y": [point.y for point in those],
            "text": [plain(point.text) for point in those], "hovertemplate": "%{text}<extra></extra>",
        }
        for name, colour, symbol, there in groups
        if (those := [point for point in points if point.marked is there])
    ]  # fmt: skip
    return Chart(id, label, TALL, {"data": data, "layout": shape})


def reach(values: Sequence[float]) -> list[float]:
    """The ends of an axis: a little further than the values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    edge = 0.12 * max(high - low, 1e-3)
    return [low - edge, high + edge]


def _labels(names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> list[Figure]:
    """An annotation a point, where it fits; the others are named on touch and in the table."""
    offsets = place(placed(x, y, reach(x), reach(y)), names, WIDTHS, TALL - 90)
    return [_label(*entry) for entry in zip(names, x, y, offsets, strict=True)]


def placed(
    x: Sequence[float], y: Sequence[float], across: Sequence[float], up: Sequence[float]
) -> list[tuple[float, float]]:
    """From the left and from the top, 0–1."""
    (left, right), (bottom, top) = across, up
    return [((a - left) / (right - left), (top - b) / (top - bottom)) for a, b in zip(x, y, strict=True)]


def _label(name: str, x: float, y: float, offset: Offset | None) -> Figure:
    """Of a point; nothing to be seen where there is no room."""
    ax, ay = offset or (0.0, 0.0)
    return {
        "x": x, "y": y, "ax": ax, "ay": ay, "text": plain(name), "showarrow": True, "arrowhead": 0, "arrowwidth": 1,
        "arrowcolor": "--soft", "standoff": 6, "font": {"size": 12, "color": "--ink"}, "visible": offset is not None,
    }  # fmt: skip


def differences(id: str, pairs: Sequence[Row], found: Sequence[tuple[str, str]]) -> Chart:
    """Every pair of attributes: difference in text against difference over images; findings by their number."""
    known = [row for row in pairs if row["text_centred"] is not None and row["vision"] is not None]
    turned = [closer_first(row) for row in known]
    places = {(row["attribute"], row["than"]): (row["text_centred"], row["vision"]) for row in turned}
    numbers = {pair: number for number, pair in enumerate(found, start=1) if pair in places}
    data = [
        _pairs("all pairs", "--blue", "circle-open", {pair: at for pair, at in places.items() if pair not in numbers}),
        _pairs("findings, numbered as listed", "--vermillion", "diamond", {pair: places[pair] for pair in numbers}),
    ]
    across, up = (reach([0.0, *(row[kind] for row in turned)]) for kind in ("text_centred", "vision"))
    shape = layout(
        xaxis=axis(title={"text": "difference in text (centred)"}, range=across),
        yaxis=axis(title={"text": "difference over images"}, range=up, zeroline=True, zerolinecolor="--ink"),
        margin={"l": 56, "r": 8, "t": 56, "b": 56}, annotations=_numbers(numbers, places, across, up),
    )  # fmt: skip
    label = "Differences of pairs of attributes, in text and over images; below the line the two disagree"
    return Chart(id, label, LOW, {"data": [trace for trace in data if trace["x"]], "layout": shape})


Pair = tuple[str, str]
Places = Mapping[Pair, tuple[float, float]]


def _pairs(name: str, colour: str, symbol: str, places: Places) -> Figure:
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": [x for x, _ in places.values()], "y": [y for _, y in places.values()],
        "text": [plain(f"{first} − {second}") for first, second in places], "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": symbol, "size": 9, "color": colour},
    }  # fmt: skip


def _numbers(numbers: Mapping[Pair, int], places: Places, across: Sequence[float], up: Sequence[float]) -> list[Figure]:
    pairs = list(numbers)[:NUMBERED]
    x, y, names = [places[p][0] for p in pairs], [places[p][1] for p in pairs], [str(numbers[p]) for p in pairs]
    offsets = place(placed(x, y, across, up), names, WIDTHS, LOW - 110)
    return [_label(*entry) for entry in zip(names, x, y, offsets, strict=True)]


def closer_first(row: Row) -> Row:
    """A pair turned so that the first is closer in text: below the line at 0 the images disagree."""
    if row["text_centred"] >= 0:
        return row
    swapped = {**row, "attribute": row["than"], "than": row["attribute"]}
    return swapped | {kind: -row[kind] for kind in ("text", "text_centred", "vision") if row[kind] is not None}
