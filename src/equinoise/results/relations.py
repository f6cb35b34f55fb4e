"""Relations: how close a concept and its attributes lie, in text encoders and over images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from equinoise.charts.bars import Bar
from equinoise.charts.clouds import PairPoint, Point, cloud
from equinoise.charts.numbers import reach
from equinoise.charts.ranked import ranked_bars
from equinoise.charts.style import GREEN, VERMILLION
from equinoise.errors import EquinoiseError
from equinoise.no_picture import NoPicture, in_words
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, joined

if TYPE_CHECKING:
    import plotly.graph_objects as go

Kind = Literal["text", "text_centred", "vision"]
"""Cosines in a text encoder as they are, after the mean of a reference vocabulary is subtracted, and of images."""
KINDS: tuple[Kind, ...] = get_args(Kind)
TITLES: Mapping[Kind, str] = {
    "text": "cosine in the text encoder",
    "text_centred": "cosine in the text encoder, centred",
    "vision": "mean cosine of images",
}


class Cosines(Value):
    """Mean cosines by kind, each with a 95% interval; None where a kind was not measured.

    An interval is None where a single wording, or a single image, tells nothing of the spread. Of a pair of attributes
    the numbers are differences of cosines.
    """

    text: float | None = None
    text_low: float | None = None
    text_high: float | None = None
    text_centred: float | None = None
    text_centred_low: float | None = None
    text_centred_high: float | None = None
    vision: float | None = None
    vision_low: float | None = None
    vision_high: float | None = None

    def bar(self, kind: Kind) -> Bar:
        """One kind with its interval; the value is None where it was not measured."""
        value, low, high = (getattr(self, f"{kind}{end}") for end in ("", "_low", "_high"))
        return Bar(value, low, high, text=reach(value, low, high))

    @property
    def both(self) -> tuple[float, float]:
        """Centred text, and vision.

        Raises:
            ValueError: one of the two was not measured.
        """
        if self.text_centred is None or self.vision is None:
            raise ValueError("text and vision were not both measured")
        return self.text_centred, self.vision


class EncoderCosines(Cosines):
    """The cosines in one more encoder; the kinds that it cannot measure are left out of the JSON."""

    ABSENT: ClassVar[Mapping[str, str]] = {f"{kind}{end}": kind for kind in KINDS for end in ("", "_low", "_high")}


class RelatedAttribute(Value):
    """By which an attribute is known: its name, and the prompt that its images are made from."""

    attribute: str
    prompt: str


class AttributeRelation(Cosines, RelatedAttribute):
    """The relation of one attribute to the concept, in the first encoder of each kind.

    Attributes:
        encoders: the same in every further encoder, by its name; None where there is none.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"encoders": "encoders"}

    encoders: dict[str, EncoderCosines] | None = None


class AttributePair(Value):
    """Two attributes that are compared."""

    attribute: str
    than: str


class RelationDifference(Cosines, AttributePair):
    """How much closer one attribute is than another, compared wording by wording, or on the same seeds."""


class RelationsResult(Result):
    """What `relate` measured: a relation for each attribute, and the difference of each pair of attributes.

    `result["mansion"].vision` is the mean cosine of images of the concept with images of a mansion.

    Attributes:
        no_picture: how many images of the concept and the attributes are no pictures, by reason; they are left out.
            None without any.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"no_picture": "no_picture"}

    concept: str
    relations: tuple[AttributeRelation, ...]
    differences: tuple[RelationDifference, ...]
    text_encoders: tuple[str, ...]
    vision_encoders: tuple[str, ...]
    no_picture: dict[NoPicture, int] | None = None

    def __getitem__(self, attribute: str) -> AttributeRelation:
        """The relation of an attribute.

        Raises:
            EquinoiseError: there is no such attribute.
        """
        found = {relation.attribute: relation for relation in self.relations}
        if attribute not in found:
            raise EquinoiseError(f"no attribute '{attribute}' was related; there are {', '.join(found)}")
        return found[attribute]

    def measured(self, kind: Kind) -> bool:
        """Whether every attribute has a cosine of a kind."""
        return all(getattr(relation, kind) is not None for relation in self.relations)

    def ranked(self, kind: Kind) -> list[AttributeRelation]:
        """The attributes that have a cosine of a kind, the closest first."""
        known = [relation for relation in self.relations if getattr(relation, kind) is not None]
        return sorted(known, key=lambda relation: -getattr(relation, kind))

    def table(self) -> TextTable:
        """One row an attribute, the closest in the text encoder first."""
        ranked = self.ranked("text_centred" if self.measured("text_centred") else "vision")
        rows = tuple((one.attribute, *(_text(one.bar(kind)) for kind in KINDS)) for one in ranked)
        heads = ("attribute", "text", "text, centred (95%)", "vision (95%)")
        caption = "cosines; centred: after the mean of a reference vocabulary is subtracted"
        return TextTable(heads, rows, joined([caption, in_words(self.no_picture or {})]), self.concept)

    def rows(self) -> Sequence[Row]:
        """A row an attribute."""
        return [{"concept": self.concept, **one.model_dump(exclude={"encoders"})} for one in self.relations]

    def plot(self) -> go.Figure:
        """Text against vision, a point an attribute; bars where only one of the two was measured."""
        if not (self.measured("text_centred") and self.measured("vision")):
            kind: Kind = "text_centred" if self.measured("text_centred") else "vision"
            bars = [(one.attribute, one.bar(kind)) for one in self.ranked(kind)]
            return ranked_bars(bars, TITLES[kind], VERMILLION if kind == "vision" else GREEN)
        return self.against()

    def against(self, marked: Collection[str] = ()) -> go.Figure:
        """Text against vision, a labelled point an attribute; the attributes in `marked` are diamonds."""
        points = [Point(one.attribute, *one.both, self._said(one), one.attribute in marked) for one in self.relations]
        return cloud(points, TITLES["text_centred"], TITLES["vision"])

    def pair_points(self) -> list[PairPoint]:
        """The difference of each pair of attributes, in text and over images."""
        return [PairPoint(one.attribute, one.than, *one.both) for one in self.differences]

    def _said(self, one: AttributeRelation) -> str:
        return f"{one.attribute}: text {one.bar('text_centred').text}, vision {one.bar('vision').text}"


def _text(bar: Bar) -> str:
    """`0.310 (0.280–0.340)`."""
    if bar.value is None:
        return "–"
    return f"{bar.value:.3f}" + (f" ({bar.low:.3f}–{bar.high:.3f})" if bar.low is not None else "")
