"""Sweeps: the share by step and weight as a chart, and in words which of the two moves it more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.page import words
from equinoise.page.charts import Chart
from equinoise.page.sweep_charts import chart

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What the page shows of one sweep."""

    title: str
    chart: Chart
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """step, weight, count, share, interval, distance, fidelity, nats, unclear, remark."""


def describe(sweep: Mapping[str, Any], id: str) -> Sweep:
    """The chart, the sentences and the table of one sweep."""
    best = sweep.get("best")
    cells = [sweep["untouched"], *sweep["cells"]]
    rows = tuple(_row(cell, sweep["class"], cell == best) for cell in cells)
    sentences = (_mover(sweep), _best(sweep), _size(cells))
    title = f"{sweep['axis']} towards {sweep['class']}" + (f" · {sweep['name']}" if sweep.get("name") else "")
    return Sweep(title, chart(id, sweep), sentences, rows)


def best_step(sweep: Mapping[str, Any]) -> Any:
    """The step of the best cell; without one, that of the cell nearest to the target."""
    if sweep.get("best"):
        return sweep["best"]["step"]
    return min(sweep["cells"], key=lambda cell: 1.0 if cell["tv"] is None else cell["tv"])["step"]


def cell_share(cell: Cell, label: str) -> str:
    """`49% (31–67%, 12 of 24)`."""
    return words.share(cell["classes"][label], cell["n"] - cell["unclear"])


def _mover(sweep: Mapping[str, Any]) -> str:
    by_step, by_weight = (_means(sweep["cells"], key) for key in ("step", "weight"))
    steps, weights = words.quantity(len(by_step), "step"), words.quantity(len(by_weight), "weight")
    if len(by_step) < 2 or len(by_weight) < 2:
        return f"Tried: {steps} and {weights}, so that the two cannot be compared."
    over_steps, over_weights = (max(means) - min(means) for means in (by_step, by_weight))
    more = "weight moves" if over_weights > over_steps else "step moves"
    verdict = f"the {more} the share more" if over_steps != over_weights else "both move the share alike"
    return (
        f"Over the {weights} the mean share of {sweep['class']} goes from {words.percent(min(by_weight))} to "
        f"{words.percent(max(by_weight))}, over the {steps} from {words.percent(min(by_step))} to "
        f"{words.percent(max(by_step))}: {verdict} "
        f"({100 * over_weights:.0f} against {100 * over_steps:.0f} points)."
    )


def _means(cells: Sequence[Cell], key: str) -> list[float]:
    groups: dict[Any, list[float]] = {}
    for cell in cells:
        if cell["share"] is not None:
            groups.setdefault(cell[key], []).append(cell["share"])
    return [sum(group) / len(group) for group in groups.values()]


def _best(sweep: Mapping[str, Any]) -> str:
    best, untouched, label = sweep.get("best"), sweep["untouched"], sweep["class"]
    if not best:
        return "No cell comes nearer to the target than the untouched images while it keeps the concept."
    kept = ""
    if best["concept_fidelity"] is not None and untouched["concept_fidelity"] is not None:
        kept = (
            f" The concept is kept in {words.kept(best['concept_fidelity'], best['n'])}, "
            f"against {words.kept(untouched['concept_fidelity'], untouched['n'])} of the untouched images."
        )
    return (
        f"Best cell (★): step {best['step']}, weight {best['weight']:g} with {label} at {cell_share(best, label)}; "
        f"untouched {cell_share(untouched, label)}.{kept} It was chosen on these very images, which flatters it: "
        "only fresh seeds say how well it does."
    )


def _size(cells: Sequence[Cell]) -> str:
    n = min(cell["n"] for cell in cells)
    each = f"Each cell has {words.quantity(n, 'image')}, all cells the same seeds"
    return f"{each}; cells with overlapping intervals may not differ."


def _row(cell: Cell, label: str, best: bool) -> tuple[str, ...]:
    clear = cell["n"] - cell["unclear"]
    found = cell["classes"][label]
    step = "untouched" if cell["step"] is None else str(cell["step"])
    return (
        step, f"{cell['weight']:g}", f"{found['count']} of {clear}", words.percent(cell["share"]),
        words.span(cell["low"], cell["high"]), words.number(cell["tv"]),
        words.kept(cell["concept_fidelity"], cell["n"]),
        words.number(cell["intrusion_nats"], 1), str(cell["unclear"]), "★ best" if best else "",
    )  # fmt: skip
