"""What all charts share: colours, symbols, dashes, patterns, axes. Colour never stands alone.

Okabe and Ito's colours, which people who confuse red and green can tell apart, darkened where they are pale on paper.
The page replaces each by the colour of its own theme (page/charts.js); in a notebook they are right as they are.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from equinoise.charts.bars import Bar

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, SOFT, LINE, GRID, CARD = "#1d2126", "#5b636d", "#dcd9d1", "#e6e3db", "#ffffff"
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#b3578f"
ORANGE, SKY = "#c77f00", "#3a97d0"
THEME = {
    INK: "ink", SOFT: "soft", LINE: "line", GRID: "grid", CARD: "card", BLUE: "blue", VERMILLION: "vermillion",
    GREEN: "green", PURPLE: "purple", ORANGE: "orange", SKY: "sky",
}  # fmt: skip
"""Colour → what the page's style sheet calls it."""
NOTHING = "rgba(0,0,0,0)"

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star-triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
PATTERNS = ("", "/", "x", ".", "-", "\\", "+", "|")
ALONE = (BLUE, "circle")
FIRST, LAST = (ORANGE, "circle-open"), (BLUE, "diamond")
BETWEEN = ((GREEN, "square"), (PURPLE, "triangle-up"), (SKY, "cross"), (VERMILLION, "x"))


def group_style(index: int, of: int) -> tuple[str, str]:
    """Colour and symbol of a group of images: the first is left as it was, the last is what is to be judged."""
    if of == 1:
        return ALONE
    return FIRST if index == 0 else LAST if index == of - 1 else BETWEEN[(index - 1) % len(BETWEEN)]


def plain(text: object) -> str:
    """Text that plotly shows as it is, where it would read tags and links."""
    return html.escape(str(text), quote=False)


def axis(**more: Any) -> dict[str, Any]:
    """A calm axis that does not trap a finger scrolling over it; options as of plotly's axes."""
    if "title" in more:
        more["title"] = {"text": more["title"], "font": {"size": 14}}
    return {"gridcolor": GRID, "zeroline": False, "fixedrange": True, "automargin": True, **more}


def error_bars(bars: Sequence[Bar], colour: str) -> dict[str, Any]:
    """Intervals as plotly's error bars; of no length where an interval is missing."""
    return {
        "type": "data", "symmetric": False, "thickness": 2, "width": 5, "color": colour,
        "array": [bar.above for bar in bars], "arrayminus": [bar.below for bar in bars],
    }  # fmt: skip


def figure(traces: Sequence[Any], height: int, **layout: Any) -> go.Figure:
    """Traces in the layout that all charts share; options as of plotly's layout, height in pixels."""
    import plotly.graph_objects as go

    shared = {
        "template": "none", "paper_bgcolor": CARD, "plot_bgcolor": CARD, "dragmode": False, "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "size": 14, "color": INK},
        "hoverlabel": {"bgcolor": CARD, "bordercolor": LINE, "font": {"color": INK}},
        "margin": {"l": 8, "r": 16, "t": 44, "b": 40},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
    }  # fmt: skip
    return go.Figure(list(traces), {**shared, "height": height, **layout})


def line(name: str, places: Sequence[float], bars: Sequence[Bar], index: int, of: int) -> go.Scatter:
    """One of several series with intervals: told apart by colour, symbol and dash, and moved a little aside."""
    import plotly.graph_objects as go

    kind = index % len(PALETTE)
    aside = (index - (of - 1) / 2) * min(0.1, 0.5 / of)
    return go.Scatter(
        mode="lines+markers",
        name=plain(name),
        x=[place + aside for place in places],
        y=[bar.value for bar in bars],
        error_y=error_bars(bars, PALETTE[kind]),
        text=[plain(bar.said) for bar in bars],
        hovertemplate="%{fullData.name}: %{text}<extra></extra>",
        line={"color": PALETTE[kind], "width": 2, "dash": DASHES[kind]},
        marker={"symbol": SYMBOLS[kind], "size": 9, "color": PALETTE[kind]},
    )
