"""A sweep: what a direction does to a concept at each step and weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from equinoise.charts.bars import Bar
from equinoise.charts.sweeps import SweepPoint, sweep_chart
from equinoise.no_picture import NoPicture, add_reasons, in_words
from equinoise.results.audits import ClassShare
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, joined, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Cell(Value):
    """What one step and weight gives on the pilot seeds; `share`, `low`, `high` are those of the class swept for.

    The step of the untouched images is None; `no_picture` is that of an audit.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"no_picture": "no_picture"}

    step: int | str | None
    weight: float
    n: int
    unclear: int
    no_picture: dict[NoPicture, int] | None = None
    share: float | None
    low: float | None
    high: float | None
    tv: float | None
    concept_fidelity: float | None
    intrusion_nats: float
    kl_nats: float
    classes: dict[str, ClassShare]

    @property
    def clear(self) -> int:
        """Images that show a class plainly."""
        return self.n - self.unclear


class MissingStep(Value):
    """A step that was asked for and has no direction."""

    step: int | str
    reason: str


class SweepResult(Result):
    """The untouched cell, one cell for each step and weight, and the best of them.

    Attributes:
        label: the class swept for (in JSON: `class`).
        best: the cell nearest to the target that keeps the concept and stays clear; None where none is nearer than the
            untouched images. It was chosen on these very images, which flatters it.
        name, beside: of a sweep that is part of a longer study: its name, and the shifts that every cell has too.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"skipped": "skipped", "name": "name", "beside": "beside"}

    axis: str
    label: str = Field(alias="class")
    target: dict[str, float]
    untouched: Cell
    cells: tuple[Cell, ...]
    best: Cell | None
    concept: str
    n: int
    skipped: tuple[MissingStep, ...] | None = None
    name: str | None = None
    beside: tuple[str, ...] | None = None

    def table(self) -> TextTable:
        """One row a step and weight, after the untouched images."""
        rows = [
            (
                "untouched" if cell.step is None else str(cell.step),
                f"{cell.weight:g}",
                percent(cell.share),
                f"{percent(cell.low)} – {percent(cell.high)}",
                percent(cell.concept_fidelity),
                f"{cell.kl_nats:.1f}",
                "best" if cell == self.best else "",
            )
            for cell in (self.untouched, *self.cells)
        ]
        bars = [Bar(c.share, c.low, c.high, self.target[self.label]) for c in (self.untouched, *self.cells)]
        heads = ("step", "weight", "share", "95% interval", "fidelity", "nats", "")
        none = in_words(add_reasons(cell.no_picture or {} for cell in (self.untouched, *self.cells)))
        caption = joined([f"share of {self.label}: {self.concept}", none])
        return TextTable(heads, tuple(rows), caption, bars=tuple(bars))

    def rows(self) -> Sequence[Row]:
        """A row a cell and class."""
        return [
            {
                "step": cell.step,
                "weight": cell.weight,
                "class": name,
                **found.model_dump(),
                "n": cell.n,
                "unclear": cell.unclear,
                "concept_fidelity": cell.concept_fidelity,
                "kl_nats": cell.kl_nats,
            }
            for cell in (self.untouched, *self.cells)
            for name, found in cell.classes.items()
        ]

    def plot(self) -> go.Figure:
        """Share by step and weight, with what keeps the concept."""
        return sweep_chart(self.label, self._point(self.untouched), [self._point(cell) for cell in self.cells])

    def _point(self, cell: Cell) -> SweepPoint:
        fidelity = cell.concept_fidelity
        kept = None if fidelity is None else Bar(fidelity, text=percent(fidelity))
        share = Bar(cell.share, cell.low, cell.high, self.target[self.label])
        return SweepPoint(cell.step, cell.weight, share, kept, cell == self.best)
