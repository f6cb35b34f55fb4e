"""Interactions: what an intervention does to every axis, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from equinoise.charts.bars import Bar
from equinoise.charts.changes import changes_chart
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, percent, points

if TYPE_CHECKING:
    import plotly.graph_objects as go


class PairedEffect(Value):
    """A class's share before and after, and the difference, paired.

    Attributes:
        low, high: a 95% interval of this difference alone.
        joint_low, joint_high: an interval that holds together with those of all other classes and axes (Bonferroni).
    """

    before: float
    after: float
    difference: float
    low: float
    high: float
    joint_low: float
    joint_high: float

    @property
    def moved(self) -> bool:
        """Whether the joint interval excludes 0."""
        return self.joint_low > 0 or self.joint_high < 0

    @property
    def bar(self) -> Bar:
        """The difference with the interval that holds by itself."""
        return Bar(self.difference, self.low, self.high)


class AxisEffect(Value):
    """The effect on each class of an axis over n pairs of images, and the classes that moved."""

    n: int
    classes: dict[str, PairedEffect]
    moved: tuple[str, ...]


class InterventionEffect(Value):
    """What one intervention does to every axis, over so many pairs of images of the same concept and seed."""

    intervention: str
    pairs: int
    axes: dict[str, AxisEffect]


class InteractionsResult(Result):
    """What `interactions` found: an effect for each intervention; `runs` are the runs that were compared."""

    interactions: tuple[InterventionEffect, ...]
    runs: tuple[str, ...]

    def table(self) -> TextTable:
        """One row a class under an intervention."""
        rows: list[tuple[str, ...]] = []
        for one in self.interactions:
            for axis, effect in one.axes.items():
                for name, c in effect.classes.items():
                    change = points(c.difference, c.low, c.high)
                    moved = "yes" if name in effect.moved else ""
                    rows.append((one.intervention, axis, name, percent(c.before), percent(c.after), change, moved))
            rows.append(())
        heads = ("intervention", "axis", "class", "before", "after", "change (paired 95%)", "moved")
        caption = "moved: the interval that holds for all classes of the row together excludes 0"
        return TextTable(heads, tuple(rows), caption)

    def rows(self) -> Sequence[Row]:
        """A row a class under an intervention."""
        return [
            {"intervention": one.intervention, "axis": axis, "class": name, **c.model_dump(), "moved": c.moved}
            for one in self.interactions
            for axis, effect in one.axes.items()
            for name, c in effect.classes.items()
        ]

    def plot(self) -> go.Figure:
        """The change of each class under each intervention; the line at 0 is no change."""
        several = len(self.interactions) > 1
        return changes_chart(
            [
                (f"{name} ({axis})" + (f", {one.intervention}" if several else ""), c.bar)
                for one in self.interactions
                for axis, effect in one.axes.items()
                for name, c in effect.classes.items()
            ]
        )
