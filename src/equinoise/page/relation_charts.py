"""Charts of relations, objects and shares: bars, radar, donut. See `charts` for what they share.

Colours are never alone: series differ in symbol, dash or pattern too, and every number stands in a table beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from equinoise.page import words
from equinoise.page.charts import DASHES, PALETTE, SYMBOLS, Chart, Figure, axis, bars, layout, plain

Row = Mapping[str, Any]
TITLES = {
    "text": "cosine in the text encoder",
    "text_centred": "cosine in the text encoder, centred",
    "vision": "mean cosine of images",
}
SHORT = {"text": "cosine", "text_centred": "centred cosine", "vision": "mean cosine"}
"""Where the encoder is named above the chart."""
PATTERNS = ("", "/", "x", ".", "-", "\\", "+", "|")


def histogram(id: str, objects: Sequence[Row]) -> Chart:
    """How many of the images show each object, with intervals; an upright line at what was planted, where known."""
    rows = [{**row, "label": row["phrase"], "text": words.share(row, row["n"])} for row in objects]
    label = "Share of images that show each object; the table holds the same numbers"
    chart = _bar_chart(id, rows, "share", label, "share of images", "--blue", percent=True)
    known = [(len(rows) - 1 - i, row["planted"]) for i, row in enumerate(rows) if row.get("planted") is not None]
    if known:
        chart.figure["data"].append(_planted(known))
        chart.figure["layout"]["margin"]["t"] = 40
    return chart


def _planted(places: Sequence[tuple[int, float]]) -> Figure:
    return {
        "type": "scatter", "mode": "markers", "name": "planted", "showlegend": True,
        "x": [share for _, share in places], "y": [place for place, _ in places],
        "hovertemplate": "planted %{x:.0%}<extra></extra>",
        "marker": {"symbol": "line-ns-open", "size": 24, "color": "--vermillion",
                   "line": {"width": 3, "color": "--vermillion"}},
    }  # fmt: skip


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
    return _bar_chart(id, shaped, kind, label, SHORT[kind], colour)


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
        "hovertemplate": "%{text}<extra></extra>", "marker": {"color": colour}, "showlegend": False,
        "error_x": {**bars(shown, value), "color": "--ink"},
    }  # fmt: skip
    more = {"tickformat": ".0%", "rangemode": "tozero"} if percent else {"rangemode": "tozero"}
    shape = layout(
        xaxis=axis(title={"text": title}, nticks=4, tickangle=0, **more),
        yaxis=axis(tickvals=list(range(len(names))), ticktext=names, showgrid=False),
        margin={"l": 8, "r": 16, "t": 12, "b": 48}, bargap=0.35,
    )  # fmt: skip
    return Chart(id, label, 90 + 30 * max(3, len(rows)), {"data": [trace], "layout": shape})


SPOKES, NARROW = 12, 12


def spokes(rows: Sequence[Row]) -> list[Row]:
    """The attributes that a wheel has room for: those of the greatest relations, of text and vision in turn."""
    orders = (sorted(rows, key=lambda row: -(row[kind] or 0.0)) for kind in ("text_centred", "vision"))
    chosen = list(dict.fromkeys(row["attribute"] for pair in zip(*orders, strict=True) for row in pair))[:SPOKES]
    return [row for row in rows if row["attribute"] in chosen]


def radar(id: str, rows: Sequence[Row]) -> Chart:
    """Text and vision on one wheel, each scaled from its least (0) to its greatest relation (1)."""
    whole, rows = len(rows), spokes(rows)
    names = ["<br>".join(wrap(plain(row["attribute"]), NARROW)) for row in rows]
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
        margin={"l": 92, "r": 92, "t": 56, "b": 56},
    )  # fmt: skip
    which = "all attributes" if whole == len(rows) else f"the {len(rows)} closest attributes"
    label = f"Relations of {which} on a wheel, text and vision, each from its least to its greatest"
    return Chart(id, label, 484, {"data": data, "layout": shape})


def donut(id: str, audit: Row) -> Chart:
    """Shares of the classes of one axis; each slice is named and patterned."""
    rows = [(name, entry) for name, entry in audit["classes"].items() if entry["share"]]
    clear = audit["n"] - audit["unclear"]
    trace = {
        "type": "pie", "hole": 0.55, "sort": False, "direction": "clockwise", "texttemplate": "%{label} %{percent:.0%}",
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
    return Chart(id, label, 260, {"data": [trace], "layout": layout(annotations=[centre], margin=_EVEN)})


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
