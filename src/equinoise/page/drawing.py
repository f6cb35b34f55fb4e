"""Charts by matplotlib, for files, of the same rows of numbers as the page's: a hatch or symbol beside each colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from equinoise.charts.bars import Bar
from equinoise.charts.clouds import PairPoint, Point, placed, reach
from equinoise.charts.numbers import percent, span
from equinoise.charts.placing import place
from equinoise.charts.rounds import NARROW, spokes
from equinoise.charts.style import PALETTE, VERMILLION
from equinoise.page.pictures import open_picture
from equinoise.run import Record, RunContent

Canvas = Any
"""A matplotlib figure."""
Draw = Callable[[Canvas], None]
HATCHES = ("", "//", "xx", "..", "--", "\\\\", "++")
DARK, FAINT = "#333333", "#777777"
PIXELS = (640.0, 480.0)
MARKS = ((False, "o", PALETTE[0], "no finding"), (True, "D", PALETTE[1], "part of a finding"))


def bars(figure: Canvas, rows: Sequence[tuple[str, Bar]], unit: str, colour: str) -> None:
    """Lying bars, the first on top; an upright stroke at what was planted."""
    axes = figure.add_subplot()
    places = np.arange(len(rows))[::-1]
    shown = [bar for _, bar in rows]
    ends = [[bar.below for bar in shown], [bar.above for bar in shown]]
    axes.barh(places, [bar.value for bar in shown], color=colour, xerr=ends, ecolor=DARK, capsize=2, height=0.65)
    known = [(bar.target, at) for bar, at in zip(shown, places, strict=True) if bar.target is not None]
    if known:
        axes.scatter(*zip(*known, strict=True), marker="|", s=600, lw=2.5, color=VERMILLION, label="planted", zorder=3)
        axes.legend(frameon=False, loc="lower right")
    axes.set_yticks(places, [name for name, _ in rows])
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)


def cloud(figure: Canvas, points: Sequence[Point], across: str, up: str, shares: bool = False) -> None:
    """Labelled points; those of a finding are diamonds. `shares`: y in percent."""
    axes = figure.add_subplot()
    x, y = [point.x for point in points], [point.y for point in points]
    wide, high = reach(x), reach(y)
    for marked, marker, colour, label in MARKS:
        those = [point for point in points if point.marked is marked]
        axes.scatter([p.x for p in those], [p.y for p in those], marker=marker, color=colour, label=label)
    offsets = place(placed(x, y, wide, high), [p.name for p in points], [PIXELS[0] * 0.82], PIXELS[1] * 0.8)
    for point, offset in zip(points, offsets, strict=True):
        if offset:
            axes.annotate(
                point.name, (point.x, point.y), xytext=(offset[0] * 0.75, -offset[1] * 0.75),
                textcoords="offset points", fontsize=8, ha="center", va="center",
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": FAINT},
            )  # fmt: skip
    axes.set(xlim=wide, ylim=high, xlabel=across, ylabel=up)
    if shares:
        axes.yaxis.set_major_formatter(lambda share, _: percent(share))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.09), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def wheel(figure: Canvas, names: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """One line a series, each from its least to its greatest value."""
    axes = figure.add_subplot(projection="polar")
    shown = spokes(names, list(series.values()))
    angles = np.linspace(0, 2 * np.pi, len(shown), endpoint=False)
    for index, (name, numbers) in enumerate(series.items()):
        values = np.array(numbers)[shown]
        scaled = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
        axes.plot(
            [*angles, angles[0]], [*scaled, scaled[0]], color=PALETTE[index], linestyle=("-", "--")[index],
            marker=("o", "D")[index], label=name,
        )  # fmt: skip
    axes.set_xticks(angles, ["\n".join(wrap(names[at], NARROW)) for at in shown])
    axes.tick_params(axis="x", pad=22)
    axes.set_yticks([])
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.35, 1.15))


def ring(figure: Canvas, title: str, bars: Mapping[str, Bar]) -> None:
    """Shares of classes; classes of no image are left out."""
    axes = figure.add_subplot()
    known = {name: bar for name, bar in bars.items() if bar.value}
    wedges, _ = axes.pie(
        [bar.value for bar in known.values()], startangle=90, counterclock=False,
        wedgeprops={"width": 0.42, "edgecolor": "white"},
        labels=[f"{name}\n{percent(bar.value)} ({span(bar.low, bar.high)})" for name, bar in known.items()],
        colors=[PALETTE[i % len(PALETTE)] for i in range(len(known))],
    )[:2]  # fmt: skip
    for i, wedge in enumerate(wedges):
        wedge.set_hatch(HATCHES[i % len(HATCHES)])
    axes.text(0, 0, title, ha="center", va="center")


def grouped(figure: Canvas, rows: Sequence[tuple[str, Mapping[str, Bar]]], unit: str) -> None:
    """A group of bars a row, a bar a class."""
    axes = figure.add_subplot()
    classes = list(dict.fromkeys(name for _, found in rows for name in found))
    width = 0.8 / max(1, len(classes))
    for i, name in enumerate(classes):
        aside = (i - (len(classes) - 1) / 2) * width
        known = [(at + aside, found[name]) for at, (_, found) in enumerate(rows) if name in found]
        shown = [(at, bar) for at, bar in known if bar.value is not None]
        axes.bar(
            [at for at, _ in shown], [bar.value for _, bar in shown], width, label=name, color=PALETTE[i % 7],
            hatch=HATCHES[i % 7], edgecolor="white", ecolor=DARK, capsize=2,
            yerr=np.array([(bar.below, bar.above) for _, bar in shown]).reshape(-1, 2).T,
        )  # fmt: skip
    axes.set_xticks(np.arange(len(rows)), [name for name, _ in rows], rotation=30, ha="right")
    axes.set_ylabel(unit)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4)
    axes.spines[["top", "right"]].set_visible(False)


def pairs(figure: Canvas, pairs: Sequence[PairPoint], found: Sequence[tuple[str, str]]) -> None:
    """Every pair of attributes: its difference in text against that over images."""
    axes = figure.add_subplot()
    turned = [pair.turned for pair in pairs]
    axes.axhline(0, color=DARK, lw=1)
    for there, marker, colour, _ in MARKS:
        those = [pair for pair in turned if ((pair.first, pair.second) in found) is there]
        axes.scatter(
            [pair.x for pair in those], [pair.y for pair in those], marker=marker, edgecolors=colour,
            facecolors=colour if there else "none", label="findings" if there else "all pairs",
        )  # fmt: skip
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    axes.set(xlabel="difference in text (centred)", ylabel="difference over images")
    axes.spines[["top", "right"]].set_visible(False)


def boxes(figure: Canvas, run: RunContent, records: Sequence[Record]) -> None:
    """Pictures with what was found in them."""
    from matplotlib.patches import Rectangle

    grid = figure.subplots(2, 4, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, record in zip(grid, records, strict=False):
        axes.imshow(np.asarray(open_picture(run, record)))
        for i, entry in enumerate(record.objects or ()):
            left, top, right, bottom = entry["box"]
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=PALETTE[i % 6], lw=1.5))
        named = "\n".join(dict.fromkeys(str(entry["phrase"]) for entry in record.objects or ()))
        axes.set_title(named, fontsize=7, loc="left")
