"""The charts of a run as SVG and PNG files, drawn by matplotlib: no browser, no download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from equinoise.charts.bars import Bar
from equinoise.charts.clouds import Point
from equinoise.charts.style import BLUE, VERMILLION
from equinoise.errors import EquinoiseError
from equinoise.page import drawing
from equinoise.page.articles import Article
from equinoise.page.comparing import planted_object
from equinoise.page.composing import compose
from equinoise.page.drawing import Draw
from equinoise.page.pictures import with_boxes
from equinoise.page.understanding import COMPARED, MOST, compared_axes, object_rows
from equinoise.results.audits import audit_bars
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectCount, ObjectsResult
from equinoise.results.reading import Source
from equinoise.results.relations import TITLES, Kind, RelationsResult

FORMATS = ("svg", "png")
Charts = dict[str, Draw]
"""Name of a file → what draws it."""


def write_figures(source: Source, out: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
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
    (article,) = compose([source])
    made, found = [], charts(article)
    if not found:
        raise EquinoiseError(f"{article.run.name} has nothing to draw: audit, relate or detect its images first")
    with mpl.rc_context({"svg.hashsalt": "equinoise", "svg.fonttype": "none", "font.size": 10}):
        for name, draw in found.items():
            figure = Figure(figsize=(7, 5.4), layout="constrained")
            draw(figure)
            for kind in formats:
                out.mkdir(parents=True, exist_ok=True)
                made.append(out / f"{name}.{kind}")
                figure.savefig(made[-1], dpi=150, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return made


def charts(article: Article) -> Charts:
    """What there are numbers for."""
    found = _of_objects(article, article.objects) if article.objects else {}
    if article.relations:
        found |= _of_relations(article.relations, article.disagreements)
    if article.disagreements:
        found["relation-against-frequency"] = partial(_shown, found=article.disagreements)
    for audit in article.audits:
        if audit.clear:
            name = f"shares-{audit.axis.replace('*', '-')}"
            found[name] = partial(drawing.ring, title=f"{audit.axis}\n{audit.clear} images", bars=audit_bars(audit))
    return found


def _of_objects(article: Article, objects: ObjectsResult) -> Charts:
    rows = object_rows(objects)[:MOST]
    if not rows:
        return {}
    bars = [(name, Bar(one.share, one.low, one.high, planted_object(article, one))) for name, one in rows]
    found: Charts = {"objects": partial(drawing.bars, rows=bars, unit="share of images", colour=BLUE)}
    for axis in compared_axes([one for _, one in rows[:COMPARED]]):
        found[f"objects-by-{axis.replace('*', '-')}"] = partial(_grouped, rows=rows[:COMPARED], axis=axis)
    found["boxes"] = partial(drawing.boxes, run=article.run, records=with_boxes(article.run))
    return found


def _grouped(figure: drawing.Canvas, rows: Sequence[tuple[str, ObjectCount]], axis: str) -> None:
    shown: list[tuple[str, Mapping[str, Bar]]] = [
        (name, {label: found.bar for label, found in one.by_class.get(axis, {}).items()}) for name, one in rows
    ]
    drawing.grouped(figure, shown, f"share of the images of each class of {axis}")


def _of_relations(relations: RelationsResult, compared: DisagreementsResult | None) -> Charts:
    charts: Charts = {}
    findings = [(one.attribute, one.than) for one in compared.findings] if compared else []
    kinds: tuple[tuple[str, Kind], ...] = (("text", "text_centred"), ("vision", "vision"))
    for name, kind in kinds:
        bars = [(one.attribute, one.bar(kind)) for one in relations.ranked(kind)]
        if bars:
            charts[name] = partial(drawing.bars, rows=bars, unit="cosine with the concept", colour=VERMILLION)
    if relations.measured("text_centred") and relations.measured("vision"):
        marked = {name for pair in findings for name in pair}
        charts["text-against-vision"] = partial(_against, relations=relations, marked=marked)
        if len(relations.relations) > 2:
            charts["radar"] = partial(_wheel, relations=relations)
        charts["differences"] = partial(drawing.pairs, pairs=relations.pair_points(), found=findings)
    return charts


def _against(figure: drawing.Canvas, relations: RelationsResult, marked: set[str]) -> None:
    points = [Point(one.attribute, *one.both, "", one.attribute in marked) for one in relations.relations]
    drawing.cloud(figure, points, "text (centred cosine)", "vision (cosine)")


def _wheel(figure: drawing.Canvas, relations: RelationsResult) -> None:
    names = [one.attribute for one in relations.relations]
    text, vision = zip(*(one.both for one in relations.relations), strict=True)
    drawing.wheel(figure, names, {"text": text, "vision": vision})


def _shown(figure: drawing.Canvas, found: DisagreementsResult) -> None:
    marked = {name for one in found.findings for name in (one.attribute, one.than)}
    points = [Point(one.attribute, one.relation, one.share, "", one.attribute in marked) for one in found.attributes]
    drawing.cloud(figure, points, TITLES[found.encoder], "share of images that show it", shares=True)
