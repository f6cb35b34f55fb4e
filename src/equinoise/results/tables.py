"""A small table of texts: in a terminal by rich, in a notebook as HTML with a chart of intervals in its last column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from equinoise.charts.bars import Bar
from equinoise.display import plain, plain_lines

Cell = str | float | int | bool | None
Row = Mapping[str, Cell]
"""Column → value, of a data frame."""
PRINTED = 120
"""Columns of a table that is printed as a text."""
BORDER = 3
"""Columns that a column's edge and padding take."""
WIDTH, HEIGHT = 180, 18
"""Of a row's chart, in pixels."""


@dataclass(frozen=True)
class TextTable:
    """Heads, rows of texts and a caption; a row of no texts is a line between groups.

    Attributes:
        bars: one a row (None where a row has none) for the chart in a notebook.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    title: str = ""
    bars: tuple[Bar | None, ...] = ()

    def to_rich(self, width: int) -> Table:
        """For a terminal of so many columns: the texts as they are, without markup or characters that it obeys.

        Words stay whole where all columns have room for their longest; else they are folded, so that none is lost.
        """
        title = Text(plain_lines(self.title), "table.title", justify="center") if self.title else None
        caption = Text(plain_lines(self.caption), "table.caption", justify="center") if self.caption else None
        words = [self._longest_word(place) for place in range(len(self.heads))]
        fits = sum(length + BORDER for length in words) < width
        columns = (
            Column(Text(plain(head)), overflow="fold", min_width=length if fits else None)
            for head, length in zip(self.heads, words, strict=True)
        )
        table = Table(*columns, title=title, caption=caption)
        for row in self.rows:
            if row:
                table.add_row(*(Text(plain_lines(text)) for text in row))
            else:
                table.add_section()
        return table

    def _longest_word(self, place: int) -> int:
        """Characters of the longest word of a column."""
        texts = (self.heads[place], *(row[place] for row in self.rows if row))
        return max((len(word) for text in texts for word in text.split()), default=0)

    def to_html(self) -> str:
        """For a notebook: the same rows, and where there are bars a chart of them."""
        charted = any(self.bars)
        heads = "".join(f"<th style='text-align:left'>{escape(head)}</th>" for head in self.heads)
        body = "".join(
            f"<tr>{''.join(f'<td style=text-align:left>{escape(text)}</td>' for text in row)}{_chart(bar)}</tr>"
            for row, bar in zip(self.rows, self.bars or (None,) * len(self.rows), strict=True)
            if row
        )
        title = f"<p><b>{escape(self.title)}</b></p>" if self.title else ""
        note = f"<p><small>{escape(self.caption)}</small></p>" if self.caption else ""
        chart = "<th style='text-align:left'>0% – 100%</th>" if charted else ""
        return f"{title}<table><thead><tr>{heads}{chart}</tr></thead><tbody>{body}</tbody></table>{note}"

    def __str__(self) -> str:
        text = StringIO()
        Console(file=text, highlight=False, width=PRINTED).print(self.to_rich(PRINTED))
        return text.getvalue().rstrip("\n")


def _chart(bar: Bar | None) -> str:
    """A cell: the interval as a line, the share as a dot, the target as an upright stroke."""
    if bar is None or bar.value is None:
        return "<td></td>"
    middle, dot = HEIGHT / 2, 4 + bar.value * (WIDTH - 8)
    marks = [_line(4, middle, WIDTH - 4, middle, "stroke='#bbb' stroke-width='1'")]
    if bar.low is not None and bar.high is not None:
        ends = [4 + end * (WIDTH - 8) for end in (bar.low, bar.high)]
        marks.append(_line(ends[0], middle, ends[1], middle, "stroke='#0072b2' stroke-width='4'"))
    if bar.target is not None:
        at = 4 + bar.target * (WIDTH - 8)
        marks.append(_line(at, 1, at, HEIGHT - 1, "stroke='#d55e00' stroke-width='2'"))
    marks.append(f"<circle cx='{dot:.1f}' cy='{middle}' r='4' fill='#0072b2'/>")
    return f"<td><svg width='{WIDTH}' height='{HEIGHT}' role='img' aria-hidden='true'>{''.join(marks)}</svg></td>"


def _line(left: float, top: float, right: float, bottom: float, look: str) -> str:
    return f"<line x1='{left:.1f}' y1='{top:.1f}' x2='{right:.1f}' y2='{bottom:.1f}' {look}/>"


def percent(value: float | None) -> str:
    """`12.5%`; a dash where there is no value."""
    return "–" if value is None else f"{100 * value:.1f}%"


def share(value: float | None, low: float | None, high: float | None) -> str:
    """`12.5% (7.9%–19.2%)`."""
    return f"{percent(value)} ({percent(low)}–{percent(high)})"


def points(difference: float, low: float, high: float) -> str:
    """`+37 (+28 to +45) points`."""
    return f"{100 * difference:+.0f} ({100 * low:+.0f} to {100 * high:+.0f}) points"


def joined(parts: Sequence[str]) -> str:
    """Notes in one line, those that are empty left out."""
    return "; ".join(part for part in parts if part)
