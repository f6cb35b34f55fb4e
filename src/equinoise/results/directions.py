"""Directions as rows: what each tells apart, at which step, and how accurate it is on images it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from equinoise.charts.accuracies import accuracy_chart
from equinoise.charts.bars import Bar
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from equinoise.directions.direction import DirectionSet


class DirectionRow(Value):
    """One direction. `accuracy` is held-out and balanced (chance is 0.5); None where it is not known."""

    ABSENT: ClassVar[Mapping[str, str]] = {"c": "c"}

    axis: str
    label: str = Field(alias="class")
    against: str
    step: int | str
    estimator: str
    c: float | None = None
    accuracy: float | None
    low: float | None
    high: float | None
    p: float | None

    @property
    def apart(self) -> str:
        """`woman against man`."""
        return f"{self.label} against {self.against}"


class SkippedStep(Value):
    """A step at which no direction could be fitted, and why."""

    axis: str
    step: int | str
    reason: str


class DirectionsResult(Result):
    """What `fit` found, and what it had to leave out."""

    directions: tuple[DirectionRow, ...]
    skipped: tuple[SkippedStep, ...] = ()

    @classmethod
    def listing(cls, found: DirectionSet) -> DirectionsResult:
        """The rows of a set of directions."""
        return cls(
            directions=tuple(DirectionRow.model_validate(row) for row in found.to_json()),
            skipped=tuple(SkippedStep(axis=s.axis, step=s.step, reason=s.reason) for s in found.skipped),
        )

    def table(self) -> TextTable:
        """One row a direction."""
        rows = []
        for d in self.directions:
            known = d.accuracy is not None  # not of a direction made orthogonal to others
            interval = f"{d.low:.2f} – {d.high:.2f}" if known else "–"
            accuracy, p = (f"{d.accuracy:.2f}", f"{d.p:.2f}") if known else ("–", "–")
            rows.append((d.axis, d.label, str(d.step), d.estimator, accuracy, interval, p))
        heads = ("axis", "class", "step", "estimator", "held-out accuracy", "95% interval", "p")
        bars = tuple(Bar(d.accuracy, d.low, d.high, 0.5) for d in self.directions)
        return TextTable(heads, tuple(rows), "; ".join(f"step {s.step}: {s.reason}" for s in self.skipped), bars=bars)

    def rows(self) -> Sequence[Row]:
        """A row a direction."""
        return [direction.to_json() for direction in self.directions]

    def plot(self) -> go.Figure:
        """Held-out accuracy by step, against chance."""
        return accuracies(self.directions)


def accuracies(directions: Sequence[DirectionRow]) -> go.Figure:
    """Held-out accuracy by step, a line for each pair of classes and estimator; without those of no known accuracy."""
    lines: dict[str, list[tuple[int | str, Bar]]] = {}
    for one in directions:
        if one.accuracy is not None:
            line = lines.setdefault(f"{one.apart} ({one.estimator})", [])
            line.append((one.step, Bar(one.accuracy, one.low, one.high)))
    return accuracy_chart(lines)


class Collected(Value):
    """What `collect` made: images, denoiser calls, the captured steps, and the prompts of the classes."""

    ABSENT: ClassVar[Mapping[str, str]] = {"note": "note"}

    images: int
    denoiser_calls: int
    captured: tuple[int | str, ...]
    labelled: int
    prompts: dict[str, str]
    note: str | None = None
