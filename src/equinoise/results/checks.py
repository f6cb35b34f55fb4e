"""Whether an audit lies within its limits, and what a detector gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from equinoise.charts.bars import Bar
from equinoise.charts.changes import changes_chart
from equinoise.charts.matrices import matrix_chart
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Verdict(Value):
    """One measure of one audit against its limit.

    `basis` says which shares the measure is of: `corrected` for the detector's error where that is known, else
    `measured`.
    """

    concept: str
    axis: str
    measure: str
    value: float | None
    limit: float
    basis: str
    verdict: Literal["pass", "fail", "inconclusive"]
    sentence: str
    low: float | None
    high: float | None


class CheckResult(Result):
    """What `check` found: a verdict an audit and limit, and whether the check holds."""

    verdicts: tuple[Verdict, ...]
    passed: bool
    strict: bool

    def table(self) -> TextTable:
        """One row a verdict."""
        return TextTable(("verdict", "what was found"), tuple((v.verdict, v.sentence) for v in self.verdicts))

    def rows(self) -> Sequence[Row]:
        """A row a verdict."""
        return [verdict.model_dump() for verdict in self.verdicts]

    def plot(self) -> go.Figure:
        """Each measure with its interval against its limit."""
        return changes_chart(
            [(f"{v.concept}: {v.axis} {v.measure}", Bar(v.value, v.low, v.high, v.limit)) for v in self.verdicts]
        )


class Bold(Value):
    """Of n images that people cannot tell, how many get a class from the detector all the same."""

    count: int
    n: int


class CalibrationResult(Result):
    """A detector's confusion matrix on one axis: true class → what the detector said → count.

    Attributes:
        unclear_below: the threshold that the errors were counted at.
        chosen_on: images that the threshold was chosen on; no error is counted on them.
    """

    axis: str
    confusion: dict[str, dict[str, int]]
    n: int
    unclear_below: float
    chosen_on: int
    clear_where_people_cannot_tell: Bold
    detector: str

    def table(self) -> TextTable:
        """One row a true class."""
        columns = list(next(iter(self.confusion.values())))
        rows = tuple((true, *(str(row[name]) for name in columns)) for true, row in self.confusion.items())
        caption = f"{self.n} images, unclear below a probability of {self.unclear_below:g}"
        return TextTable(("true class", *columns), rows, caption)

    def rows(self) -> Sequence[Row]:
        """A row a true class and what the detector said."""
        return [
            {"true": true, "predicted": predicted, "count": count}
            for true, row in self.confusion.items()
            for predicted, count in row.items()
        ]

    def plot(self) -> go.Figure:
        """The confusion matrix, each row as shares."""
        return matrix_chart(self.confusion)
