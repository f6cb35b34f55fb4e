"""Charts as plain plotly figures. Colours are names of the page's own (`--before`), so that they follow its theme.

Before is an orange open circle, after a blue diamond, the target an upright line: never colour alone.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from equinoise.page import words

Figure = dict[str, Any]
PALETTE = ("--blue", "--vermillion", "--green", "--purple", "--orange", "--sky", "--ink")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star-triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
STYLES = {"before": ("--before", "circle-open", 0.14), "after": ("--after", "diamond", -0.14)}


@dataclass(frozen=True)
class Chart:
    """One figure: its id in the page, what a screen reader says of it, its height and what plotly draws."""

    id: str
    label: str
    height: int
    figure: Figure

    @property
    def json(self) -> Markup:
        """The figure for a script element: nothing in it can end that element or start another."""
        text = json.dumps(self.figure, allow_nan=False, sort_keys=True)
        return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def plain(text: Any) -> str:
    """Text that plotly shows as it is, where it would read tags and links."""
    return html.escape(str(text), quote=False)


def axis(**more: Any) -> Figure:
    """A calm axis that does not trap a finger scrolling over it."""
    if "title" in more:
        more["title"] = {"font": {"size": 14}, **more["title"]}
    return {"gridcolor": "--grid", "zeroline": False, "fixedrange": True, "automargin": True, **more}


def layout(**more: Any) -> Figure:
    """What all charts share."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False, "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "size": 14, "color": "--ink"},
        "hoverlabel": {"bgcolor": "--card", "bordercolor": "--line", "font": {"color": "--ink"}},
        "margin": {"l": 8, "r": 16, "t": 44, "b": 40},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"}, **more,
    }  # fmt: skip


def bars(entries: Sequence[Mapping[str, Any]], value: str) -> Figure:
    """Error bars from `low` and `high`; none where an interval is missing."""

    def reach(entry: Mapping[str, Any], end: str) -> float:
        return 0.0 if entry.get(end) is None else abs(float(entry[end]) - float(entry[value]))

    return {
        "type": "data", "symmetric": False, "thickness": 2, "width": 5,
        "array": [reach(entry, "high") for entry in entries],
        "arrayminus": [reach(entry, "low") for entry in entries],
    }  # fmt: skip


