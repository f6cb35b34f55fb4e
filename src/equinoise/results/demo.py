"""The demo: one concept on the emoji model, untouched, under the paper's recipe, and under a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from equinoise.charts.shares import shares_chart
from equinoise.results.audits import AuditResult, audit_bars
from equinoise.results.base import Result, Value
from equinoise.results.directions import DirectionRow
from equinoise.results.plans import PlanResult
from equinoise.results.sweeps import SweepResult
from equinoise.results.tables import Row, TextTable, percent, points
from equinoise.run import Record

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Difference(Value):
    """The change of a class's share on the same seeds, with its paired 95% interval, over n pairs of images."""

    difference: float
    low: float
    high: float
    n: int


class AppliedShift(Value):
    """One shift of the recipe."""

    concept: str
    direction: str
    weight: float
    how: str


class Applied(Value):
    """What was done to the noise: the plan in words, its KL divergence from N(0, I), and the shifts of the recipe."""

    name: str
    nats: dict[str, float]
    shifts: tuple[AppliedShift, ...]


class RecipeResult(Value):
    """What the paper's recipe does on the same seeds: one direction, one weight for every image.

    Attributes:
        differences: axis → class → change from the untouched images.
    """

    name: str
    kl_nats: float
    audit: AuditResult
    differences: dict[str, dict[str, Difference]]


class DemoResult(Result):
    """What the demo found on the same fresh seeds, with the plan as the result and the recipe beside it.

    Attributes:
        before, after: the audits of the untouched images and of those under the plan.
        differences: axis → class → change from before to after.
        direction: the recipe's shifts; `directions` how accurate its directions are.
        report: path of the page; None while it is not written.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"report": "report"}

    before: AuditResult
    after: AuditResult
    differences: dict[str, dict[str, Difference]]
    applied: Applied
    direction: tuple[AppliedShift, ...]
    directions: tuple[DirectionRow, ...]
    sweeps: tuple[SweepResult, ...] = ()
    recipe: RecipeResult
    plan: PlanResult
    warnings: tuple[str, ...] = ()
    report: str | None = None

    @property
    def untouched_images(self) -> list[Record]:
        """Records of the untouched images."""
        return [record for record in self.run.records if record.id.startswith("before-")]

    @property
    def recipe_images(self) -> list[Record]:
        """Records of the images under the recipe, on the same seeds."""
        return [record for record in self.run.records if record.id.startswith("recipe-")]

    @property
    def plan_images(self) -> list[Record]:
        """Records of the images under the plan, on the same seeds."""
        return [record for record in self.run.records if record.id.startswith("plan-")]

    def table(self) -> TextTable:
        """Untouched, recipe and plan, a row a class."""
        rows: list[tuple[str, ...]] = []
        for before, recipe, after in zip(self.before.audits, self.recipe.audit.audits, self.after.audits, strict=True):
            for name, found in before.classes.items():
                c = self.differences[before.axis][name]
                rows.append(
                    (
                        before.axis, name, percent(before.target[name]), percent(found.share),
                        percent(recipe.classes[name].share), percent(after.classes[name].share),
                        points(c.difference, c.low, c.high),
                    )
                )  # fmt: skip
            rows.append(())
        heads = ("axis", "class", "target", "untouched", "paper's recipe", "plan", "change by the plan (paired 95%)")
        return TextTable(heads, tuple(rows), f"recipe: {self.recipe.name}; plan: {self.applied.name}; {self.report}")

    def rows(self) -> Sequence[Row]:
        """A row a group, axis and class."""
        groups = {"untouched": self.before, "recipe": self.recipe.audit, "plan": self.after}
        return [{"group": name, **row} for name, found in groups.items() for row in found.rows()]

    def plot(self) -> go.Figure:
        """Shares untouched, under the recipe and under the plan, with intervals, against the target."""
        groups = {"untouched": self.before, "recipe": self.recipe.audit, "plan": self.after}
        return shares_chart(
            [(axis, {name: audit_bars(found[axis]) for name, found in groups.items()}) for axis in self.before.axes]
        )
