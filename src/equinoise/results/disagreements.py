"""Disagreements of encoder and images: an attribute closer to the concept than another, yet shown less often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from equinoise.charts.bars import Bar
from equinoise.charts.clouds import Point, cloud
from equinoise.results.base import Result, Value
from equinoise.results.relations import TITLES, Kind
from equinoise.results.tables import Row, TextTable

if TYPE_CHECKING:
    import plotly.graph_objects as go


class AttributeFrequency(Value):
    """The relation of an attribute to the concept, and how many of n clear images show it.

    Attributes:
        low, high: Wilson's 95% interval of the share.
        source: where the images were counted: `AXIS:CLASS` or the name of an object.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"source": "source"}

    attribute: str
    relation: float
    count: int
    n: int
    share: float
    low: float
    high: float
    source: str | None = None

    @property
    def bar(self) -> Bar:
        """The share with its interval."""
        return Bar(self.share, self.low, self.high)


class Disagreement(Value):
    """A pair of attributes: `attribute` is closer to the concept than `than`, yet images show it less often.

    Attributes:
        relation, relation_than: cosines of the two with the concept.
        share, share_than, count, count_than: over the `n` images on which both are clear.
        difference: of the two relations; `low`, `high` its 95% interval.
        share_difference: of the two shares, paired; `share_low`, `share_high` its 95% interval.
        p_relation: two-sided, of the relations being equal; p_frequency: one-sided, McNemar's exact test.
        p_adjusted: of the whole finding, adjusted for all pairs; see `statistics.adjust_reversals`.
        sentence: the finding in words.
    """

    attribute: str
    than: str
    relation: float
    relation_than: float
    share: float
    share_than: float
    count: int
    count_than: int
    n: int
    difference: float
    low: float | None
    high: float | None
    share_difference: float
    share_low: float
    share_high: float
    p_relation: float
    p_frequency: float
    p_adjusted: float
    sentence: str


class SkippedAttribute(Value):
    """An attribute that could not be counted over the images, and why."""

    attribute: str
    reason: str


class DisagreementsResult(Result):
    """What `disagreements` found, the surest first.

    Attributes:
        encoder: the kind of relation that was compared.
        tested: pairs of attributes; `established`: those in which one attribute is surely closer.
        alpha: bound of the chance that any finding is false.
        images: how many were counted.
        rank_correlation: Spearman's, of relation and share over the attributes; None where one order is constant.
        space, encoder_name: of a run: in which space, and in which encoder, the relations were measured.
        skipped: of a run: attributes that could not be counted.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {name: name for name in ("space", "encoder_name", "skipped")}

    concept: str
    encoder: Kind
    findings: tuple[Disagreement, ...]
    tested: int
    established: int
    alpha: float
    images: int
    attributes: tuple[AttributeFrequency, ...]
    rank_correlation: float | None
    rank_low: float | None
    rank_high: float | None
    space: str | None = None
    encoder_name: str | None = None
    skipped: tuple[SkippedAttribute, ...] | None = None

    @property
    def found(self) -> str:
        """`2 of 6 pairs disagree`."""
        return f"{len(self.findings)} of {self.tested} pairs disagree"

    def table(self) -> TextTable:
        """One row a finding, in words."""
        rank = self.rank_correlation
        order = "" if rank is None else f"; rank correlation {rank:.2f} ({self.rank_low:.2f} to {self.rank_high:.2f})"
        return self.findings_table(f"{self.found} over {self.images} images{order}")

    def findings_table(self, caption: str) -> TextTable:
        """One row a finding, above a caption."""
        rows = tuple((f"{one.p_adjusted:.2g}", one.sentence) for one in self.findings)
        return TextTable(("adjusted p", "finding"), rows, caption)

    def rows(self) -> Sequence[Row]:
        """A row a finding."""
        return [{"concept": self.concept, **one.model_dump()} for one in self.findings]

    def plot(self) -> go.Figure:
        """Relation against share, a point an attribute; those that are part of a finding are diamonds."""
        marked = {name for one in self.findings for name in (one.attribute, one.than)}
        points = [
            Point(
                one.attribute,
                one.relation,
                one.share,
                f"{one.attribute}: relation {one.relation:.3f}, shown in {one.bar.said}",
                one.attribute in marked,
            )
            for one in self.attributes
        ]
        return cloud(points, TITLES[self.encoder], "share of images that show it", shares=True)
