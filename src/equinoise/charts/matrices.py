"""A confusion matrix as tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go


def matrix_chart(counts: Mapping[str, Mapping[str, int]]) -> go.Figure:
    """A row a true class, a column an answer; the colour is the share of the row, the text the count."""
    import plotly.graph_objects as go

    columns = list(next(iter(counts.values())))
    rows = [[row[name] for name in columns] for row in counts.values()]
    shares = [[value / max(1, sum(row)) for value in row] for row in rows]
    tiles = go.Heatmap(
        z=shares,
        x=columns,
        y=list(counts),
        text=rows,
        texttemplate="%{text}",
        colorscale=[[0.0, "#f7f5ef"], [0.5, "#a9d3ee"], [1.0, "#3f9bd8"]],
        zmin=0,
        zmax=1,
        showscale=False,
    )
    layout = go.Layout(xaxis={"title": "the detector said"}, yaxis={"title": "true class", "autorange": "reversed"})
    return go.Figure([tiles], layout)
