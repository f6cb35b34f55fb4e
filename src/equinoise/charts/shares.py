"""Shares of classes with their intervals against a target, of one or several groups of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.style import INK, axis, error_bars, figure, group_style, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

Groups = Mapping[str, Mapping[str, Bar]]
"""Group of images → class → its share."""
TITLE = 0.8
"""Of a class's height: what the title of a panel takes."""


def shares_chart(panels: Sequence[tuple[str, Groups]]) -> go.Figure:
    """A panel below the other, each with its title (none where it is empty), and in each a row a class.

    The share is a mark, its interval a line, its target an upright stroke; each group of a panel has a mark of its own.
    """
    groups = list(dict.fromkeys(name for _, panel in panels for name in panel))
    spots, titles, depth = _places(panels)
    ticks = {depth - place: name for place, name in spots.values()}
    percents = axis(range=[-0.02, 1.02], tickformat=".0%", dtick=0.25)
    rows = axis(
        range=[-0.6, depth + 0.6], tickvals=list(ticks), ticktext=[plain(name) for name in ticks.values()],
        showgrid=False,
    )  # fmt: skip
    heads = [
        {"x": 0, "xref": "paper", "xanchor": "left", "y": depth - place, "text": f"<b>{plain(title)}</b>",
         "showarrow": False}
        for title, place in titles
    ]  # fmt: skip
    heights = {key: depth - place for key, (place, _) in spots.items()}
    traces = [_targets(panels, heights)] + [_group(panels, heights, name, groups) for name in groups]
    each = 58 if len(groups) < 3 else 68
    return figure(traces, round(110 + each * (depth + 1)), xaxis=percents, yaxis=rows, annotations=heads)


def _places(
    panels: Sequence[tuple[str, Groups]],
) -> tuple[dict[tuple[int, str], tuple[float, str]], list[tuple[str, float]], float]:
    """Of each class of a panel, and of each title, how far down it is; and how far down the last class is."""
    spots: dict[tuple[int, str], tuple[float, str]] = {}
    titles: list[tuple[str, float]] = []
    place = 0.0
    for index, (title, panel) in enumerate(panels):
        if title:
            titles.append((title, place))
            place += TITLE
        for name in dict.fromkeys(name for bars in panel.values() for name in bars):
            spots[index, name] = place, name
            place += 1
    return spots, titles, max(0.0, place - 1)


Heights = Mapping[tuple[int, str], float]


def _targets(panels: Sequence[tuple[str, Groups]], heights: Heights) -> go.Scatter:
    import plotly.graph_objects as go

    wanted = {
        (index, name): bar.target
        for index, (_, panel) in enumerate(panels)
        for bars in panel.values()
        for name, bar in bars.items()
        if bar.target is not None
    }
    return go.Scatter(
        mode="markers",
        name="target",
        x=list(wanted.values()),
        y=[heights[key] for key in wanted],
        hovertemplate="target %{x:.0%}<extra></extra>",
        marker={"symbol": "line-ns-open", "size": 30, "color": INK, "line": {"width": 2, "color": INK}},
    )


def _group(panels: Sequence[tuple[str, Groups]], heights: Heights, name: str, groups: Sequence[str]) -> go.Scatter:
    import plotly.graph_objects as go

    of = len(groups)
    colour, symbol = group_style(groups.index(name), of)
    known = {
        (index, label): bar
        for index, (_, panel) in enumerate(panels)
        for label, bar in panel.get(name, {}).items()
        if bar.value is not None
    }
    aside = ((of - 1) / 2 - groups.index(name)) * min(0.28, 0.72 / of)
    return go.Scatter(
        mode="markers",
        name=plain(name),
        x=[bar.value for bar in known.values()],
        y=[heights[key] + aside for key in known],
        text=[plain(f"{label}: {bar.said}") for (_, label), bar in known.items()],
        hovertemplate="%{text}<extra></extra>",
        error_x=error_bars(list(known.values()), colour),
        marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2.5, "color": colour}},
    )
