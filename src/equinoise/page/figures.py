"""The charts of a run as SVG and PNG files, drawn by matplotlib: no browser, no download.

Okabe and Ito's colours, which people who confuse red and green can tell apart, and a hatch or symbol beside each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.page import words
from equinoise.page.comparing import planted_object
from equinoise.page.placing import place
from equinoise.page.reading import Run
from equinoise.page.relation_charts import NARROW, TITLES, spokes
from equinoise.page.scatters import Point, closer_first, placed, reach
from equinoise.page.understanding import compared_axes, object_rows, results_of
from equinoise.run import UNTOUCHED
from equinoise.understanding.parts import DISAGREEMENTS, OBJECTS, RELATIONS

Row = Mapping[str, Any]
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
HATCHES = ("", "//", "xx", "..", "--", "\\\\", "++")
FORMATS = ("svg", "png")
MOST = 24
PIXELS = (640.0, 480.0)


def write_figures(run: Run, out: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Every chart that the run has numbers for, in each format.

    Equal runs give equal bytes.

    Raises:
        EquinoiseError: matplotlib is not there, a format is unknown, or the run has nothing to draw.
    """
    unknown = next((name for name in formats if name not in FORMATS), None)
    if unknown is not None or not formats:
        raise EquinoiseError(f"--formats {unknown or ''}: use svg, png or both")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EquinoiseError("figures need matplotlib: pip install 'equinoise[figures]'") from error
    made, charts = [], charts_of(run)
    if not charts:
        raise EquinoiseError(f"{run.path} has nothing to draw: audit, relate or detect its images first")
    with mpl.rc_context({"svg.hashsalt": "equinoise", "svg.fonttype": "none", "font.size": 10}):
        for name, draw in charts.items():
            figure = Figure(figsize=(7, 5.4), layout="constrained")
            draw(figure)
            for kind in formats:
                out.mkdir(parents=True, exist_ok=True)
                made.append(out / f"{name}.{kind}")
                figure.savefig(made[-1], dpi=150, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return made


Draw = Callable[[Any], None]


def charts_of(run: Run) -> dict[str, Draw]:
    """File name → what draws it."""
    relations, objects, mis = (results_of(run.path, name) for name in (RELATIONS, OBJECTS, DISAGREEMENTS))
    charts: dict[str, Draw] = {}
    rows = object_rows(objects)[:MOST] if objects else []
    if rows:
        shares = [(row["phrase"], row["share"], row["low"], row["high"]) for row in rows]
        planted = [planted_object(run, row) for row in rows]
        charts["objects"] = partial(_bars, rows=shares, unit="share of images", planted=planted)
        for axis in compared_axes(rows[:8]):
            charts[f"objects-by-{axis.replace('*', '-')}"] = partial(_grouped, rows=rows[:8], axis=axis)
        charts["boxes"] = partial(_boxes, run=run)
    if relations:
        found = mis["findings"] if mis else []
        charts |= _of_relations(relations["relations"], found)
        if _both(relations["relations"]):
            marked = [(entry["attribute"], entry["than"]) for entry in found]
            charts["differences"] = partial(_differences, pairs=relations["differences"], found=marked)
    if mis:
        charts["relation-against-frequency"] = partial(_shown, mis=mis)
    for audit in (run.before or {"audits": []})["audits"]:
        if audit["n"] > audit["unclear"]:
            charts[f"shares-{audit['axis'].replace('*', '-')}"] = partial(_donut, audit=audit)
    return charts


def _of_relations(rows: Sequence[Row], findings: Sequence[Row]) -> dict[str, Draw]:
    charts: dict[str, Draw] = {}
    for name, kind in (("text", "text_centred"), ("vision", "vision")):
        known = sorted((row for row in rows if row[kind] is not None), key=itemgetter(kind), reverse=True)
        values = [(r["attribute"], r[kind], r[f"{kind}_low"], r[f"{kind}_high"]) for r in known]
        if values:
            charts[name] = partial(_bars, rows=values, unit="cosine with the concept", colour=COLOURS[1])
    if _both(rows):
        marked = {entry[key] for entry in findings for key in ("attribute", "than")}
        charts["text-against-vision"] = partial(_scatter, rows=rows, marked=marked)
        if len(rows) > 2:
            charts["radar"] = partial(_radar, rows=rows)
    return charts


def _both(rows: Sequence[Row]) -> bool:
    return all(row["text_centred"] is not None and row["vision"] is not None for row in rows)


def _bars(
    figure: Any,
    rows: Sequence[tuple[str, float, float | None, float | None]],
    unit: str,
    colour: str = COLOURS[0],
    planted: Sequence[float | None] = (),
) -> None:
    axes = figure.add_subplot()
    places = np.arange(len(rows))[::-1]
    values = [value for _, value, _, _ in rows]
    below = [value - (value if low is None else low) for _, value, low, _ in rows]
    above = [(value if high is None else high) - value for _, value, _, high in rows]
    ends = np.maximum([below, above], 0)
    axes.barh(places, values, color=colour, xerr=ends, ecolor="#333333", capsize=2, height=0.65)
    known = [(share, place) for share, place in zip(planted, places, strict=False) if share is not None]
    if known:
        axes.scatter(*zip(*known, strict=True), marker="|", s=600, lw=2.5, color=COLOURS[1], label="planted", zorder=3)
        axes.legend(frameon=False, loc="lower right")
    axes.set_yticks(places, [name for name, _, _, _ in rows])
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)


