"""A run folder → what a report needs of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.page import words
from equinoise.run import Record, read_records


@dataclass(frozen=True)
class Run:
    """A finished run as it lies on disk."""

    path: Path
    digest: str
    about: Mapping[str, Any]
    environment: Mapping[str, Any]
    results: Mapping[str, Any]
    records: tuple[Record, ...]

    @property
    def concepts(self) -> list[str]:
        """The prompts under audit: as recorded, else those of the images."""
        named = self.about.get("concepts") or self.about.get("concept") or []
        listed = [named] if isinstance(named, str) else [str(name) for name in named]
        return listed or list(dict.fromkeys(record.prompt for record in self.records))

    @property
    def axes(self) -> list[str]:
        """The audited axes; without an audit whatever was read off the images but the role."""
        audits = self.before["audits"] if self.before else []
        swept = [sweep["axis"] for sweep in self.sweeps]
        named = list(dict.fromkeys([*(audit["axis"] for audit in audits), *swept]))
        return named or list(dict.fromkeys(axis for record in self.records for axis in record.labels if axis != "role"))

    @property
    def before(self) -> Mapping[str, Any] | None:
        """The audit of the untouched images; an `audit` run has it at the top level."""
        found: Mapping[str, Any] | None = self.results.get("before") or (
            self.results if "audits" in self.results else None
        )
        return found

    @property
    def after(self) -> Mapping[str, Any] | None:
        """The audit of the shifted images."""
        return self.results.get("after")

    @property
    def sweeps(self) -> list[Mapping[str, Any]]:
        """All sweeps; a `sweep` run has its only one at the top level."""
        alone = [self.results] if "cells" in self.results else []
        return [*(self.results.get("sweeps") or []), *alone]

    @property
    def model(self) -> Mapping[str, Any]:
        """Provenance of the model."""
        found = self.results.get("model") or self.about.get("model") or {}
        return found if isinstance(found, Mapping) else {"name": found}

    def planted(self, concept: str) -> Mapping[str, Mapping[str, float]]:
        """Axis → class → the share planted for a concept, of a test fixture; else empty."""
        world = self.results.get("world") or {}
        if known := (world.get("scenes") or {}).get(concept):
            return dict(known)
        shares = (world.get("planted") or {}).get(self.results.get("role")) or {}
        return shares if len(self.concepts) == 1 else {}  # the role is that of the first concept

    def planted_objects(self, concept: str) -> Mapping[str, float] | None:
        """Object → the share of images of a concept that it was planted in, of a test fixture; None where unknown."""
        found: Mapping[str, float] | None = ((self.results.get("world") or {}).get("objects") or {}).get(concept)
        return found


def read_run(path: Path) -> Run:
    """Read a finished run.

    Raises:
        EquinoiseError: it is not one, or it is damaged.
    """
    card = path / "run.json"
    if not card.is_file():
        raise EquinoiseError(f"{path} is not a finished run: it has no run.json; give a folder made with -o")
    content = read_json(card)
    parts = [content.get(key) if isinstance(content, dict) else None for key in ("about", "environment", "results")]
    about, environment, results = parts
    if not (isinstance(about, dict) and isinstance(environment, dict) and isinstance(results, dict)):
        raise EquinoiseError(f"{card} is damaged: it lacks about, environment or results; make the run again")
    digest = hashlib.sha256(card.read_bytes()).hexdigest()
    return Run(path, digest, about, environment, results, tuple(read_records(path)))


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested JSON as rows of dotted names and texts, for the table of provenance."""
    if isinstance(value, Mapping):
        return [row for key, item in value.items() for row in flatten(item, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        return [row for index, item in enumerate(value) for row in flatten(item, f"{name}.{index}")]
    if isinstance(value, list):
        return [(name, words.numbers(value))]
    return [(name, words.NONE if value is None else str(value))]


def asked(run: Run) -> list[tuple[str, str]]:
    """What was asked, for people: name and text."""
    about, model = run.about, run.model
    sampling = {**about, **(about.get("sampling") or {})} if isinstance(about.get("sampling"), dict) else dict(about)
    seeds = sorted({record.seed for record in run.records})
    applied = run.results.get("applied") or {}
    rows = [
        ("Concept", " · ".join(f"“{concept}”" for concept in run.concepts[:12]) + (" …" if run.concepts[12:] else "")),
        ("Model", ", ".join(str(model[key]) for key in ("name", "pipeline", "dtype") if model.get(key))),
        ("Axes", ", ".join(run.axes)),
        ("Target", "; ".join(_targets(run))),
        ("Sources", ", ".join(map(str, about.get("sources") or []))),
        ("Noise shift", _shift(applied)),
        ("Seeds", _seeds(seeds)),
        ("Steps", str(sampling.get("steps") or "")),
        ("Guidance scale", _text(sampling.get("guidance_scale"))),
        ("Scheduler", str(model.get("scheduler") or sampling.get("scheduler") or "")),
        ("Detector", _detector(about.get("detector"), about)),
        ("Command", str(about.get("command") or "")),
    ]
    return [(name, text) for name, text in rows if text]


def _targets(run: Run) -> list[str]:
    audits = run.before["audits"] if run.before else [sweep for sweep in run.sweeps if sweep.get("target")]
    texts = {}
    for audit in audits:
        shares = audit["target"]
        even = len({round(value, 6) for value in shares.values()}) == 1
        each = ", ".join(f"{name} {words.percent(value)}" for name, value in shares.items())
        texts[audit["axis"]] = f"{audit['axis']}: {'even, ' if even else ''}{each}"
    return list(texts.values())


def _shift(applied: Mapping[str, Any]) -> str:
    if not applied:
        return ""
    nats = applied.get("intrusion_nats")
    return f"{applied['name']}" + (f", {nats:.1f} nats away from normal noise" if nats is not None else "")


def _seeds(seeds: list[int]) -> str:
    text = words.numbers(seeds)
    return text if len(text) < 200 else f"{len(seeds)} different ones between {seeds[0]} and {seeds[-1]}"


def _detector(found: Any, about: Mapping[str, Any]) -> str:
    entry = found if isinstance(found, Mapping) else {"name": found}
    if not entry.get("name"):
        return ""
    below = about.get("unclear_below") if entry.get("unclear_below") is None else entry["unclear_below"]
    thresholds = [f"{value:.2g} ({axis})" for axis, value in (entry.get("thresholds") or {}).items()]
    if below is not None:
        thresholds.append(f"{below:g}{' (others)' if thresholds else ''}")
    unclear = f", unclear below a probability of {', '.join(thresholds)}" if thresholds else ""
    return f"{entry['name']}{unclear}"


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
