"""Sweeps: the share by step and weight as a chart, and in words which of the two moves it more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equinoise.charts.bars import Bar
from equinoise.charts.numbers import number, percent, span
from equinoise.charts.sweeps import SweepPoint, sweep_chart
from equinoise.page import words
from equinoise.page.chart import Chart
from equinoise.results.sweeps import Cell, SweepResult


@dataclass(frozen=True)
class Sweep:
    """What the page shows of one sweep.

    Attributes:
        rows: step, weight, count, share, interval, distance, fidelity, nats, unclear, remark.
    """

    title: str
    chart: Chart
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def describe_sweep(sweep: SweepResult, id: str) -> Sweep:
    """The chart, the sentences and the table of one sweep."""
    cells = [sweep.untouched, *sweep.cells]
    rows = tuple(_row(cell, sweep.label, cell == sweep.best) for cell in cells)
    title = f"{sweep.axis} towards {sweep.label}" + (f" · {sweep.name}" if sweep.name else "")
    spoken = f"Share of {sweep.label} by step and weight; the table holds the same numbers"
    figure = sweep_chart(sweep.label, _point(sweep, sweep.untouched), [_point(sweep, cell) for cell in sweep.cells])
    return Sweep(title, Chart(id, spoken, figure), (_mover(sweep), _best(sweep), _size(cells)), rows)


def _point(sweep: SweepResult, cell: Cell) -> SweepPoint:
    said = cell_share(cell, sweep.label)
    share = Bar(cell.share, cell.low, cell.high, sweep.target[sweep.label], said)
    fidelity = cell.concept_fidelity
    kept = None if fidelity is None else Bar(fidelity, text=words.kept(fidelity, cell.n))
    return SweepPoint(cell.step, cell.weight, share, kept, cell == sweep.best)


def cell_share(cell: Cell, label: str) -> str:
    """`49% (31–67%, 12 of 24)`."""
    return words.share(cell.classes[label], cell.clear)


def _mover(sweep: SweepResult) -> str:
    by_step, by_weight = _means(sweep.cells, by_step=True), _means(sweep.cells, by_step=False)
    steps, weights = words.quantity(len(by_step), "step"), words.quantity(len(by_weight), "weight")
    if len(by_step) < 2 or len(by_weight) < 2:
        return f"Tried: {steps} and {weights}, so that the two cannot be compared."
    over_steps, over_weights = (max(means) - min(means) for means in (by_step, by_weight))
    more = "weight moves" if over_weights > over_steps else "step moves"
    verdict = f"the {more} the share more" if over_steps != over_weights else "both move the share alike"
    return (
        f"Over the {weights} the mean share of {sweep.label} goes from {percent(min(by_weight))} to "
        f"{percent(max(by_weight))}, over the {steps} from {percent(min(by_step))} to {percent(max(by_step))}: "
        f"{verdict} ({100 * over_weights:.0f} against {100 * over_steps:.0f} points)."
    )


def _means(cells: Sequence[Cell], by_step: bool) -> list[float]:
    groups: dict[int | str | float | None, list[float]] = {}
    for cell in cells:
        if cell.share is not None:
            groups.setdefault(cell.step if by_step else cell.weight, []).append(cell.share)
    return [sum(group) / len(group) for group in groups.values()]


def _best(sweep: SweepResult) -> str:
    best, untouched, label = sweep.best, sweep.untouched, sweep.label
    if not best:
        return "No cell comes nearer to the target than the untouched images while it keeps the concept."
    kept = ""
    if best.concept_fidelity is not None and untouched.concept_fidelity is not None:
        kept = (
            f" The concept is kept in {words.kept(best.concept_fidelity, best.n)}, "
            f"against {words.kept(untouched.concept_fidelity, untouched.n)} of the untouched images."
        )
    return (
        f"Best cell (★): step {best.step}, weight {best.weight:g} with {label} at {cell_share(best, label)}; "
        f"untouched {cell_share(untouched, label)}.{kept} It was chosen on these very images, which flatters it: "
        "only fresh seeds say how well it does."
    )


def _size(cells: Sequence[Cell]) -> str:
    n = min(cell.n for cell in cells)
    each = f"Each cell has {words.quantity(n, 'image')}, all cells the same seeds"
    return f"{each}; cells with overlapping intervals may not differ."


def _row(cell: Cell, label: str, best: bool) -> tuple[str, ...]:
    return (
        "untouched" if cell.step is None else str(cell.step), f"{cell.weight:g}",
        f"{cell.classes[label].count} of {cell.clear}", percent(cell.share), span(cell.low, cell.high), number(cell.tv),
        words.kept(cell.concept_fidelity, cell.n), number(cell.kl_nats, 1),
        words.unclear(cell.unclear, None, cell.no_picture), "★ best" if best else "",
    )  # fmt: skip
