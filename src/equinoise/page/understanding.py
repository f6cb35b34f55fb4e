"""What the page says of relations, objects and misalignment: panels, sentences and rows, nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from equinoise.page import relation_charts as draw
from equinoise.page import scatters, words
from equinoise.page.boxes import Boxed, boxed_pictures
from equinoise.page.charts import Chart
from equinoise.page.comparing import Panel, compare, planted_object
from equinoise.page.reading import Run
from equinoise.understanding.parts import DISAGREEMENTS, OBJECTS, RELATIONS, read_part

Row = Mapping[str, Any]
MOST = 24


@dataclass(frozen=True)
class Understanding:
    """All that `relate`, `detect` and `misalign` added to a run; what is None or empty has no place on the page."""

    findings: tuple[str, ...]
    tested: str
    compared: Panel | None
    panels: tuple[Panel, ...]
    more: tuple[Chart, ...]
    boxed: tuple[Boxed, ...]


def describe_understanding(run: Run, id: str) -> Understanding | None:
    """The panels of a run; None where nothing was added to it."""
    relations, objects, mis = (results_of(run.path, name) for name in (RELATIONS, OBJECTS, DISAGREEMENTS))
    if relations is None and objects is None:
        return None
    found = mis["findings"] if mis else []
    panels = [_objects(run, objects, id) if objects else None, *_relations(relations, id), _social(run, id)]
    order = ("Objects", "Social", "Text encoder", "Vision encoder")
    known = sorted((panel for panel in panels if panel), key=lambda panel: order.index(panel.title))
    return Understanding(
        tuple(str(entry["sentence"]) for entry in found),
        _tested(mis) if mis else "",
        compare(run, mis, f"{id}-chart-shown") if mis else None,
        tuple(known),
        tuple(_more(relations, objects, found, id)),
        tuple(boxed_pictures(run)) if objects else (),
    )


def results_of(path: Path, name: str) -> dict[str, Any] | None:
    """What one part of a run's understanding holds; None where it is not there."""
    part = read_part(path, name)
    return part[1] if part else None


def _tested(mis: Row) -> str:
    rank = mis["rank_correlation"]
    order = (
        f" Relation and frequency have a rank correlation of {words.number(rank, 2)} "
        f"({words.number(mis['rank_low'], 2)} to {words.number(mis['rank_high'], 2)})."
        if rank is not None
        else ""
    )
    skipped = f" Not counted: {', '.join(entry['attribute'] for entry in mis['skipped'])}." if mis["skipped"] else ""
    return (
        f"{words.quantity(mis['tested'], 'pair')} of attributes tested over {words.quantity(mis['images'], 'image')}; "
        f"in {mis['established']} the encoder surely has one closer. The chance that anything reported here is false "
        f"is at most {words.percent(mis['alpha'])}.{order}{skipped}"
    )


def _objects(run: Run, results: Row, id: str) -> Panel:
    rows = [{**row, "planted": planted_object(run, row)} for row in object_rows(results)[:MOST]]
    top = rows[0] if rows else None
    sentence = f"Most often: {top['phrase']}, in {words.share(top, top['n'])}." if top else "No object was found."
    known = any(row["planted"] is not None for row in rows)
    table = [
        (row["phrase"], f"{row['count']} of {row['n']}", words.percent(row["share"]),
         words.span(row["low"], row["high"]), *([words.percent(row["planted"])] if known else []),
         ", ".join(f"{phrase} {times}" for phrase, times in row["merged"].items()))
        for row in rows
    ]  # fmt: skip
    charts = (draw.histogram(f"{id}-chart-objects", rows),) if rows else ()
    heads = ("Object", "Images", "Share", "95% interval", *(["Planted"] if known else []), "Merged from")
    return Panel("Objects", sentence, charts, "Images that show each object", heads, tuple(table))