def _scatter(figure: Any, rows: Sequence[Row], marked: set[str]) -> None:
    points = [Point(r["attribute"], r["text_centred"], r["vision"], "", r["attribute"] in marked) for r in rows]
    axes = _cloud(figure, points)
    axes.set(xlabel="text (centred cosine)", ylabel="vision (cosine)")


def _shown(figure: Any, mis: Row) -> None:
    marked = {entry[key] for entry in mis["findings"] for key in ("attribute", "than")}
    rows = mis["attributes"]
    points = [Point(r["attribute"], r["relation"], r["share"], "", r["attribute"] in marked) for r in rows]
    axes = _cloud(figure, points)
    axes.set(xlabel=TITLES[mis["encoder"]], ylabel="share of images that show it")
    axes.yaxis.set_major_formatter(lambda share, _: words.percent(share))


def _cloud(figure: Any, points: Sequence[Point]) -> Any:
    """Labelled points; those of a finding are diamonds."""
    axes = figure.add_subplot()
    x, y = [point.x for point in points], [point.y for point in points]
    across, up = reach(x), reach(y)
    for there, marker, colour in ((False, "o", COLOURS[0]), (True, "D", COLOURS[1])):
        those = [point for point in points if point.marked is there]
        label = "part of a finding" if there else "no finding"
        axes.scatter([p.x for p in those], [p.y for p in those], marker=marker, color=colour, label=label)
    names = [point.name for point in points]
    offsets = place(placed(x, y, across, up), names, [PIXELS[0] * 0.82], PIXELS[1] * 0.8)
    for point, offset in zip(points, offsets, strict=True):
        if offset:
            axes.annotate(
                point.name, (point.x, point.y), xytext=(offset[0] * 0.75, -offset[1] * 0.75),
                textcoords="offset points", fontsize=8, ha="center", va="center",
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#777777"},
            )  # fmt: skip
    axes.set(xlim=across, ylim=up)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.09), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _radar(figure: Any, rows: Sequence[Row]) -> None:
    axes, rows = figure.add_subplot(projection="polar"), spokes(rows)
    angles = np.linspace(0, 2 * np.pi, len(rows), endpoint=False)
    for index, kind in enumerate(("text_centred", "vision")):
        values = np.array([row[kind] for row in rows])
        scaled = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
        axes.plot(
            [*angles, angles[0]], [*scaled, scaled[0]], color=COLOURS[index], linestyle=("-", "--")[index],
            marker=("o", "D")[index], label=("text", "vision")[index],
        )  # fmt: skip
    axes.set_xticks(angles, ["\n".join(wrap(row["attribute"], NARROW)) for row in rows])
    axes.tick_params(axis="x", pad=22)
    axes.set_yticks([])
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.35, 1.15))


