"""Relation and frequency of each attribute side by side, and what was planted where the model is a test fixture."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.charts.numbers import number, percent, span
from equinoise.page.articles import Article
from equinoise.page.chart import Chart
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectCount
from equinoise.understanding.objects import is_a


@dataclass(frozen=True)
class Panel:
    """One of the four panels: its charts, what they say in words, and the same numbers as rows."""

    title: str
    sentence: str
    charts: tuple[Chart, ...]
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def compare(article: Article, found: DisagreementsResult, id: str) -> Panel:
    """The attributes that have both a relation and a frequency, the closest first."""
    rows = sorted(found.attributes, key=lambda row: -row.relation)
    planted = [_planted(article, found.concept, row.source or "") for row in rows]
    known = any(share is not None for share in planted)
    table = [
        (row.attribute, number(row.relation), f"{row.count} of {row.n}", percent(row.share), span(row.low, row.high),
         *([percent(share)] if known else []), row.source or "")
        for row, share in zip(rows, planted, strict=True)
    ]  # fmt: skip
    label = "Relation against the share of images that show it; the table holds the same numbers"
    heads = ("Attribute", "Relation", "Images", "Share", "95% interval", *(["Planted"] if known else []), "Read from")
    chart = Chart(id, label, found.plot())
    return Panel("Relation against frequency", "", (chart,), "Relation and frequency", heads, tuple(table))


def _planted(article: Article, concept: str, source: str) -> float | None:
    """The planted share of `AXIS:CLASS`, of an object, or of any of several classes of one axis."""
    shares = [_planted_place(article, concept, place) for place in source.split(", ")]
    known = [share for share in shares if share is not None]
    return min(1.0, sum(known)) if known and len(known) == len(shares) else None


def _planted_place(article: Article, concept: str, place: str) -> float | None:
    axis, colon, label = place.partition(":")
    if colon:
        return article.planted(concept).get(axis, {}).get(label)
    known = article.planted_objects(concept)
    return None if known is None else sum(share for name, share in known.items() if is_a(name, place))


def planted_object(article: Article, found: ObjectCount) -> float | None:
    """The share of images that an object was planted in, of a test fixture; None where that is not known."""
    known = article.planted_objects(found.concept)
    return None if known is None else known.get(next(iter(found.merged)), 0.0)