def object_rows(results: Row) -> list[Row]:
    """The objects of untouched images; named with their concept where there are several."""
    rows = [row for row in results["objects"] if not row.get("intervention")]
    if len({row["concept"] for row in rows}) < 2:
        return rows
    return [{**row, "phrase": f"{row['phrase']} ({row['concept']})"} for row in rows]


def _relations(results: Row | None, id: str) -> list[Panel]:
    if results is None:
        return []
    panels = []
    for title, kind in (("Text encoder", "text_centred"), ("Vision encoder", "vision")):
        rows = sorted((r for r in results["relations"] if r[kind] is not None), key=itemgetter(kind), reverse=True)
        if not rows:
            continue
        first, last = rows[0], rows[-1]
        sentence = (
            f"Closest: {first['attribute']}, {draw.cosine(first, kind)}; furthest: {last['attribute']}, "
            f"{draw.cosine(last, kind)}."
        )
        raw = kind == "text_centred"
        table = [(r["attribute"], draw.cosine(r, kind), *([draw.cosine(r, "text")] if raw else [])) for r in rows]
        heads = ("Attribute", "Centred (95%)", "Raw (95%)") if raw else ("Attribute", "Mean cosine (95%)")
        chart = draw.relation_bars(f"{id}-chart-{kind}", rows, kind)
        panels.append(Panel(title, sentence, (chart,), f"Relations in the {title.lower()}", heads, tuple(table)))
    return panels


def _social(run: Run, id: str) -> Panel | None:
    audits = (run.before or {"audits": []})["audits"]
    known = [audit for audit in audits if audit["n"] > audit["unclear"]][:4]
    if not known:
        return None
    planted = {audit["axis"]: run.planted(audit["concept"]).get(audit["axis"], {}) for audit in known}
    more = any(planted.values())
    rows = [
        (name, audit["axis"], f"{e['count']} of {audit['n'] - audit['unclear']}", words.percent(e["share"]),
         words.span(e["low"], e["high"]), *([words.percent(planted[audit["axis"]].get(name))] if more else []))
        for audit in known
        for name, e in audit["classes"].items()
    ]  # fmt: skip
    tops = (
        (audit["axis"], max(audit["classes"].items(), key=lambda item: item[1]["count"]), audit["n"] - audit["unclear"])
        for audit in known
    )
    most = "; ".join(f"{axis} {name}, {words.share(entry, clear)}" for axis, (name, entry), clear in tops)
    sentence = f"Most often perceived: {most}."
    charts = tuple(draw.donut(f"{id}-chart-social-{index}", audit) for index, audit in enumerate(known))
    heads = ("Class", "Axis", "Images", "Share", "95% interval", *(["Planted"] if more else []))
    return Panel("Social", sentence, charts, "Shares of perceived classes", heads, tuple(rows))


def _more(relations: Row | None, objects: Row | None, found: Sequence[Row], id: str) -> list[Chart]:
    charts = []
    if relations and all(row["vision"] is not None and row["text"] is not None for row in relations["relations"]):
        rows, pairs = relations["relations"], [(entry["attribute"], entry["than"]) for entry in found]
        charts.append(scatters.scatter(f"{id}-chart-scatter", rows, [name for pair in pairs for name in pair]))
        if len(rows) > 2:
            charts.append(draw.radar(f"{id}-chart-radar", rows))
        charts.append(scatters.differences(f"{id}-chart-pairs", relations["differences"], pairs))
    shown = object_rows(objects)[:8] if objects else []
    for index, axis in enumerate(compared_axes(shown)):
        charts.append(draw.grouped_bars(f"{id}-chart-with-{index}", shown, axis))
    return charts


def compared_axes(objects: Sequence[Row]) -> list[str]:
    """The axes on which the images show two classes or more: with one there is nothing to compare."""
    seen: dict[str, set[str]] = {}
    for row in objects:
        for axis, classes in row["with"].items():
            seen.setdefault(axis, set()).update(name for name, entry in classes.items() if entry["n"])
    return [axis for axis, names in seen.items() if len(names) > 1]
