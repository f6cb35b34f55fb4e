"""What was asked, for people, and everything that the numbers depend on, as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import ConfigDict, Field, JsonValue

from equinoise.charts.numbers import NONE, percent
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.results.base import Value
from equinoise.run import RunContent

Rows = list[tuple[str, str]]
MOST_CONCEPTS, LONG = 12, 200


class _Recorded(Value):
    """A part of what a run was asked; what was not recorded is None, and other keys are shown under provenance."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def of(cls, run: RunContent, name: str) -> Self:
        """The part of that name.

        Raises:
            EquinoiseError: the run's file is damaged there.
        """
        return cls.from_json(run.file.part(name), f"{run.name}/run.json: {name}")


class _ModelAsked(_Recorded):
    name: str | None = None
    pipeline: str | None = None
    dtype: str | None = None
    scheduler: str | None = None


class _SamplingAsked(_Recorded):
    steps: int | None = None
    guidance_scale: float | None = None


class _DetectorAsked(_Recorded):
    name: str | None = None
    unclear_below: float | None = None
    thresholds: dict[str, float] = Field(default_factory=dict)


class _SourceAsked(_Recorded):
    folder: str | None = None
    name: str | None = None


def asked(article: Article) -> Rows:
    """What was asked: name and text."""
    run, concepts = article.run, article.concepts
    model, sampling = _ModelAsked.of(run, "model"), _SamplingAsked.of(run, "sampling")
    seeds = sorted({record.seed for record in run.records})
    named = [text for text in (model.name, model.pipeline, model.dtype) if text]
    rows = [
        (
            "Concept",
            " · ".join(f"“{c}”" for c in concepts[:MOST_CONCEPTS]) + (" …" if concepts[MOST_CONCEPTS:] else ""),
        ),
        ("Model", ", ".join(named)),
        ("Axes", ", ".join(article.axes)),
        ("Target", "; ".join(_targets(article))),
        ("Sources", ", ".join(_sources(run))),
        ("Noise shift", "; ".join(_shifts(article))),
        ("Seeds", _seeds(seeds)),
        ("Steps", "" if sampling.steps is None else str(sampling.steps)),
        ("Guidance scale", guidance(run)),
        ("Scheduler", model.scheduler or ""),
        ("Detector", _detector(_DetectorAsked.of(run, "detector"))),
        ("Command", run.file.command),
    ]
    return [(name, text) for name, text in rows if text]


def guidance(run: RunContent) -> str:
    """The guidance scale; empty where none was recorded."""
    scale = _SamplingAsked.of(run, "sampling").guidance_scale
    return "" if scale is None else f"{scale:g}"


def _targets(article: Article) -> list[str]:
    found = {audit.axis: audit.target for audit in article.audits} or {s.axis: s.target for s in article.sweeps}
    texts = []
    for axis, shares in found.items():
        even = "even, " if len({round(value, 6) for value in shares.values()}) == 1 else ""
        texts.append(f"{axis}: {even}" + ", ".join(f"{name} {percent(value)}" for name, value in shares.items()))
    return texts


def _sources(run: RunContent) -> list[str]:
    given = run.file.about.get("sources")
    where = f"{run.name}/run.json: sources"
    known = [_SourceAsked.from_json(entry, where) for entry in given] if isinstance(given, list) else []
    return [source.folder or source.name or "" for source in known]


def _shifts(article: Article) -> list[str]:
    """What was done to the noise, under the name of its group where there are several."""
    several = len(article.groups) > 1
    return [f"{group}: {done}" if several else done for group, done in article.applied.items()]


def _seeds(seeds: Sequence[int]) -> str:
    text = words.numbers(seeds)
    return text if len(text) < LONG else f"{len(seeds)} different ones between {seeds[0]} and {seeds[-1]}"


def _detector(found: _DetectorAsked) -> str:
    if not found.name:
        return ""
    thresholds = [f"{value:.2g} ({axis})" for axis, value in found.thresholds.items()]
    if found.unclear_below is not None:
        thresholds.append(f"{found.unclear_below:g}{' (others)' if thresholds else ''}")
    unclear = f", unclear below a probability of {', '.join(thresholds)}" if thresholds else ""
    return f"{found.name}{unclear}"


def provenance(article: Article) -> list[tuple[str, Rows]]:
    """Tables by title; of the runs of several groups what is the same is shown once."""
    runs = [run for run in (article.run, *article.others) if run.file.about]
    names = [f", {group.name}" for group in article.groups] if len(runs) > 1 else [""]
    found: dict[str, dict[str, Rows]] = {}
    for run, name in zip(runs, names, strict=False):
        for title, table in _tables(run).items():
            found.setdefault(title, {})[name] = flatten(table)
    return [
        (title if len(same) == 1 else f"{title}{name}", rows)
        for title, tables in found.items()
        for same in [{str(rows) for rows in tables.values()}]
        for name, rows in list(tables.items())[: len(tables) if len(same) > 1 else 1]
    ]


def _tables(run: RunContent) -> dict[str, Mapping[str, JsonValue]]:
    tables: dict[str, Mapping[str, JsonValue]] = {
        "Model": run.file.part("model"),
        "Arguments": run.file.about,
        "Versions": dict(run.file.environment),
        "This run": {"folder": run.name, "sha256 of run.json": run.digest, "images": len(run.records)},
    }
    return {title: table for title, table in tables.items() if table}


def flatten(value: JsonValue | Mapping[str, JsonValue], name: str = "") -> Rows:
    """Nested JSON as rows of dotted names and texts."""
    if isinstance(value, Mapping):
        return [row for key, item in value.items() for row in flatten(item, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [row for index, item in enumerate(value) for row in flatten(item, f"{name}.{index}")]
    if isinstance(value, list):
        return [(name, words.numbers(value))]
    return [(name, NONE if value is None else str(value))]
