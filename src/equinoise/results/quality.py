"""Quality of a run's images: is the concept still shown, is variety kept, are the pictures as good, what else moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from equinoise.charts.bars import Bar
from equinoise.charts.numbers import reach
from equinoise.charts.ranked import ranked_bars
from equinoise.charts.style import BLUE
from equinoise.no_picture import NoPicture, in_words
from equinoise.results.base import Result, Value
from equinoise.results.interactions import AxisEffect
from equinoise.results.tables import Row, TextTable, joined, points, share

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Measure(Value):
    """A number with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def bar(self) -> Bar:
        """As charts take it."""
        return Bar(self.value, self.low, self.high, text=reach(self.value, self.low, self.high))

    def text(self, digits: int, scale: float = 1.0) -> str:
        """`0.95 (0.90 to 1.02)`, each number times the scale."""
        value, low, high = (f"{scale * end:.{digits}f}" for end in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


class Fidelity(Value):
    """The share of n images whose likeliest role is the one asked for, with Wilson's 95% interval."""

    n: int
    share: float
    low: float
    high: float


class FidelityKept(Value):
    """Fidelity after against before, over pairs of the same prompt and seed; no ratio where one of them is 0."""

    pairs: int
    difference: Measure
    ratio: Measure | None


class ComparedClass(Value):
    """A class, or a combination of classes, with its images on either side."""

    label: str = Field(validation_alias="class", serialization_alias="class")
    n: int
    against: int


class WithinClasses(Value):
    """Variety and realism of images within the classes of some axes, held against images whose prompts name these.

    Attributes:
        diversity: mean of 1 − cosine over pairs of different images of a class, a ratio; 1: as various.
        kid: kernel inception distance within a class (Bińkowski et al. 2018); 0 on average for images of one kind.
        compared: images of the run that have a class with two images on both sides.
    """

    diversity: Measure
    kid: Measure
    classes: tuple[ComparedClass, ...]
    compared: int


class QualityRuns(Value):
    """The folders whose images are compared (`folder` is `run` in JSON), and the axes within whose classes they are."""

    folder: str = Field(validation_alias="run", serialization_alias="run")
    against: str
    before: str | None
    within: tuple[str, ...]


class QualityResult(Result, WithinClasses, QualityRuns):
    """What `quality` measured.

    Attributes:
        fidelity: None without a detector that tells roles.
        fidelity_kept: against the untouched images; None without them, or without a detector that tells roles.
        untouched: variety and realism of the untouched images, against the same reference.
        off_target: axis → what became of it, of every axis that was not meant to move.
        no_picture: run, against or before → how many of its images are no pictures, by reason; they are left out of
            every measure. None without any.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"no_picture": "no_picture"}

    fidelity: Fidelity | None
    fidelity_kept: FidelityKept | None
    untouched: WithinClasses | None
    off_target: dict[str, AxisEffect] | None
    no_picture: dict[str, dict[NoPicture, int]] | None = None

    def table(self) -> TextTable:
        """One row a measure; beside it that of the untouched images."""
        first, rows = self.untouched, list[tuple[str, ...]]()
        if self.fidelity:
            shown = share(self.fidelity.share, self.fidelity.low, self.fidelity.high)
            rows.append(("concept right", shown, ""))
        if self.fidelity_kept and self.fidelity_kept.ratio:
            rows.append(("concept right, over untouched", self.fidelity_kept.ratio.text(3), ""))
        before = (first.diversity.text(3), first.kid.text(2, 1000)) if first else ("", "")
        rows.append(("diversity, over named prompts", self.diversity.text(3), before[0]))
        rows.append(("kernel distance × 1000", self.kid.text(2, 1000), before[1]))
        for axis, effect in (self.off_target or {}).items():
            for name, c in effect.classes.items():
                change = points(c.difference, c.low, c.high)
                rows.append((f"{axis}: {name}", change, "moved" if name in effect.moved else ""))
        none = [f"left out, {name}: {in_words(counts)}" for name, counts in (self.no_picture or {}).items()]
        caption = joined([f"within classes of {', '.join(self.within)}; against {self.against}", *none])
        return TextTable(("measure", "value (95%)", "untouched"), tuple(rows), caption, self.folder)

    def rows(self) -> Sequence[Row]:
        """A row a measure."""
        return [{"measure": name, **found.model_dump()} for name, found in self._measures().items()]

    def plot(self) -> go.Figure:
        """Fidelity and diversity, of the run and of the untouched images; 1 is as good, and as various."""
        shown = {name: found for name, found in self._measures().items() if not name.startswith("kernel")}
        return ranked_bars([(name, found.bar) for name, found in shown.items()], "share, or ratio", BLUE)

    def _measures(self) -> Mapping[str, Measure]:
        right, kept, first = self.fidelity, self.fidelity_kept, self.untouched
        named = {
            "concept right": Measure(value=right.share, low=right.low, high=right.high) if right else None,
            "concept right, over untouched": kept.ratio if kept else None,
            "diversity": self.diversity,
            "diversity, untouched": first.diversity if first else None,
            "kernel distance": self.kid,
            "kernel distance, untouched": first.kid if first else None,
        }
        return {name: found for name, found in named.items() if found is not None}
