"""What the page says of paired changes: a chart, sentences and rows for each group against the untouched images."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.charts.bars import Bar
from equinoise.charts.changes import changes_chart
from equinoise.charts.numbers import points
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.page.chart import Chart
from equinoise.results.comparisons.runs import AxisChange, ChangesResult


@dataclass(frozen=True)
class Changes:
    """Of one group: the chart, a sentence an axis, and rows."""

    group: str
    chart: Chart
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def describe_changes(article: Article, id: str) -> list[Changes]:
    """The group to be judged first, which is the last of the article."""
    groups = list((article.changes or {}).items())[::-1]
    several = len(article.concepts) > 1
    return [_changes(name, found, several, f"{id}-{index}") for index, (name, found) in enumerate(groups)]


def _changes(group: str, found: ChangesResult, several: bool, id: str) -> Changes:
    of = {id_: f" “{change.concept}”" if several else "" for id_, change in enumerate(found.changes)}
    rows = [
        (f"{name} ({change.axis}){of[index]}", Bar(c.difference, c.low, c.high, text=words.change(c)))
        for index, change in enumerate(found.changes)
        for name, c in change.classes.items()
    ]
    label = f"Change of each class from untouched to {group} on the same seeds; the table holds the same numbers"
    table = [
        (f"{change.axis}{of[index]}", name, f"{points(c.difference)} points", f"{points(c.low)} to {points(c.high)}")
        for index, change in enumerate(found.changes)
        for name, c in change.classes.items()
    ]
    sentences = tuple(_sentence(change, of[index]) for index, change in enumerate(found.changes))
    return Changes(group, Chart(id, label, changes_chart(rows)), sentences, tuple(table))


def _sentence(change: AxisChange, of: str) -> str:
    name, found = max(change.classes.items(), key=lambda item: abs(item[1].difference))
    verdict = "the interval excludes 0" if found.moved else "the interval includes 0, so this may be chance"
    return f"Most moved on {change.axis}{of}: {name}, {words.change(found)}; {verdict}."
