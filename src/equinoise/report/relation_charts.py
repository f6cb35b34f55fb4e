"""Charts of relations, objects and shares: bars, scatter, radar, donut, differences. See `charts` for what they share.

Colours are never alone: series differ in symbol, dash or pattern too, and every number stands in a table beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from equinoise.report import words
from equinoise.report.charts import DASHES, PALETTE, SYMBOLS, Chart, Figure, axis, bars, layout, plain
from equinoise.report.placing import place

Row = Mapping[str, Any]
TITLES = {
    "text": "cosine in the text encoder",
    "text_centred": "cosine in the text encoder, centred",
    "vision": "mean cosine of images",
}
WIDTHS = (250.0, 420.0, 620.0, 900.0)
"""Plots between a phone and a desk: labels are placed so that they are free at all of them."""
TALL = 620
PATTERNS = ("", "/", "x", ".", "-", "\\", "+", "|")


def histogram(id: str, objects: Sequence[Row]) -> Chart:
    """How many of the images show each object, with intervals."""
    rows = [{**row, "label": row["phrase"], "text": words.share(row, row["n"])} for row in objects]
    label = "Share of images that show each object; the table holds the same numbers"
    return _bar_chart(id, rows, "share", label, "share of images", "--blue", percent=True)


def relation_bars(id: str, rows: Sequence[Row], kind: str) -> Chart:
    """The relation of each attribute in one encoder, the closest on top."""
    known = sorted((row for row in rows if row[kind] is not None), key=lambda row: -row[kind])
    shaped = [
        {
            "label": row["attribute"], kind: row[kind], "low": row[f"{kind}_low"], "high": row[f"{kind}_high"],
            "text": cosine(row, kind),
        }
        for row in known
    ]  # fmt: skip
    colour = "--vermillion" if kind == "vision" else "--green"
    label = f"{TITLES[kind]} of each attribute; the table holds the same numbers"
    return _bar_chart(id, shaped, kind, label, TITLES[kind], colour)


def cosine(row: Row, kind: str) -> str:
    """`0.31 (0.28–0.34)`."""
    low, high = row.get(f"{kind}_low"), row.get(f"{kind}_high")
    value = words.number(row[kind])
    return value if low is None or high is None else f"{value} ({words.number(low)} to {words.number(high)})"


def _bar_chart(
    id: str, rows: Sequence[Row], value: str, label: str, title: str, colour: str, percent: bool = False
) -> Chart:
    names = [plain(row["label"]) for row in rows][::-1]
    shown = list(rows)[::-1]
    trace = {
        "type": "bar", "orientation": "h", "x": [row[value] for row in shown], "y": list(range(len(shown))),
        "text": [plain(row["text"]) for row in shown], "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>", "marker": {"color": colour},
        "error_x": {**bars(shown, value), "color": "--ink"},
    }  # fmt: skip
    more = {"tickformat": ".0%", "rangemode": "tozero"} if percent else {"rangemode": "tozero"}
    shape = layout(
        xaxis=axis(title={"text": title}, **more),
        yaxis=axis(tickvals=list(range(len(names))), ticktext=names, showgrid=False),
        margin={"l": 8, "r": 16, "t": 12, "b": 48}, bargap=0.35,
    )  # fmt: skip
    return Chart(id, label, 90 + 30 * max(3, len(rows)), {"data": [trace], "layout": shape})


def scatter(id: str, rows: Sequence[Row], marked: Sequence[str] = ()) -> Chart:
    """Text against vision, a labelled point an attribute; those of a finding are diamonds."""
    known = [row for row in rows if row["text_centred"] is not None and row["vision"] is not None]
    x, y = [row["text_centred"] for row in known], [row["vision"] for row in known]
    shape = layout(
        xaxis=axis(title={"text": TITLES["text_centred"]}, range=_range(x)),
        yaxis=axis(title={"text": TITLES["vision"]}, range=_range(y)),
        margin={"l": 56, "r": 8, "t": 24, "b": 56}, annotations=_labels([row["attribute"] for row in known], x, y),
    )  # fmt: skip
    groups = [("no finding", "--blue", "circle", False), ("part of a finding", "--vermillion", "diamond", True)]
    data = [
        _cloud([row for row in known if (row["attribute"] in marked) is there], name, colour, symbol)
        for name, colour, symbol, there in groups
    ]
    label = "Relation in the text encoder against relation over images; the table holds the same numbers"
    return Chart(id, label, TALL, {"data": [trace for trace in data if trace["x"]], "layout": shape})


def _cloud(rows: Sequence[Row], name: str, colour: str, symbol: str) -> Figure:
    return {
        "type": "scatter", "mode": "markers", "name": name, "marker": {"symbol": symbol, "size": 11, "color": colour},
        "x": [row["text_centred"] for row in rows], "y": [row["vision"] for row in rows],
        "text": [
            plain(f"{r['attribute']}: text {cosine(r, 'text_centred')}, vision {cosine(r, 'vision')}") for r in rows
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _range(values: Sequence[float]) -> list[float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    reach = max(high - low, 1e-3)
    return [low - 0.12 * reach, high + 0.12 * reach]


def _labels(names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> list[Figure]:
    """An annotation a point, where it fits; the others are named on touch and in the table."""
    (left, right), (bottom, top) = _range(x), _range(y)
    points = [((a - left) / (right - left), (top - b) / (top - bottom)) for a, b in zip(x, y, strict=True)]
    offsets = place(points, names, WIDTHS, TALL - 90)
    return [
        {
            "x": a, "y": b, "ax": offset[0], "ay": offset[1], "text": plain(name), "showarrow": True, "arrowhead": 0,
            "arrowwidth": 1, "arrowcolor": "--soft", "standoff": 6, "font": {"size": 12, "color": "--ink"},
        }
        for name, a, b, offset in zip(names, x, y, offsets, strict=True)
        if offset
    ]  # fmt: skip


def radar(id: str, rows: Sequence[Row]) -> Chart:
    """Text and vision on one wheel, each scaled from its least (0) to its greatest relation (1)."""
    names = [plain(row["attribute"]) for row in rows]
    data = []
    for index, kind in enumerate(("text_centred", "vision")):
        values = [row[kind] for row in rows if row[kind] is not None]
        if len(values) < len(rows) or max(values) == min(values):
            continue
        scaled = [(row[kind] - min(values)) / (max(values) - min(values)) for row in rows]
        data.append(
            {
                "type": "scatterpolar", "mode": "lines+markers", "name": "text" if index == 0 else "vision",
                "r": [*scaled, scaled[0]], "theta": [*names, names[0]], "hovertemplate": "%{theta}<extra></extra>",
                "line": {"color": PALETTE[index], "width": 2, "dash": DASHES[index]},
                "marker": {"symbol": SYMBOLS[index], "size": 8, "color": PALETTE[index]},
            }
        )  # fmt: skip
    shape = layout(
        polar={
            "bgcolor": "rgba(0,0,0,0)",
            "radialaxis": {"range": [0, 1.05], "showticklabels": False, "gridcolor": "--grid"},
            "angularaxis": {"gridcolor": "--grid", "tickfont": {"size": 12}},
        },
        margin={"l": 72, "r": 72, "t": 56, "b": 32},
    )  # fmt: skip
    label = "Relations of all attributes on a wheel, text and vision, each from its least to its greatest"
    return Chart(id, label, 460, {"data": data, "layout": shape})


def donut(id: str, audit: Row) -> Chart:
    """Shares of the classes of one axis; each slice is named and patterned."""
    rows = [(name, entry) for name, entry in audit["classes"].items() if entry["share"]]
    clear = audit["n"] - audit["unclear"]
    trace = {
        "type": "pie", "hole": 0.55, "sort": False, "direction": "clockwise", "textinfo": "label+percent",
        "labels": [plain(name) for name, _ in rows], "values": [entry["count"] for _, entry in rows],
        "text": [plain(words.share(entry, clear)) for _, entry in rows],
        "hovertemplate": "%{label}: %{text}<extra></extra>", "showlegend": False, "textposition": "outside",
        "marker": {
            "colors": [PALETTE[i % len(PALETTE)] for i in range(len(rows))],
            "pattern": {"shape": [PATTERNS[i % len(PATTERNS)] for i in range(len(rows))]},
        },
        "automargin": True,
    }  # fmt: skip
    centre = {"text": plain(audit["axis"]), "showarrow": False, "font": {"size": 16, "color": "--ink"}}
    label = f"Shares of {audit['axis']}; the table below holds the same numbers"
    return Chart(id, label, 320, {"data": [trace], "layout": layout(annotations=[centre], margin=_EVEN)})


_EVEN = {"l": 16, "r": 16, "t": 24, "b": 24}


def grouped_bars(id: str, objects: Sequence[Row], axis_name: str) -> Chart:
    """Of the images of each class, how many show an object: a group an object, a bar a class."""
    rows = [row for row in objects if axis_name in row["with"]]
    classes = list(dict.fromkeys(name for row in rows for name in row["with"][axis_name]))
    data = [
        {
            "type": "bar", "name": plain(name), "x": [plain(row["phrase"]) for row in rows],
            "y": [entry["share"] for entry in entries],
            "text": [plain(f"{name}: {words.share(entry, entry['n'])}") for entry in entries], "textposition": "none",
            "hovertemplate": "%{text}<extra></extra>",
            "error_y": {**bars(entries, "share"), "color": "--ink"},
            "marker": {"color": PALETTE[i % len(PALETTE)], "pattern": {"shape": PATTERNS[i % len(PATTERNS)]}},
        }
        for i, name in enumerate(classes)
        for entries in [[row["with"][axis_name].get(name, _NONE) for row in rows]]
    ]  # fmt: skip
    shape = layout(
        barmode="group", yaxis=axis(tickformat=".0%", range=[0, 1.02]), xaxis=axis(showgrid=False, tickangle=-30),
        margin={"l": 8, "r": 8, "t": 56, "b": 80},
    )  # fmt: skip
    label = f"Share of the images of each class of {axis_name} that show an object"
    return Chart(id, label, 380, {"data": data, "layout": shape})


_NONE: Row = {"count": 0, "n": 0, "share": None, "low": None, "high": None}
"""An object whose images hold nobody of a class: no bar."""


def differences(id: str, pairs: Sequence[Row], found: Sequence[tuple[str, str]]) -> Chart:
    """Every pair of attributes: difference in text against difference over images; findings are named."""
    known = [row for row in pairs if row["text_centred"] is not None and row["vision"] is not None]
    turned = [_closer_first(row) for row in known]
    names = [f"{row['attribute']} − {row['than']}" for row in turned]
    marked = [index for index, row in enumerate(turned) if (row["attribute"], row["than"]) in found]
    x, y = [row["text_centred"] for row in turned], [row["vision"] for row in turned]
    data = []
    for name, colour, symbol, rows in (
        ("all pairs", "--blue", "circle-open", [i for i in range(len(turned)) if i not in marked]),
        ("findings", "--vermillion", "diamond", marked),
    ):
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name,
                "x": [x[i] for i in rows], "y": [y[i] for i in rows],
                "text": [plain(names[i]) for i in rows], "hovertemplate": "%{text}<extra></extra>",
                "marker": {"symbol": symbol, "size": 9, "color": colour},
            }
        )  # fmt: skip
    shape = layout(
        xaxis=axis(title={"text": "difference in text (centred)"}, range=_range([0.0, *x])),
        yaxis=axis(title={"text": "difference over images"}, range=_range([0.0, *y]), zeroline=True,
                   zerolinecolor="--ink"),
        margin={"l": 56, "r": 8, "t": 56, "b": 56},
    )  # fmt: skip
    label = "Differences of pairs of attributes, in text and over images; below the line the two disagree"
    return Chart(id, label, 460, {"data": data, "layout": shape})


def _closer_first(row: Row) -> Row:
    """A pair turned so that the first is closer in text: below the line at 0 the images disagree."""
    if row["text_centred"] >= 0:
        return row
    swapped = {**row, "attribute": row["than"], "than": row["attribute"]}
    return swapped | {kind: -row[kind] for kind in ("text", "text_centred", "vision") if row[kind] is not None}
