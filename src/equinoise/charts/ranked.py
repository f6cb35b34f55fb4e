"""Lying bars with intervals, one a name: how often objects are shown, how close attributes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.style import INK, VERMILLION, axis, error_bars, figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go


def ranked_bars(
    rows: Sequence[tuple[str, Bar]], title: str, colour: str, *, shares: bool = False, target: str = "planted"
) -> go.Figure:
    """The first row on top; an upright stroke where a row has a target.

    `shares`: the numbers are shares, and their axis is in percent. `target`: what the legend calls the strokes.
    """
    import plotly.graph_objects as go

    shown = [(len(rows) - 1 - index, name, bar) for index, (name, bar) in enumerate(rows)]
    bars = [bar for _, _, bar in shown]
    places = [place for place, _, _ in shown]
    traces = [
        go.Bar(
            orientation="h",
            x=[bar.value for bar in bars],
            y=places,
            text=[plain(bar.said) for bar in bars],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            marker={"color": colour},
            showlegend=False,
            error_x=error_bars(bars, INK),
        )
    ]
    known = [(place, bar.target) for place, _, bar in shown if bar.target is not None]
    if known:
        traces.append(_strokes(known, target))
    across = axis(title=title, nticks=4, tickangle=0, rangemode="tozero", **({"tickformat": ".0%"} if shares else {}))
    named = axis(tickvals=places, ticktext=[plain(name) for _, name, _ in shown], showgrid=False)
    margin = {"l": 8, "r": 16, "t": 40 if known else 12, "b": 48}
    return figure(traces, 90 + 30 * max(3, len(rows)), xaxis=across, yaxis=named, margin=margin, bargap=0.35)


def _strokes(places: Sequence[tuple[int, float]], name: str) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        mode="markers",
        name=name,
        showlegend=True,
        x=[share for _, share in places],
        y=[place for place, _ in places],
        hovertemplate=f"{name} %{{x:.0%}}<extra></extra>",
        marker={"symbol": "line-ns-open", "size": 24, "color": VERMILLION, "line": {"width": 3, "color": VERMILLION}},
    )
