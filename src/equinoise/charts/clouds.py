"""Scatter plots with labels that are free: one measure of names against another, and the differences of pairs of names.

What is part of a finding has a symbol of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from equinoise.charts.placing import Offset, place
from equinoise.charts.style import BLUE, INK, SOFT, VERMILLION, axis, figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTHS = (250.0, 420.0, 620.0, 900.0)
"""Plots between a phone and a desk: labels are placed so that they are free at all of them."""
TALL, LOW = 620, 460
NUMBERED = 20


@dataclass(frozen=True)
class Point:
    """A name with two measures; `marked` where it is part of a finding."""

    name: str
    x: float
    y: float
    text: str = ""
    marked: bool = False


@dataclass(frozen=True)
class PairPoint:
    """The differences of two names in two measures: the first's less the second's."""

    first: str
    second: str
    x: float
    y: float

    @property
    def turned(self) -> PairPoint:
        """The same pair with the name first that has more of x: below the line at y = 0 the two measures disagree."""
        return self if self.x >= 0 else PairPoint(self.second, self.first, -self.x, -self.y)


def cloud(
    points: Sequence[Point],
    across: str,
    up: str,
    *,
    shares: bool = False,
    names: tuple[str, str] = ("no finding", "part of a finding"),
) -> go.Figure:
    """A labelled point a name; those that are marked are diamonds.

    `shares`: y is a share, and its axis in percent. `names`: what the legend calls points, and marked points.
    """
    x, y = [point.x for point in points], [point.y for point in points]
    wide, high = reach(x), reach(y)
    groups = ((names[0], BLUE, "circle", False), (names[1], VERMILLION, "diamond", True))
    traces = [
        _marks(name, colour, symbol, 11, those)
        for name, colour, symbol, marked in groups
        if (those := [point for point in points if point.marked is marked])
    ]
    labels = _labels([point.name for point in points], placed(x, y, wide, high), x, y, TALL - 90)
    return figure(
        traces,
        TALL,
        xaxis=axis(title=across, range=wide),
        yaxis=axis(title=up, range=high, **({"tickformat": ".0%"} if shares else {})),
        margin={"l": 56, "r": 8, "t": 24, "b": 56},
        annotations=labels,
    )


def pairs_chart(pairs: Iterable[PairPoint], found: Sequence[tuple[str, str]], across: str, up: str) -> go.Figure:
    """A point a pair, turned so that x is positive; the pairs in `found` by their place in it, from 1."""
    turned = {(pair.first, pair.second): pair for pair in (pair.turned for pair in pairs)}
    numbers = {names: number for number, names in enumerate(found, start=1) if names in turned}
    others = [_point(pair) for names, pair in turned.items() if names not in numbers]
    those = [_point(turned[names]) for names in numbers]
    traces = [
        _marks("all pairs", BLUE, "circle-open", 9, others),
        _marks("findings, numbered as listed", VERMILLION, "diamond", 9, those),
    ]
    wide, high = reach([0.0, *(pair.x for pair in turned.values())]), reach([0.0, *(p.y for p in turned.values())])
    shown = those[:NUMBERED]
    x, y = [point.x for point in shown], [point.y for point in shown]
    texts = [str(number) for number in list(numbers.values())[:NUMBERED]]
    return figure(
        [trace for trace in traces if trace.x],
        LOW,
        xaxis=axis(title=across, range=wide),
        yaxis=axis(title=up, range=high, zeroline=True, zerolinecolor=INK),
        margin={"l": 56, "r": 8, "t": 56, "b": 56},
        annotations=_labels(texts, placed(x, y, wide, high), x, y, LOW - 110),
    )


def reach(values: Sequence[float]) -> list[float]:
    """The ends of an axis: a little further than the values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    edge = 0.12 * max(high - low, 1e-3)
    return [low - edge, high + edge]


def placed(
    x: Sequence[float], y: Sequence[float], across: Sequence[float], up: Sequence[float]
) -> list[tuple[float, float]]:
    """From the left and from the top, 0–1."""
    (left, right), (bottom, top) = across, up
    return [((a - left) / (right - left), (top - b) / (top - bottom)) for a, b in zip(x, y, strict=True)]


def _point(pair: PairPoint) -> Point:
    return Point(f"{pair.first} − {pair.second}", pair.x, pair.y)


def _marks(name: str, colour: str, symbol: str, size: int, points: Sequence[Point]) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        mode="markers",
        name=name,
        x=[point.x for point in points],
        y=[point.y for point in points],
        text=[plain(point.text or point.name) for point in points],
        hovertemplate="%{text}<extra></extra>",
        marker={"symbol": symbol, "size": size, "color": colour},
    )


def _labels(
    names: Sequence[str],
    spots: Sequence[tuple[float, float]],
    x: Sequence[float],
    y: Sequence[float],
    height: float,
) -> list[go.layout.Annotation]:
    """An annotation a point, where it fits; the others are named on touch and in the table."""
    offsets = place(spots, names, WIDTHS, height)
    return [_label(*entry) for entry in zip(names, x, y, offsets, strict=True)]


def _label(name: str, x: float, y: float, offset: Offset | None) -> go.layout.Annotation:
    """Of a point; nothing to be seen where there is no room."""
    import plotly.graph_objects as go

    ax, ay = offset or (0.0, 0.0)
    return go.layout.Annotation(
        x=x, y=y, ax=ax, ay=ay, text=plain(name), showarrow=True, arrowhead=0, arrowwidth=1, arrowcolor=SOFT,
        standoff=6, font={"size": 12, "color": INK}, visible=offset is not None,
    )  # fmt: skip
