"""The page: finished runs → one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from equinoise.errors import EquinoiseError
from equinoise.files import write_whole
from equinoise.page import words
from equinoise.page.audits import Shares, changes, describe_shares
from equinoise.page.charts import Chart, differences
from equinoise.page.directions import Directions, describe_directions
from equinoise.page.grids import Grid, Sheet, grids, sheet
from equinoise.page.headlines import Headline, headlines, pair_up
from equinoise.page.reading import Run, asked, flatten, read_run
from equinoise.page.sweeps import Sweep, describe
from equinoise.page.understanding import Understanding, describe_understanding

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Changes:
    """Paired changes: the chart, a sentence an axis, and rows."""

    chart: Chart
    sentences: list[str]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class View:
    """What the template shows of one run; what is None or empty has no section."""

    id: str
    title: str
    folder: str
    fixture: str | None
    planted: list[str]
    headlines: list[Headline]
    understanding: Understanding | None
    asked: list[tuple[str, str]]
    warnings: list[str]
    grids: list[Grid]
    shares: list[Shares]
    pooled: list[tuple[str, ...]]
    changes: Changes | None
    directions: list[Directions]
    skipped: list[str]
    sweeps: list[tuple[Sweep, Sheet | None]]
    provenance: list[tuple[str, list[tuple[str, str]]]]
    several_prompts: bool
    guidance: str


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write one self-contained HTML file about one or more finished runs.

    Needs the folders and nothing else: no model, no network. Equal runs give equal bytes.

    Raises:
        EquinoiseError: no run, a folder that is not one, a damaged one, or a place that cannot be written.
    """
    if not runs:
        raise EquinoiseError("no run to report on; give at least one run folder")
    views = [_view(read_run(path), f"run-{index}") for index, path in enumerate(runs, start=1)]
    write_whole(out, _render(views).encode())
    return out


def _view(run: Run, id: str) -> View:
    try:
        return _assemble(run, id)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise EquinoiseError(
            f"{run.path / 'run.json'} is damaged: {type(error).__name__} {str(error)[:80]}; make the run again"
        ) from error


def _assemble(run: Run, id: str) -> View:
    results, changed = run.results, run.results.get("differences")
    guidance = dict(asked(run)).get("Guidance scale", "")
    return View(
        id=id,
        title=" · ".join(run.concepts[:3]) + (" …" if run.concepts[3:] else "") or run.path.name,
        folder=run.path.resolve().name,
        fixture=_fixture(results["world"]) if results.get("world") else None,
        planted=_planted(run),
        headlines=headlines(run),
        understanding=describe_understanding(run, id),
        asked=asked(run),
        warnings=[str(text) for text in results.get("warnings") or []],
        grids=grids(run),
        shares=[
            describe_shares(run, before, after, f"{id}-chart-shares-{index}")
            for index, (before, after) in enumerate(pair_up(run))
        ],
        pooled=_pooled(run),
        changes=Changes(differences(f"{id}-chart-changes", changed), *changes(changed)) if changed else None,
        directions=describe_directions(results.get("directions") or [], f"{id}-chart-directions"),
        skipped=[_skip(entry) for entry in results.get("skipped") or []],
        sweeps=[
            (describe(sweep, f"{id}-chart-sweep-{index}"), sheet(run, sweep)) for index, sweep in enumerate(run.sweeps)
        ],
        provenance=_provenance(run),
        several_prompts=len(run.concepts) > 1,
        guidance=guidance,
    )


def _fixture(world: Mapping[str, Any]) -> str:
    """What follows the words that a fixture is always announced with."""
    note, said = str(world.get("note") or "").strip(), "test fixture: its skew was planted by us"
    return note[len(said) :] if note.lower().startswith(said) else f". {note}"


def _planted(run: Run) -> list[str]:
    """What was planted on the audited axes, a sentence a concept."""
    found = []
    for concept in run.concepts:
        axes = [
            f"{axis}: " + ", ".join(f"{name} {words.percent(value)}" for name, value in shares.items())
            for axis, shares in run.planted(concept).items()
            if axis in run.axes
        ]
        if axes:
            found.append(f"Planted for “{concept}” — {'; '.join(axes)}.")
    return found


def _skip(entry: Mapping[str, Any]) -> str:
    return (f"{entry['axis']} at step " if entry.get("axis") else "step ") + f"{entry['step']}: {entry['reason']}"


def _pooled(run: Run) -> list[tuple[str, ...]]:
    """Rows of the shares pooled over prompts; none for one prompt, where they would repeat the audit."""
    groups = (("before", run.before), ("after", run.after)) if run.after else (("measured", run.before),)
    return [
        (
            group, pooled["axis"], name, words.percent(entry["share"]), words.span(entry["low"], entry["high"]),
            f"{pooled['prompts']} prompts, {pooled['n']} images",
        )
        for group, found in groups
        for pooled in (found or {}).get("pooled", [])
        for name, entry in pooled["classes"].items()
        if pooled["prompts"] > 1
    ]  # fmt: skip


def _provenance(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    files = {"folder": run.path.resolve().name, "sha256 of run.json": run.digest, "images": len(run.records)}
    blocks: dict[str, Mapping[str, Any]] = {
        "Model": run.model, "Arguments": run.about, "Applied": run.results.get("applied") or {},
        "Versions": run.environment, "This run": files,
    }  # fmt: skip
    return [(name, flatten(block)) for name, block in blocks.items() if block]


def _render(views: Sequence[View]) -> str:
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), (HERE / "charts.js").read_text(encoding="utf-8")]
    if not any(_charts(view) for view in views):
        scripts = []
    pages = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["named"] = words.named
    return pages.get_template("template.html.j2").render(
        views=views,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        hashes=[_hash(script) for script in scripts],
    )


def _charts(view: View) -> bool:
    directions = any(found.chart for found in view.directions)
    panels = view.understanding.panels if view.understanding else ()
    return bool(view.shares or view.changes or view.sweeps or directions or panels)


def _hash(script: str) -> str:
    """What the page's policy knows a script by: no other script runs, whatever text slips into the page."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
