"""What the page says of directions: how well each tells its class on images it was not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equinoise.charts.numbers import NONE, number, percent, span
from equinoise.page.chart import Chart
from equinoise.results.directions import DirectionRow, accuracies


@dataclass(frozen=True)
class Directions:
    """The directions of one axis."""

    axis: str
    sentence: str
    chart: Chart | None
    rows: tuple[tuple[str, ...], ...]


def describe_directions(directions: Sequence[DirectionRow], prefix: str) -> list[Directions]:
    """The directions, axis by axis."""
    axes = list(dict.fromkeys(row.axis for row in directions))
    return [
        _directions(axis, [row for row in directions if row.axis == axis], f"{prefix}-{index}")
        for index, axis in enumerate(axes)
    ]


def _directions(axis: str, entries: Sequence[DirectionRow], id: str) -> Directions:
    known = [entry for entry in entries if entry.accuracy is not None]
    sentence = "No held-out accuracy is known for these directions."
    if known:
        top = max(known, key=lambda entry: entry.accuracy or 0.0)
        beyond = [entry for entry in known if entry.low is not None and entry.low > 0.5]
        sentence = (
            f"Held-out balanced accuracy is highest for {top.label} at step {top.step}: {percent(top.accuracy)} "
            f"({span(top.low, top.high)}); chance is 50%. For {len(beyond)} of {len(known)} directions the whole "
            "interval lies above chance. An accuracy near chance does not mean that a shift does nothing: what it does "
            "to the shares is measured above."
        )
    rows = tuple(
        (
            entry.apart, str(entry.step), entry.estimator, percent(entry.accuracy),
            span(entry.low, entry.high) if entry.accuracy is not None else NONE, number(entry.p, 2),
        )
        for entry in entries
    )  # fmt: skip
    label = f"Held-out accuracy of the {axis} directions by step; the table holds the same numbers"
    return Directions(axis, sentence, Chart(id, label, accuracies(known)) if known else None, rows)
