"""The page: typed results → one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from equinoise.charts.numbers import percent
from equinoise.charts.style import THEME
from equinoise.errors import EquinoiseError
from equinoise.files import write_whole
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.page.audits import Shares, describe_shares, pooled
from equinoise.page.comparisons.methods import HEADS, Compared, describe_methods
from equinoise.page.comparisons.runs import Changes, describe_changes
from equinoise.page.composing import compose
from equinoise.page.directions import Directions, describe_directions
from equinoise.page.grids import Grid, grids
from equinoise.page.headlines import Headline, headlines
from equinoise.page.plans import MIXTURE, VERDICTS, Planned, describe_plan
from equinoise.page.provenance import Rows, asked, guidance, provenance
from equinoise.page.sheets import Sheet, contact_sheet
from equinoise.page.sweeps import Sweep, describe_sweep
from equinoise.page.understanding import Understanding, describe_understanding
from equinoise.results.reading import Source

HERE = Path(__file__).parent
FIXTURE = "test fixture: its skew was planted by us"
"""How the page announces a fixture, and how its own note begins."""


@dataclass(frozen=True)
class View:
    """What the template shows of one article; what is None or empty has no section."""

    id: str
    title: str
    folder: str
    fixture: str | None
    planted: list[str]
    headlines: list[Headline]
    understanding: Understanding | None
    asked: Rows
    warnings: tuple[str, ...]
    grids: list[Grid]
    shares: list[Shares]
    pooled: list[tuple[str, ...]]
    changes: list[Changes]
    methods: list[Compared]
    plan: Planned | None
    directions: list[Directions]
    skipped: list[str]
    sweeps: list[tuple[Sweep, Sheet | None]]
    provenance: list[tuple[str, Rows]]
    several_prompts: bool
    guidance: str

    @property
    def has_charts(self) -> bool:
        """Whether plotly is needed."""
        directions = any(found.chart for found in self.directions)
        panels = self.understanding and (self.understanding.panels or self.understanding.compared)
        numbers = self.shares or self.changes or self.methods or self.plan or self.sweeps
        return bool(numbers or directions or panels)


def write_report(sources: Sequence[Source], out: Path) -> Path:
    """Write one self-contained HTML file about one or more finished runs, or results in memory.

    Needs the folders, or the results, and nothing else: no model, no network. Equal runs give equal bytes.

    Raises:
        EquinoiseError: no run, a folder that is not one, a damaged one, or a place that cannot be written.
    """
    if not sources:
        raise EquinoiseError("no run to report on; give at least one run folder, or what a verb returned")
    views = [_view(article, f"run-{index}") for index, article in enumerate(compose(sources), start=1)]
    write_whole(out, _render(views, len(sources)).encode())
    return out


def _view(article: Article, id: str) -> View:
    concepts = article.concepts
    return View(
        id=id,
        title=article.title,
        folder=article.place,
        fixture=_fixture(article),
        planted=_planted(article),
        headlines=headlines(article),
        understanding=describe_understanding(article, id),
        asked=asked(article),
        warnings=article.warnings,
        grids=grids(article),
        shares=[
            describe_shares(article, audit, f"{id}-chart-shares-{index}") for index, audit in enumerate(article.audits)
        ],
        pooled=pooled(article),
        changes=describe_changes(article, f"{id}-chart-changes"),
        methods=describe_methods(article.methods, article.run, f"{id}-chart-methods") if article.methods else [],
        plan=describe_plan(article.plan, f"{id}-chart-plan") if article.plan else None,
        directions=describe_directions(article.directions, f"{id}-chart-directions"),
        skipped=[f"{entry.axis} at step {entry.step}: {entry.reason}" for entry in article.skipped]
        + [f"step {entry.step}: {entry.reason}" for sweep in article.sweeps for entry in sweep.skipped or ()],
        sweeps=[
            (describe_sweep(sweep, f"{id}-chart-sweep-{index}"), contact_sheet(sweep))
            for index, sweep in enumerate(article.sweeps)
        ],
        provenance=provenance(article),
        several_prompts=len(concepts) > 1,
        guidance=guidance(article.run),
    )


def _fixture(article: Article) -> str | None:
    """What follows the words that a fixture is always announced with; None of any other model."""
    if article.world is None:
        return None
    note = article.world.note.strip()
    return note[len(FIXTURE) :] if note.lower().startswith(FIXTURE) else f". {note}"


def _planted(article: Article) -> list[str]:
    """What was planted on the audited axes, a sentence a concept."""
    found = []
    for concept in article.concepts:
        axes = [
            f"{axis}: " + ", ".join(f"{name} {percent(value)}" for name, value in shares.items())
            for axis, shares in article.planted(concept).items()
            if axis in article.axes
        ]
        if axes:
            found.append(f"Planted for “{concept}” — {'; '.join(axes)}.")
    return found


def _render(views: Sequence[View], count: int) -> str:
    scripts = _scripts() if any(view.has_charts for view in views) else []
    pages = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["named"] = words.named
    return pages.get_template("template.html.j2").render(
        views=views,
        count=count,
        mixture_heads=MIXTURE,
        verdict_heads=VERDICTS,
        method_heads=HEADS,
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        hashes=[_hash(script) for script in scripts],
    )


def _scripts() -> list[str]:
    """Plotly, and ours with the names that the page's style sheet has for the charts' colours."""
    from plotly.offline import get_plotlyjs

    names = json.dumps({colour: f"--{name}" for colour, name in THEME.items()})
    return [get_plotlyjs(), (HERE / "charts.js").read_text(encoding="utf-8").replace("{/* COLOURS */}", names)]


def _hash(script: str) -> str:
    """What the page's policy knows a script by: no other script runs, whatever text slips into the page."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
