"""Held-out accuracy of directions by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.style import SOFT, axis, figure, line, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

Step = int | str


def accuracy_chart(series: Mapping[str, Sequence[tuple[Step, Bar]]]) -> go.Figure:
    """A line with intervals a direction, against chance at one half."""
    import plotly.graph_objects as go

    steps = list(dict.fromkeys(str(step) for rows in series.values() for step, _ in rows))
    lines = [
        line(name, [steps.index(str(step)) for step, _ in rows], [bar for _, bar in rows], index, len(series))
        for index, (name, rows) in enumerate(series.items())
    ]
    ends = [-0.5, len(steps) - 0.5]
    chance = go.Scatter(
        mode="lines", name="chance", x=ends, y=[0.5, 0.5], hoverinfo="skip",
        line={"color": SOFT, "width": 2, "dash": "dash"},
    )  # fmt: skip
    floor = min([0.4, *(bar.low for rows in series.values() for _, bar in rows if bar.low is not None)])
    across = axis(
        title="step (T is the noise itself)", tickvals=list(range(len(steps))), ticktext=[plain(s) for s in steps],
        range=ends, showgrid=False,
    )  # fmt: skip
    up = axis(range=[floor - 0.05, 1.03], tickformat=".0%")
    return figure([chance, *lines], 360, xaxis=across, yaxis=up, margin={"l": 8, "r": 16, "t": 60, "b": 52})
