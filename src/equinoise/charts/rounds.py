"""Round charts: shares as a ring, and two measures of the same names on a wheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.style import DASHES, GRID, INK, NOTHING, PALETTE, PATTERNS, SYMBOLS, figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

NARROW = 12
"""Letters in a line of a spoke's name."""
SPOKES = 12


def donut(title: str, bars: Mapping[str, Bar]) -> go.Figure:
    """Shares as a ring; each slice is named and patterned, slices of nothing are left out."""
    import plotly.graph_objects as go

    known = {name: bar for name, bar in bars.items() if bar.value}
    looks = range(len(known))
    trace = go.Pie(
        hole=0.55,
        sort=False,
        direction="clockwise",
        labels=[plain(name) for name in known],
        values=[bar.value for bar in known.values()],
        text=[plain(bar.said) for bar in known.values()],
        texttemplate="%{label} %{percent:.0%}",
        hovertemplate="%{label}: %{text}<extra></extra>",
        textposition="outside",
        showlegend=False,
        automargin=True,
        marker={
            "colors": [PALETTE[i % len(PALETTE)] for i in looks],
            "pattern": {"shape": [PATTERNS[i % len(PATTERNS)] for i in looks]},
        },
    )
    centre = {"text": plain(title), "showarrow": False, "font": {"size": 16, "color": INK}}
    return figure([trace], 260, annotations=[centre], margin={"l": 16, "r": 16, "t": 24, "b": 24})


def wheel(names: Sequence[str], series: Mapping[str, Sequence[float]]) -> go.Figure:
    """One line a series over the names, each scaled from its least (0) to its greatest value (1).

    A series of equal values has no scale and is left out.
    """
    import plotly.graph_objects as go

    spokes = ["<br>".join(wrap(plain(name), NARROW)) for name in names]
    traces = []
    for index, (name, values) in enumerate(series.items()):
        low, high = min(values), max(values)
        if low == high:
            continue
        scaled = [(value - low) / (high - low) for value in values]
        traces.append(
            go.Scatterpolar(
                mode="lines+markers",
                name=plain(name),
                r=[*scaled, scaled[0]],
                theta=[*spokes, spokes[0]],
                hovertemplate="%{theta}<extra></extra>",
                line={"color": PALETTE[index], "width": 2, "dash": DASHES[index]},
                marker={"symbol": SYMBOLS[index], "size": 8, "color": PALETTE[index]},
            )
        )
    polar = {
        "bgcolor": NOTHING,
        "radialaxis": {"range": [0, 1.05], "showticklabels": False, "gridcolor": GRID},
        "angularaxis": {"gridcolor": GRID, "tickfont": {"size": 12}},
    }
    return figure(traces, 484, polar=polar, margin={"l": 92, "r": 92, "t": 56, "b": 56})


def spokes(names: Sequence[str], series: Sequence[Sequence[float]]) -> list[int]:
    """Places of the names that a wheel has room for: those of the greatest values, of each series in turn."""
    orders = (sorted(range(len(names)), key=lambda place: -values[place]) for values in series)
    chosen = list(dict.fromkeys(place for places in zip(*orders, strict=True) for place in places))[:SPOKES]
    return sorted(chosen)
