"""Shares by step and weight: lines with intervals for few steps, tiles for many; the best carries a star."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from equinoise.charts.bars import Bar
from equinoise.charts.numbers import percent
from equinoise.charts.style import INK, SOFT, VERMILLION, axis, figure, line, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_LINES = 4
"""With more steps than this, lines with intervals are a thicket and a table of colours is read more easily."""
SCALE = ((0.0, "#f7f5ef"), (0.5, "#a9d3ee"), (1.0, "#3f9bd8"))
"""Told apart by lightness alone, and light enough for dark figures on every tile."""
TILE_INK = "#15181c"
WEIGHTS, STEPS = "weight (0 is untouched)", "step (T is the noise itself)"


@dataclass(frozen=True)
class SweepPoint:
    """What one step and weight gives; of the untouched images the step is None.

    Attributes:
        share: of the class swept for, with the target where there is one.
        kept: the part of the images that keep the concept; None where that is not known.
        best: whether it is the one chosen.
    """

    step: int | str | None
    weight: float
    share: Bar
    kept: Bar | None = None
    best: bool = False

    def at(self, along: str) -> Any:
        """The step or the weight."""
        return self.step if along == "step" else self.weight


def sweep_chart(label: str, untouched: SweepPoint, points: Sequence[SweepPoint]) -> go.Figure:
    """Share of the class `label` by step and weight and, where known, the part of the images that keep the concept."""
    if len(_values(points, "step")) <= MOST_LINES:
        return _lines(label, untouched, points, along="weight", series="step")
    if len(_values(points, "weight")) <= MOST_LINES:
        return _lines(label, untouched, points, along="step", series="weight")
    return _heatmap(label, points)


def _values(points: Sequence[SweepPoint], key: str) -> list[Any]:
    values = list(dict.fromkeys(point.at(key) for point in points))
    return sorted(values) if key == "weight" else values


def _lines(label: str, untouched: SweepPoint, points: Sequence[SweepPoint], along: str, series: str) -> go.Figure:
    """One line for each value of `series`, from the untouched images along the values of the other."""
    ticks, groups = [untouched.at(along), *_values(points, along)], _values(points, series)
    faithful = any(point.kept for point in points)
    traces = [] if untouched.share.target is None else [_aim(untouched.share.target, len(ticks))]
    stars: list[go.Scatter] = []
    for index, value in enumerate(groups):
        rows = [untouched, *(point for point in points if point.at(series) == value)]
        rows = sorted((r for r in rows if r.share.value is not None), key=lambda r: ticks.index(r.at(along)))
        name = f"weight {value:g}" if series == "weight" else f"step {value}"
        places = [ticks.index(row.at(along)) for row in rows]
        traces.append(line(name, places, [row.share for row in rows], index, len(groups)))
        spots = list(traces[-1].x)
        if faithful:
            traces.append(_kept_line(traces[-1], rows))
        stars += [_star(x, row.share.value) for x, row in zip(spots, rows, strict=True) if row.best]
    texts = [f"{tick:g}" if along == "weight" else plain("untouched" if tick is None else tick) for tick in ticks]
    title = WEIGHTS if along == "weight" else STEPS
    across = axis(title=title, showgrid=False, tickvals=list(range(len(texts))), ticktext=texts)
    up = axis(title=plain(f"share of {label}"), range=[-0.04, 1.04], tickformat=".0%")
    below = axis(title="concept kept", range=[-0.04, 1.08], tickformat=".0%") if faithful else None
    return _stacked([*traces, *stars], across, up, below, (420, 560), 0.31)


def _stacked(
    traces: Sequence[Any],
    across: dict[str, Any],
    up: dict[str, Any],
    below: dict[str, Any] | None,
    heights: tuple[int, int],
    middle: float,
) -> go.Figure:
    """One plot, or two that share their x axis and meet at `middle`; `heights` in pixels are of one and of two."""
    margin = {"l": 8, "r": 16, "t": 64, "b": 52}
    if below is None:
        return figure(traces, heights[0], xaxis=across, yaxis=up, margin=margin)
    up, below = {**up, "domain": [middle + 0.05, 1]}, {**below, "domain": [0, middle - 0.05]}
    return figure(traces, heights[1], xaxis={**across, "anchor": "y2"}, yaxis=up, yaxis2=below, margin=margin)


def _aim(target: float, ticks: int) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        mode="lines", name="target", x=[-0.4, ticks - 0.6], y=[target, target], hoverinfo="skip",
        line={"color": SOFT, "width": 2, "dash": "dash"},
    )  # fmt: skip


def _kept_line(shares: go.Scatter, rows: Sequence[SweepPoint]) -> go.Scatter:
    import plotly.graph_objects as go

    kept = [row.kept or Bar(None) for row in rows]
    texts = [plain(f"concept kept in {bar.said}") for bar in kept]
    return go.Scatter(
        mode=shares.mode, name=shares.name, x=shares.x, y=[bar.value for bar in kept], yaxis="y2", showlegend=False,
        text=texts, hovertemplate=shares.hovertemplate, line=shares.line, marker=shares.marker,
    )  # fmt: skip


def _star(x: float, y: float | None) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        mode="markers+text", name="best cell", x=[x], y=[y], text=["best"], textposition="top left", hoverinfo="skip",
        marker={"symbol": "star", "size": 20, "color": VERMILLION, "line": {"width": 1, "color": INK}},
    )  # fmt: skip


def _heatmap(label: str, points: Sequence[SweepPoint]) -> go.Figure:
    weights, steps = _values(points, "weight"), _values(points, "step")
    by_place = {(point.step, point.weight): point for point in points}
    table = [[by_place.get((step, weight)) for weight in weights] for step in steps]
    traces = [_tiles(table, [[point.share if point else None for point in row] for row in table])]
    faithful = any(point.kept for point in points)
    if faithful:
        kept = _tiles(table, [[point.kept if point else None for point in row] for row in table])
        traces.append(kept.update(yaxis="y2"))
    turned = axis(
        autorange="reversed", showgrid=False, tickvals=list(range(len(steps))), ticktext=[plain(step) for step in steps]
    )
    across = axis(
        title="weight", showgrid=False, tickvals=list(range(len(weights))), ticktext=[f"{w:g}" for w in weights]
    )
    up = {**turned, **axis(title=plain(f"step · share of {label}"), showgrid=False)}
    below = {**turned, **axis(title="step · concept kept", showgrid=False)} if faithful else None
    one = 30 * len(steps) + 120
    return _stacked(traces, across, up, below, (one, 2 * one - 40), 0.5).update_layout(
        margin={"l": 8, "r": 8, "t": 16, "b": 52}
    )


def _hover(point: SweepPoint) -> str:
    kept = point.kept.said if point.kept else "not known"
    return plain(f"step {point.step}, weight {point.weight:g}: {point.share.said}; concept kept {kept}")


def _tiles(table: Sequence[Sequence[SweepPoint | None]], bars: Sequence[Sequence[Bar | None]]) -> go.Heatmap:
    import plotly.graph_objects as go

    texts = [
        [("★ " if point.best else "") + percent(bar.value) if point and bar else "" for point, bar in
         zip(*rows, strict=True)]
        for rows in zip(table, bars, strict=True)
    ]  # fmt: skip
    return go.Heatmap(
        z=[[bar.value if bar else None for bar in row] for row in bars],
        text=texts,
        texttemplate="%{text}",
        textfont={"color": TILE_INK},
        hoverinfo="text",
        hovertext=[[_hover(point) if point else "" for point in row] for row in table],
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        showscale=False,
        colorscale=[list(stop) for stop in SCALE],
    )