def shares(id: str, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> Chart:
    """Share of each class with its interval against the target, before and after."""
    classes = list(before["classes"])
    place = {name: len(classes) - 1 - index for index, name in enumerate(classes)}
    target = {
        "type": "scatter", "mode": "markers", "name": "target", "y": list(place.values()),
        "x": [before["target"][name] for name in classes], "hovertemplate": "target %{x:.0%}<extra></extra>",
        "marker": {"symbol": "line-ns-open", "size": 30, "color": "--ink", "line": {"width": 2, "color": "--ink"}},
    }  # fmt: skip
    groups = {"before": before, **({"after": after} if after else {})}
    dots = [_dots(name, audit, place, alone=after is None) for name, audit in groups.items()]
    percents = axis(range=[-0.02, 1.02], tickformat=".0%", dtick=0.25)
    ticks = axis(
        range=[-0.6, len(classes) - 0.4], tickvals=list(place.values()), ticktext=[plain(name) for name in classes],
        showgrid=False,
    )  # fmt: skip
    label = f"Share of each class of {before['axis']} for {before['concept']}; the table holds the same numbers"
    return Chart(
        id, label, 110 + 58 * len(classes), {"data": [target, *dots], "layout": layout(xaxis=percents, yaxis=ticks)}
    )


def _dots(group: str, audit: Mapping[str, Any], place: Mapping[str, int], alone: bool) -> Figure:
    colour, symbol, offset = STYLES[group]
    rows = [(name, entry) for name, entry in audit["classes"].items() if entry["share"] is not None]
    clear = audit["n"] - audit["unclear"]
    return {
        "type": "scatter", "mode": "markers", "name": "measured" if alone else group,
        "x": [entry["share"] for _, entry in rows], "y": [place[name] + (0 if alone else offset) for name, _ in rows],
        "text": [plain(f"{name} {words.share(entry, clear)}") for name, entry in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "error_x": {**bars([entry for _, entry in rows], "share"), "color": colour},
        "marker": {"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2.5, "color": colour}},
    }  # fmt: skip


def differences(id: str, changes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Chart:
    """Paired change of each class in points, with its interval; the line at 0 is no change."""
    rows = [(f"{name} ({axis_name})", entry) for axis_name, found in changes.items() for name, entry in found.items()]
    scaled = [{key: 100 * entry[key] for key in ("difference", "low", "high")} for _, entry in rows]
    places = list(range(len(rows) - 1, -1, -1))
    reach = max([10.0, *(abs(entry[end]) + 4 for entry in scaled for end in ("low", "high"))])
    dots = {
        "type": "scatter", "mode": "markers", "showlegend": False, "y": places,
        "x": [entry["difference"] for entry in scaled], "hovertemplate": "%{text}<extra></extra>",
        "text": [plain(f"{name}: {words.change(entry)}") for name, entry in rows],
        "error_x": {**bars(scaled, "difference"), "color": "--after"},
        "marker": {"symbol": "diamond", "size": 12, "color": "--after"},
    }  # fmt: skip
    shape = layout(
        xaxis=axis(title={"text": "change in percentage points"}, range=[-reach, reach], zeroline=True,
                   zerolinecolor="--ink", zerolinewidth=2),
        yaxis=axis(tickvals=places, ticktext=[plain(name) for name, _ in rows], range=[-0.6, len(rows) - 0.4],
                   showgrid=False),
        margin={"l": 8, "r": 16, "t": 12, "b": 48},
    )  # fmt: skip
    label = "Change of each class from before to after on the same seeds; the table holds the same numbers"
    return Chart(id, label, 90 + 40 * len(rows), {"data": [dots], "layout": shape})


def accuracy(id: str, axis_name: str, directions: Sequence[Mapping[str, Any]]) -> Chart:
    """Held-out accuracy of the directions of one axis by step, against chance."""
    known = [entry for entry in directions if entry["accuracy"] is not None]
    steps = list(dict.fromkeys(str(entry["step"]) for entry in known))
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in known:
        name = f"{entry['class']} against {entry['against']}" if entry.get("against") else entry["class"]
        groups.setdefault(f"{name} ({entry['estimator']})", []).append(entry)
    lines = [
        line(name, [steps.index(str(entry["step"])) for entry in rows], rows, "accuracy", index=index, of=len(groups))
        for index, (name, rows) in enumerate(groups.items())
    ]
    chance = {
        "type": "scatter", "mode": "lines", "name": "chance", "x": [-0.5, len(steps) - 0.5], "y": [0.5, 0.5],
        "hoverinfo": "skip", "line": {"color": "--soft", "width": 2, "dash": "dash"},
    }  # fmt: skip
    floor = min([0.4, *(entry["low"] for entry in known if entry.get("low") is not None)])
    shape = layout(
        xaxis=axis(title={"text": "step (T is the noise itself)"}, tickvals=list(range(len(steps))),
                   ticktext=[plain(step) for step in steps], range=[-0.5, len(steps) - 0.5], showgrid=False),
        yaxis=axis(range=[floor - 0.05, 1.03], tickformat=".0%"), margin={"l": 8, "r": 16, "t": 60, "b": 52},
    )  # fmt: skip
    label = f"Held-out accuracy of the {axis_name} directions by step; the table holds the same numbers"
    return Chart(id, label, 360, {"data": [chance, *lines], "layout": shape})


def line(
    name: str, places: Sequence[float], rows: Sequence[Mapping[str, Any]], value: str, *, index: int, of: int
) -> Figure:
    """One series with intervals; series are told apart by colour, symbol and dash, and moved a little aside."""
    kind = index % len(PALETTE)
    aside = (index - (of - 1) / 2) * min(0.1, 0.5 / of)
    return {
        "type": "scatter", "mode": "lines+markers", "name": plain(name), "x": [place + aside for place in places],
        "y": [row[value] for row in rows], "error_y": {**bars(rows, value), "color": PALETTE[kind]},
        "text": [f"{words.percent(row[value])} ({words.span(row.get('low'), row.get('high'))})" for row in rows],
        "hovertemplate": "%{fullData.name}: %{text}<extra></extra>",
        "line": {"color": PALETTE[kind], "width": 2, "dash": DASHES[kind]},
        "marker": {"symbol": SYMBOLS[kind], "size": 9, "color": PALETTE[kind]},
    }  # fmt: skip
