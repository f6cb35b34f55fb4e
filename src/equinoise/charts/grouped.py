"""Standing bars in groups: of the images of each class, how many show a thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.style import INK, PALETTE, PATTERNS, axis, error_bars, figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

ABSENT = Bar(None)


def grouped_bars(rows: Sequence[tuple[str, Mapping[str, Bar]]]) -> go.Figure:
    """A group a row, a bar a class; no bar where a row lacks a class."""
    import plotly.graph_objects as go

    classes = list(dict.fromkeys(name for _, bars in rows for name in bars))
    traces = []
    for index, name in enumerate(classes):
        bars = [found.get(name, ABSENT) for _, found in rows]
        traces.append(
            go.Bar(
                name=plain(name),
                x=[plain(title) for title, _ in rows],
                y=[bar.value for bar in bars],
                text=[plain(f"{name}: {bar.said}") for bar in bars],
                textposition="none",
                hovertemplate="%{text}<extra></extra>",
                error_y=error_bars(bars, INK),
                marker={
                    "color": PALETTE[index % len(PALETTE)],
                    "pattern": {"shape": PATTERNS[index % len(PATTERNS)]},
                },
            )
        )
    up, across = axis(tickformat=".0%", range=[0, 1.02]), axis(showgrid=False, tickangle=-30)
    margin = {"l": 8, "r": 8, "t": 56, "b": 80}
    return figure(traces, 380, barmode="group", yaxis=up, xaxis=across, margin=margin)
