"""What changed between two runs on the same seeds: of each class the share after less the share before, paired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.changes import changes_chart
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, percent, points

if TYPE_CHECKING:
    import plotly.graph_objects as go


class ClassChange(Value):
    """A class's share before and after, and the difference with its paired 95% interval, over `n` pairs of images."""

    before: float
    after: float
    difference: float
    low: float
    high: float
    n: int

    @property
    def moved(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


class AxisChange(Value):
    """The changes of one concept on one axis, over the seeds whose images are clear both times."""

    concept: str
    axis: str
    classes: dict[str, ClassChange]


class ChangesResult(Result):
    """What `compare_runs` found: paired changes, each with an interval that holds by itself."""

    changes: tuple[AxisChange, ...]

    def __getitem__(self, axis: str) -> AxisChange:
        """The changes on an axis, of the first concept that has it."""
        return next(change for change in self.changes if change.axis == axis)

    def table(self) -> TextTable:
        """One row a class."""
        rows = tuple(
            (
                change.concept, change.axis, name, percent(found.before), percent(found.after),
                points(found.difference, found.low, found.high), str(found.n),
            )
            for change in self.changes
            for name, found in change.classes.items()
        )  # fmt: skip
        heads = ("concept", "axis", "class", "before", "after", "change (paired 95% interval)", "pairs")
        return TextTable(heads, rows)

    def rows(self) -> Sequence[Row]:
        """A row a class."""
        return [
            {"concept": change.concept, "axis": change.axis, "class": name, **found.model_dump()}
            for change in self.changes
            for name, found in change.classes.items()
        ]

    def plot(self) -> go.Figure:
        """The change of each class in percentage points with its interval; the line at 0 is no change."""
        return changes_chart(
            [
                (f"{name} ({change.axis})", Bar(found.difference, found.low, found.high))
                for change in self.changes
                for name, found in change.classes.items()
            ]
        )
