"""Charts of a sweep: lines with intervals for few steps, tiles for many; the best cell carries a star."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from equinoise.report import words
from equinoise.report.charts import Chart, Figure, axis, layout, line, plain

Cell = Mapping[str, Any]
MOST_LINES = 4
"""With more steps than this, lines with intervals are a thicket and a table of colours is read more easily."""

# cividis: even in lightness, and the same to every kind of colour vision
SCALE = ((0.0, "#00224e"), (0.25, "#434e6c"), (0.5, "#7d7c78"), (0.75, "#bcaf6f"), (1.0, "#fee838"))


def chart(id: str, sweep: Mapping[str, Any]) -> Chart:
    """Share of the class swept for by step and weight, and below it the part of the images that keep the concept."""
    return _lines(id, sweep) if len(_steps(sweep)) <= MOST_LINES else _heatmap(id, sweep)


def same(cell: Cell, other: Cell | None) -> bool:
    """Whether two cells are of the same step and weight."""
    return other is not None and (cell["step"], cell["weight"]) == (other["step"], other["weight"])


def _steps(sweep: Mapping[str, Any]) -> list[Any]:
    return list(dict.fromkeys(cell["step"] for cell in sweep["cells"]))


def _weights(sweep: Mapping[str, Any]) -> list[float]:
    return sorted({cell["weight"] for cell in sweep["cells"]})


def _lines(id: str, sweep: Mapping[str, Any]) -> Chart:
    weights, steps, label = _weights(sweep), _steps(sweep), sweep["class"]
    places = {0.0: 0, **{weight: index + 1 for index, weight in enumerate(weights)}}
    faithful = any(cell["concept_fidelity"] is not None for cell in sweep["cells"])
    data: list[Figure] = []
    for index, step in enumerate(steps):
        cells = sorted((cell for cell in sweep["cells"] if cell["step"] == step), key=lambda cell: cell["weight"])
        cells = [cell for cell in [sweep["untouched"], *cells] if cell["share"] is not None]
        at = [places[cell["weight"]] for cell in cells]
        data.append(line(f"step {step}", at, cells, "share", index, len(steps)))
        if faithful:
            data.append(_fidelity_line(data[-1], cells))
        data += [_star(data[-2 if faithful else -1], cells, sweep.get("best"))] if _has(cells, sweep) else []
    ticks = {"tickvals": list(places.values()), "ticktext": [f"{weight:g}" for weight in places]}
    shape = layout(
        xaxis=axis(title={"text": "weight (0 is untouched)"}, showgrid=False, anchor="y2" if faithful else "y", **ticks),
        yaxis=axis(title={"text": plain(f"share of {label}")}, range=[-0.04, 1.04], tickformat=".0%",
                   domain=[0.36, 1] if faithful else [0, 1]),
        margin={"l": 8, "r": 16, "t": 64, "b": 52},
    )  # fmt: skip
    if faithful:
        shape["yaxis2"] = axis(title={"text": "concept kept"}, range=[-0.04, 1.08], tickformat=".0%", domain=[0, 0.26])
    spoken = f"Share of {label} by weight, one line a step; the table holds the same numbers"
    return Chart(id, spoken, 560 if faithful else 420, {"data": data, "layout": shape})


def _has(cells: Sequence[Cell], sweep: Mapping[str, Any]) -> bool:
    return any(same(cell, sweep.get("best")) for cell in cells)


def _fidelity_line(shares: Figure, cells: Sequence[Cell]) -> Figure:
    kept = [cell["concept_fidelity"] for cell in cells]
    return {
        **{key: value for key, value in shares.items() if key != "error_y"}, "y": kept, "yaxis": "y2",
        "showlegend": False, "text": [f"concept kept in {words.percent(value)}" for value in kept],
    }  # fmt: skip


def _star(shares: Figure, cells: Sequence[Cell], best: Cell | None) -> Figure:
    index = next(index for index, cell in enumerate(cells) if same(cell, best))
    return {
        "type": "scatter", "mode": "markers+text", "name": "best cell", "x": [shares["x"][index]],
        "y": [shares["y"][index]], "text": ["best"], "textposition": "top left", "hoverinfo": "skip",
        "marker": {"symbol": "star", "size": 20, "color": "--vermillion", "line": {"width": 1, "color": "--ink"}},
    }  # fmt: skip


def _heatmap(id: str, sweep: Mapping[str, Any]) -> Chart:
    weights, steps = _weights(sweep), _steps(sweep)
    faithful = any(cell["concept_fidelity"] is not None for cell in sweep["cells"])
    data = [_tiles(sweep, "share", steps, weights)]
    if faithful:
        data.append({**_tiles(sweep, "concept_fidelity", steps, weights), "yaxis": "y2"})
    ticks = {"tickvals": list(range(len(steps))), "ticktext": [plain(step) for step in steps]}
    columns = {"tickvals": list(range(len(weights))), "ticktext": [f"{weight:g}" for weight in weights]}
    turned = {"autorange": "reversed", "showgrid": False, **ticks}
    shape = layout(
        xaxis=axis(title={"text": "weight"}, showgrid=False, anchor="y2" if faithful else "y", **columns),
        yaxis=axis(title={"text": plain(f"step · share of {sweep['class']}")}, **turned,
                   domain=[0.54, 1] if faithful else [0, 1]),
        margin={"l": 8, "r": 8, "t": 16, "b": 52},
    )  # fmt: skip
    if faithful:
        shape["yaxis2"] = axis(title={"text": "step · concept kept"}, **turned, domain=[0, 0.46])
    height = (2 if faithful else 1) * (30 * len(steps) + 40) + 80
    spoken = f"Share of {sweep['class']} by step and weight as a heatmap; the table holds the same numbers"
    return Chart(id, spoken, height, {"data": data, "layout": shape})


def _tiles(sweep: Mapping[str, Any], value: str, steps: Sequence[Any], weights: Sequence[float]) -> Figure:
    by_place = {(cell["step"], cell["weight"]): cell for cell in sweep["cells"]}
    table = [[by_place.get((step, weight)) for weight in weights] for step in steps]
    best = sweep.get("best")
    texts = [
        [("★ " if cell and same(cell, best) else "") + words.percent(cell[value]) if cell else "" for cell in row]
        for row in table
    ]
    return {
        "type": "heatmap", "z": [[cell[value] if cell else None for cell in row] for row in table], "text": texts,
        "texttemplate": "%{text}", "hovertemplate": "%{text}<extra></extra>", "zmin": 0, "zmax": 1, "xgap": 2,
        "ygap": 2, "showscale": False, "colorscale": [list(stop) for stop in SCALE],
    }  # fmt: skip
