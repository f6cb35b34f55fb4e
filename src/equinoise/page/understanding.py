"""What the page says of relations, objects and where the two disagree: panels, sentences and rows, nothing of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from equinoise.charts.bars import Bar
from equinoise.charts.clouds import pairs_chart
from equinoise.charts.grouped import grouped_bars
from equinoise.charts.numbers import number, percent, span
from equinoise.charts.ranked import ranked_bars
from equinoise.charts.rounds import donut, spokes, wheel
from equinoise.charts.style import BLUE, GREEN, VERMILLION
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.page.audits import said_bars
from equinoise.page.chart import Chart
from equinoise.page.comparing import Panel, compare, planted_object
from equinoise.page.pictures import Boxed, boxed, with_boxes
from equinoise.results.disagreements import Disagreement, DisagreementsResult
from equinoise.results.objects import CountedShare, ObjectCount, ObjectsResult
from equinoise.results.relations import AttributeRelation, Kind, RelationsResult

MOST, COMPARED, AUDITS = 24, 8, 4
"""Objects shown, objects compared between classes, and audits shown as rings."""
SHORT: dict[Kind, str] = {"text": "cosine", "text_centred": "centred cosine", "vision": "mean cosine"}
"""Where the encoder is named above the chart."""


@dataclass(frozen=True)
class Understanding:
    """All that `relate`, `detect` and `disagreements` found; what is None or empty has no place on the page."""

    findings: tuple[str, ...]
    tested: str
    compared: Panel | None
    panels: tuple[Panel, ...]
    more: tuple[Chart, ...]
    boxed: tuple[Boxed, ...]


def describe_understanding(article: Article, id: str) -> Understanding | None:
    """The panels of an article; None where nothing but an audit is known."""
    relations, objects, known = article.relations, article.objects, article.disagreements
    if relations is None and objects is None and known is None:
        return None
    panels = [
        _objects(article, objects, id) if objects else None,
        _social(article, id),
        *(_relations(relations, id) if relations else []),
    ]
    pictures = with_boxes(article.run) if objects else []
    return Understanding(
        findings=tuple(one.sentence for one in known.findings) if known else (),
        tested=_tested(known) if known else "",
        compared=compare(article, known, f"{id}-chart-shown") if known else None,
        panels=tuple(panel for panel in panels if panel),
        more=(*_of_relations(relations, known.findings if known else (), id), *_of_classes(objects, id)),
        boxed=tuple(boxed(article.run, record) for record in pictures),
    )


def _tested(found: DisagreementsResult) -> str:
    order = (
        f" Relation and frequency have a rank correlation of {number(found.rank_correlation, 2)} "
        f"({number(found.rank_low, 2)} to {number(found.rank_high, 2)})."
        if found.rank_correlation is not None
        else ""
    )
    skipped = f" Not counted: {', '.join(one.attribute for one in found.skipped)}." if found.skipped else ""
    return (
        f"{words.quantity(found.tested, 'pair')} of attributes tested over {words.quantity(found.images, 'image')}; "
        f"in {found.established} the encoder surely has one closer. The chance that anything reported here is false is "
        f"at most {percent(found.alpha)}.{order}{skipped}"
    )


def _objects(article: Article, objects: ObjectsResult, id: str) -> Panel:
    rows = object_rows(objects)[:MOST]
    sentence = (
        f"Most often: {rows[0][0]}, in {words.share(rows[0][1], rows[0][1].n)}." if rows else "No object was found."
    )
    planted = [planted_object(article, one) for _, one in rows]
    known = any(share is not None for share in planted)
    table = [
        (name, f"{one.count} of {one.n}", percent(one.share), span(one.low, one.high),
         *([percent(share)] if known else []), ", ".join(f"{phrase} {times}" for phrase, times in one.merged.items()))
        for (name, one), share in zip(rows, planted, strict=True)
    ]  # fmt: skip
    bars = [(name, replace(_bar(one), target=share)) for (name, one), share in zip(rows, planted, strict=True)]
    label = "Share of images that show each object; the table holds the same numbers"
    figure = ranked_bars(bars, "share of images", BLUE, shares=True)
    heads = ("Object", "Images", "Share", "95% interval", *(["Planted"] if known else []), "Merged from")
    charts = (Chart(f"{id}-chart-objects", label, figure),) if rows else ()
    return Panel("Objects", sentence, charts, "Images that show each object", heads, tuple(table))


def object_rows(objects: ObjectsResult) -> list[tuple[str, ObjectCount]]:
    """The objects of untouched images by name; named with their concept where there are several."""
    several = len({one.concept for one in objects.untouched}) > 1
    return [(f"{one.phrase} ({one.concept})" if several else one.phrase, one) for one in objects.untouched]


def _bar(found: CountedShare) -> Bar:
    return replace(found.bar, text=words.share(found, found.n))


def _relations(results: RelationsResult, id: str) -> list[Panel]:
    panels = []
    kinds: tuple[tuple[str, Kind], ...] = (("Text encoder", "text_centred"), ("Vision encoder", "vision"))
    for title, kind in kinds:
        rows = results.ranked(kind)
        if not rows:
            continue
        first, last = rows[0], rows[-1]
        sentence = (
            f"Closest: {first.attribute}, {first.bar(kind).text}; furthest: {last.attribute}, {last.bar(kind).text}."
        )
        raw = kind == "text_centred"
        table = [(r.attribute, r.bar(kind).text, *([r.bar("text").text] if raw else [])) for r in rows]
        heads = ("Attribute", "Centred (95%)", "Raw (95%)") if raw else ("Attribute", "Mean cosine (95%)")
        figure = ranked_bars([(r.attribute, r.bar(kind)) for r in rows], SHORT[kind], GREEN if raw else VERMILLION)
        chart = Chart(f"{id}-chart-{kind}", f"Relation of each attribute in the {title.lower()}", figure)
        panels.append(Panel(title, sentence, (chart,), f"Relations in the {title.lower()}", heads, tuple(table)))
    return panels


def _social(article: Article, id: str) -> Panel | None:
    known = [audit for audit in article.audits if audit.clear][:AUDITS]
    if not known:
        return None
    planted = {audit.axis: article.planted(audit.concept).get(audit.axis, {}) for audit in known}
    more = any(planted.values())
    rows = [
        (name, audit.axis, f"{found.count} of {audit.clear}", percent(found.share), span(found.low, found.high),
         *([percent(planted[audit.axis].get(name))] if more else []))
        for audit in known
        for name, found in audit.classes.items()
    ]  # fmt: skip
    tops = [(audit, max(audit.classes.items(), key=lambda item: item[1].count)) for audit in known]
    most = "; ".join(f"{audit.axis} {name}, {words.share(found, audit.clear)}" for audit, (name, found) in tops)
    charts = tuple(
        Chart(
            f"{id}-chart-social-{index}",
            f"Shares of {audit.axis}; the table below holds the same numbers",
            donut(audit.axis, said_bars(audit)),
        )
        for index, audit in enumerate(known)
    )
    heads = ("Class", "Axis", "Images", "Share", "95% interval", *(["Planted"] if more else []))
    sentence = f"Most often perceived: {most}."
    return Panel("Social", sentence, charts, "Shares of perceived classes", heads, tuple(rows))


def _of_relations(relations: RelationsResult | None, findings: Sequence[Disagreement], id: str) -> list[Chart]:
    """Text against vision: by attribute, on a wheel, and by pair."""
    if relations is None or not (relations.measured("text_centred") and relations.measured("vision")):
        return []
    found = [(one.attribute, one.than) for one in findings]
    label = "Relation in the text encoder against relation over images; the table holds the same numbers"
    charts = [Chart(f"{id}-chart-scatter", label, relations.against({name for pair in found for name in pair}))]
    if len(relations.relations) > 2:
        charts.append(_wheel(relations.relations, f"{id}-chart-radar"))
    figure = pairs_chart(relations.pair_points(), found, "difference in text (centred)", "difference over images")
    label = "Differences of pairs of attributes, in text and over images; below the line the two disagree"
    return [*charts, Chart(f"{id}-chart-pairs", label, figure)]


def _wheel(rows: Sequence[AttributeRelation], id: str) -> Chart:
    text, vision = zip(*(row.both for row in rows), strict=True)
    shown = spokes([row.attribute for row in rows], [text, vision])
    which = "all attributes" if len(shown) == len(rows) else f"the {len(shown)} closest attributes"
    label = f"Relations of {which} on a wheel, text and vision, each from its least to its greatest"
    series = {"text": [text[place] for place in shown], "vision": [vision[place] for place in shown]}
    return Chart(id, label, wheel([rows[place].attribute for place in shown], series))


def _of_classes(objects: ObjectsResult | None, id: str) -> list[Chart]:
    """Which objects go with which classes."""
    shown = object_rows(objects)[:COMPARED] if objects else []
    charts = []
    for index, axis in enumerate(compared_axes([one for _, one in shown])):
        rows = [
            (name, {label: _bar(found) for label, found in one.by_class[axis].items()})
            for name, one in shown
            if axis in one.by_class
        ]
        label = f"Share of the images of each class of {axis} that show an object"
        charts.append(Chart(f"{id}-chart-with-{index}", label, grouped_bars(rows)))
    return charts


def compared_axes(objects: Sequence[ObjectCount]) -> list[str]:
    """The axes on which the images show two classes or more: with one there is nothing to compare."""
    seen: dict[str, set[str]] = {}
    for one in objects:
        for axis, classes in one.by_class.items():
            seen.setdefault(axis, set()).update(name for name, found in classes.items() if found.n)
    return [axis for axis, names in seen.items() if len(names) > 1]
