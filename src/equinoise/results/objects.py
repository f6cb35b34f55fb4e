"""Objects: how many images of a concept show each, and with which classes it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from equinoise.charts.bars import Bar
from equinoise.charts.ranked import ranked_bars
from equinoise.charts.style import BLUE
from equinoise.errors import EquinoiseError
from equinoise.no_picture import NoPicture, in_words
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, share

if TYPE_CHECKING:
    import plotly.graph_objects as go

SPELLINGS = 6
"""Spellings of a phrase that a table shows."""


class CountedShare(Value):
    """How many of n images, with Wilson's 95% interval; share and interval are None where n is 0."""

    count: int
    n: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def bar(self) -> Bar:
        """The share with its interval."""
        return Bar(self.share, self.low, self.high)


class ObjectKey(Value):
    """Which object is counted over which images: `intervention` is None for untouched images."""

    concept: str
    intervention: str | None = None
    phrase: str


class ObjectCount(CountedShare, ObjectKey):
    """How many images of a concept show an object.

    Attributes:
        merged: every spelling of the object with the number of images in which it was found.
        boxes: how often it was found, several times in an image counted each.
        by_class: axis → class → the share among the images of that class (in JSON: `with`).
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"intervention": "intervention"}

    merged: dict[str, int]
    boxes: int
    by_class: dict[str, dict[str, CountedShare]] = Field(validation_alias="with", serialization_alias="with")


class ObjectDetectorInfo(Value):
    """The object detector that read the images.

    Attributes:
        phrases: what it was told to look for; empty for a detector that needs no telling.
        asked_threshold: the least score that was asked for; `threshold` the one that was used.
        labels: all that it can find; None where it can find anything.
    """

    name: str
    weights: str | None
    phrases: tuple[str, ...]
    asked_threshold: float | None
    threshold: float | None
    labels: tuple[str, ...] | None


class MergingInfo(Value):
    """How phrases were merged, and the least cosine of two that are one; None where no encoder compared them."""

    how: str
    similar: float | None


class ObjectsResult(Result):
    """What `detect_objects` found: for each concept and intervention every object, the most frequent first.

    `no_picture`: how many of the images are no pictures, by reason, in which nothing was looked for; None without any.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"no_picture": "no_picture"}

    objects: tuple[ObjectCount, ...]
    images: int
    no_picture: dict[NoPicture, int] | None = None
    detector: ObjectDetectorInfo
    merging: MergingInfo

    def __getitem__(self, phrase: str) -> ObjectCount:
        """The count of an object, of the first concept that has it.

        Raises:
            EquinoiseError: no such object was found.
        """
        found = next((one for one in self.objects if one.phrase == phrase), None)
        if found is None:
            known = ", ".join(dict.fromkeys(one.phrase for one in self.objects)) or "none"
            raise EquinoiseError(f"no object '{phrase}' was found; found were {known}")
        return found

    @property
    def untouched(self) -> list[ObjectCount]:
        """The objects of the images that no intervention was applied to."""
        return [one for one in self.objects if one.intervention is None]

    def table(self) -> TextTable:
        """One row an object; behind it what was merged."""
        rows = tuple(
            (
                one.concept + (f" [{one.intervention}]" if one.intervention else ""),
                one.phrase,
                f"{one.count} of {one.n}",
                share(one.share, one.low, one.high),
                _spellings(one.merged),
            )
            for one in self.objects
        )
        heads = ("concept", "object", "images", "share (95%)", "merged")
        return TextTable(heads, rows, in_words(self.no_picture or {}), bars=tuple(one.bar for one in self.objects))

    def rows(self) -> Sequence[Row]:
        """A row an object."""
        return [one.model_dump(exclude={"merged", "by_class"}) for one in self.objects]

    def plot(self) -> go.Figure:
        """The share of images that show each object, over all concepts untouched."""
        several = len({one.concept for one in self.untouched}) > 1
        bars = [(one.phrase + (f" ({one.concept})" if several else ""), one.bar) for one in self.untouched]
        return ranked_bars(bars, "share of images", BLUE, shares=True)


def _spellings(merged: Mapping[str, int]) -> str:
    more = len(merged) - SPELLINGS
    shown = ", ".join(f"{phrase} {times}" for phrase, times in list(merged.items())[:SPELLINGS])
    return shown + (f" and {more} more" if more > 0 else "")
