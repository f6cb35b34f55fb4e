"""Paired changes of shares in percentage points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.numbers import points
from equinoise.charts.style import BLUE, INK, axis, error_bars, figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go


def changes_chart(rows: Sequence[tuple[str, Bar]]) -> go.Figure:
    """The change of each class with its interval; the line at 0 is no change. `rows`: changes of shares, −1 to 1."""
    import plotly.graph_objects as go

    scaled = [_scaled(bar) for _, bar in rows]
    places = list(range(len(rows) - 1, -1, -1))
    ends = [abs(end) + 4 for bar in scaled for end in (bar.low, bar.high, bar.value) if end is not None]
    reach = max([10.0, *ends])
    trace = go.Scatter(
        mode="markers",
        showlegend=False,
        x=[bar.value for bar in scaled],
        y=places,
        text=[plain(f"{name}: {bar.text}") for (name, _), bar in zip(rows, scaled, strict=True)],
        hovertemplate="%{text}<extra></extra>",
        error_x=error_bars(scaled, BLUE),
        marker={"symbol": "diamond", "size": 12, "color": BLUE},
    )
    across = axis(
        title="change in percentage points", range=[-reach, reach], zeroline=True, zerolinecolor=INK, zerolinewidth=2
    )
    named = axis(
        tickvals=places, ticktext=[plain(name) for name, _ in rows], range=[-0.6, len(rows) - 0.4], showgrid=False
    )
    return figure([trace], 90 + 40 * len(rows), xaxis=across, yaxis=named, margin={"l": 8, "r": 16, "t": 12, "b": 48})


def _scaled(bar: Bar) -> Bar:
    value, low, high = (None if end is None else 100 * end for end in (bar.value, bar.low, bar.high))
    said = bar.text or f"{points(bar.value)} points ({points(bar.low)} to {points(bar.high)})"
    return replace(bar, value=value, low=low, high=high, text=said)