def _donut(figure: Any, audit: Row) -> None:
    axes = figure.add_subplot()
    rows = [(name, entry) for name, entry in audit["classes"].items() if entry["count"]]
    clear = audit["n"] - audit["unclear"]
    wedges, _ = axes.pie(
        [entry["count"] for _, entry in rows], startangle=90, counterclock=False,
        wedgeprops={"width": 0.42, "edgecolor": "white"},
        labels=[f"{name}\n{words.percent(e['share'])} ({words.span(e['low'], e['high'])})" for name, e in rows],
        colors=[COLOURS[i % len(COLOURS)] for i in range(len(rows))],
    )[:2]  # fmt: skip
    for i, wedge in enumerate(wedges):
        wedge.set_hatch(HATCHES[i % len(HATCHES)])
    axes.text(0, 0, f"{audit['axis']}\n{clear} images", ha="center", va="center")


def _grouped(figure: Any, rows: Sequence[Row], axis: str) -> None:
    axes = figure.add_subplot()
    classes = list(dict.fromkeys(name for row in rows for name in row["with"].get(axis, {})))
    width = 0.8 / max(1, len(classes))
    for i, name in enumerate(classes):
        entries = [row["with"].get(axis, {}).get(name, {}) for row in rows]
        places = np.arange(len(rows)) + (i - (len(classes) - 1) / 2) * width
        known = [(place, entry) for place, entry in zip(places, entries, strict=True) if entry.get("share") is not None]
        shares = np.array([entry["share"] for _, entry in known])
        ends = np.array([(entry["low"], entry["high"]) for _, entry in known]).reshape(-1, 2).T
        axes.bar(
            [place for place, _ in known], shares, width, label=name, color=COLOURS[i % 7], hatch=HATCHES[i % 7],
            edgecolor="white", yerr=np.abs(ends - shares), ecolor="#333333", capsize=2,
        )  # fmt: skip
    axes.set_xticks(np.arange(len(rows)), [row["phrase"] for row in rows], rotation=30, ha="right")
    axes.set_ylabel(f"share of the images of each class of {axis}")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4)
    axes.spines[["top", "right"]].set_visible(False)


def _differences(figure: Any, pairs: Sequence[Row], found: Sequence[tuple[str, str]]) -> None:
    axes = figure.add_subplot()
    turned = [closer_first(row) for row in pairs]
    axes.axhline(0, color="#333333", lw=1)
    for there, marker, colour in ((False, "o", COLOURS[0]), (True, "D", COLOURS[1])):
        those = [row for row in turned if ((row["attribute"], row["than"]) in found) is there]
        axes.scatter(
            [row["text_centred"] for row in those], [row["vision"] for row in those], marker=marker, edgecolors=colour,
            facecolors=colour if there else "none", label="findings" if there else "all pairs",
        )  # fmt: skip
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    axes.set(xlabel="difference in text (centred)", ylabel="difference over images")
    axes.spines[["top", "right"]].set_visible(False)


def _boxes(figure: Any, run: Run) -> None:
    from matplotlib.patches import Rectangle

    records = [r for r in run.records if r.objects and r.intervention == UNTOUCHED][:8]
    grid = figure.subplots(2, 4, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, record in zip(grid, records, strict=False):
        with Image.open(run.path / record.file) as image:
            axes.imshow(np.asarray(image.convert("RGB")))
        for i, entry in enumerate(record.objects or ()):
            left, top, right, bottom = entry["box"]
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=COLOURS[i % 6], lw=1.5))
        named = "\n".join(dict.fromkeys(str(entry["phrase"]) for entry in record.objects or ()))
        axes.set_title(named, fontsize=7, loc="left")
