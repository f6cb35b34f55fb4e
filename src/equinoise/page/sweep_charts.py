"""Charts of a sweep: lines with intervals for few steps, tiles for many; the best cell carries a star."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from equinoise.page import words
from equinoise.page.charts import Chart, Figure, axis, layout, line, plain

Cell = Mapping[str, Any]
MOST_LINES = 4
"""With more steps than this, lines with intervals are a thicket and a table of colours is read more easily."""

# told apart by lightness alone, and light enough for dark figures on every tile
SCALE = ((0.0, "#f7f5ef"), (0.5, "#a9d3ee"), (1.0, "#3f9bd8"))


def chart(id: str, sweep: Mapping[str, Any]) -> Chart:
    """Share of the class swept for by step and weight, and below it the part of the images that keep the concept."""
    if len(_values(sweep, "step")) <= MOST_LINES:
        return _lines(id, sweep, along="weight", series="step")
    if len(_values(sweep, "weight")) <= MOST_LINES:
        return _lines(id, sweep, along="step", series="weight")
    return _heatmap(id, sweep)


def same(cell: Cell, other: Cell | None) -> bool:
    """Whether two cells are of the same step and weight."""
    return other is not None and (cell["step"], cell["weight"]) == (other["step"], other["weight"])


def _values(sweep: Mapping[str, Any], key: str) -> list[Any]:
    values = list(dict.fromkeys(cell[key] for cell in sweep["cells"]))
    return sorted(values) if key == "weight" else values


def _lines(id: str, sweep: Mapping[str, Any], along: str, series: str) -> Chart:
    """One line for each value of `series`, from the untouched images along the values of the other."""
    ticks = [sweep["untouched"][along], *_values(sweep, along)]
    groups = _values(sweep, series)
    data = [_aim(sweep, len(ticks))] if _target(sweep) is not None else []
    stars: list[Figure] = []
    for index, value in enumerate(groups):
        cells = [sweep["untouched"], *(cell for cell in sweep["cells"] if cell[series] == value)]
        cells = sorted((cell for cell in cells if cell["share"] is not None), key=lambda cell: ticks.index(cell[along]))
        name = f"weight {value:g}" if series == "weight" else f"step {value}"
        places = [ticks.index(cell[along]) for cell in cells]
        shares = line(name, places, cells, "share", index=index, of=len(groups))
        data += [shares, _fidelity_line(shares, cells)] if _faithful(sweep) else [shares]
        stars += [_star(shares, cells, sweep["best"])] if any(same(cell, sweep.get("best")) for cell in cells) else []
    texts = [f"{tick:g}" if along == "weight" else plain("untouched" if tick is None else tick) for tick in ticks]
    return _line_chart(id, sweep, [*data, *stars], texts, along)


def _line_chart(id: str, sweep: Mapping[str, Any], data: list[Figure], texts: Sequence[str], along: str) -> Chart:
    faithful = _faithful(sweep)
    title = "weight (0 is untouched)" if along == "weight" else "step (T is the noise itself)"
    shape = layout(
        xaxis=axis(title={"text": title}, showgrid=False, anchor="y2" if faithful else "y",
                   tickvals=list(range(len(texts))), ticktext=list(texts)),
        yaxis=axis(title={"text": plain(f"share of {sweep['class']}")}, range=[-0.04, 1.04], tickformat=".0%",
                   domain=[0.36, 1] if faithful else [0, 1]),
        margin={"l": 8, "r": 16, "t": 64, "b": 52},
    )  # fmt: skip
    if faithful:
        shape["yaxis2"] = axis(title={"text": "concept kept"}, range=[-0.04, 1.08], tickformat=".0%", domain=[0, 0.26])
    spoken = f"Share of {sweep['class']} by {along}; the table holds the same numbers"
    return Chart(id, spoken, 560 if faithful else 420, {"data": data, "layout": shape})


def _faithful(sweep: Mapping[str, Any]) -> bool:
    return any(cell["concept_fidelity"] is not None for cell in sweep["cells"])


def _target(sweep: Mapping[str, Any]) -> float | None:
    value = (sweep.get("target") or {}).get(sweep["class"])
    return None if value is None else float(value)


def _aim(sweep: Mapping[str, Any], ticks: int) -> Figure:
    return {
        "type": "scatter", "mode": "lines", "name": "target", "x": [-0.4, ticks - 0.6], "y": [_target(sweep)] * 2,
        "hoverinfo": "skip", "line": {"color": "--soft", "width": 2, "dash": "dash"},
    }  # fmt: skip


def _fidelity_line(shares: Figure, cells: Sequence[Cell]) -> Figure:
    kept = [cell["concept_fidelity"] for cell in cells]
    texts = [f"concept kept in {words.kept(cell['concept_fidelity'], cell['n'])}" for cell in cells]
    rest = {key: value for key, value in shares.items() if key != "error_y"}
    return {**rest, "y": kept, "yaxis": "y2", "showlegend": False, "text": texts}


def _star(shares: Figure, cells: Sequence[Cell], best: Cell | None) -> Figure:
    index = next(index for index, cell in enumerate(cells) if same(cell, best))
    return {
        "type": "scatter", "mode": "markers+text", "name": "best cell", "x": [shares["x"][index]],
        "y": [shares["y"][index]], "text": ["best"], "textposition": "top left", "hoverinfo": "skip",
        "marker": {"symbol": "star", "size": 20, "color": "--vermillion", "line": {"width": 1, "color": "--ink"}},
    }  # fmt: skip


def _heatmap(id: str, sweep: Mapping[str, Any]) -> Chart:
    weights, steps = _values(sweep, "weight"), _values(sweep, "step")
    faithful = _faithful(sweep)
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


def _hover(cell: Cell, label: str) -> str:
    share = words.share(cell["classes"][label], cell["n"] - cell["unclear"])
    kept = words.kept(cell["concept_fidelity"], cell["n"])
    return plain(f"step {cell['step']}, weight {cell['weight']:g}: {share}; concept kept {kept}")


def _tiles(sweep: Mapping[str, Any], value: str, steps: Sequence[Any], weights: Sequence[float]) -> Figure:
    by_place = {(cell["step"], cell["weight"]): cell for cell in sweep["cells"]}
    table = [[by_place.get((step, weight)) for weight in weights] for step in steps]
    best = sweep.get("best")
    texts = [
        [("★ " if cell and same(cell, best) else "") + words.percent(cell[value]) if cell else "" for cell in row]
        for row in table
    ]
    hovers = [[_hover(cell, sweep["class"]) if cell else "" for cell in row] for row in table]
    return {
        "type": "heatmap", "z": [[cell[value] if cell else None for cell in row] for row in table], "text": texts,
        "texttemplate": "%{text}", "textfont": {"color": "#15181c"}, "hoverinfo": "text",
        "hovertext": hovers, "zmin": 0, "zmax": 1, "xgap": 2,
        "ygap": 2, "showscale": False, "colorscale": [list(stop) for stop in SCALE],
    }  # fmt: skip
