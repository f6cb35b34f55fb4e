"""What the page says of methods that were compared: who comes nearest, at what cost, and the same seeds under each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from equinoise.charts.numbers import percent
from equinoise.page.chart import Chart
from equinoise.page.pictures import embed
from equinoise.page.sheets import SEEDS, Sheet, SheetRow
from equinoise.results.comparisons.methods import BARE, MethodRow, MethodsResult, gap_chart, shares_text
from equinoise.run import UNTOUCHED, RunContent, read_content

HEADS = (
    "Method", "Setting", "Changes", "Share (95%)", "Squared gap ×10⁴ (95%)", "Concept right", "Diversity",
    "KID ×10³ (95%)", "Moved", "Left as it was", "Other axes that moved", "Calls an image", "Set-up calls", "Verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """All methods on one concept and axis.

    Attributes:
        absent: methods without images, and why.
        sheet: the same seeds under every method; None where the pictures were not kept.
    """

    title: str
    sentences: tuple[str, ...]
    charts: tuple[Chart, ...]
    rows: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]
    sheet: Sheet | None


def describe_methods(found: MethodsResult, run: RunContent, id: str) -> list[Compared]:
    """A part a concept and axis."""
    pairs = dict.fromkeys((row.concept, row.axis) for row in found.methods)
    return [_compared(found, run, *pair, f"{id}-{index}") for index, pair in enumerate(pairs)]


def _compared(found: MethodsResult, run: RunContent, concept: str, axis: str, id: str) -> Compared:
    rows = [row for row in found.methods if (row.concept, row.axis) == (concept, axis)]
    spoken = "Gap of each method against {}; the table holds the same numbers"
    charts = (
        Chart(f"{id}-fidelity", spoken.format("how often the concept is right"), gap_chart(rows, "fidelity")),
        Chart(f"{id}-cost", spoken.format("the denoiser calls of an image"), gap_chart(rows, "cost")),
    )
    return Compared(
        f"{concept}, {axis}",
        _sentences(rows, found),
        charts,
        tuple(map(_row, rows)),
        tuple(row.reason for row in found.failed if (row.concept, row.axis) == (concept, axis)),
        _sheet(rows, run, axis),
    )


def _sentences(rows: list[MethodRow], found: MethodsResult) -> tuple[str, ...]:
    """Who is shown to reach the target among those that pass the gates, and at what cost; else who comes nearest."""
    able = [row for row in rows if row.gap_squared and not row.worse and row.name != BARE]
    reached = sorted((row for row in able if row.verdict.verdict == "on_target"), key=_cost)
    margin = f"within ±{100 * found.margin:g} points"
    said = [f"The same {found.n} seeds under every method."]
    if reached:
        each = [f"{row.label} ({row.denoiser_calls_per_image:.0f}; {_cost(row)[1]:,.0f})" for row in reached]
        said.append(
            f"Shown to be on target {margin} and to pass the gates, by denoiser calls an image, then of set-up and "
            f"tuning: {', '.join(each)}."
        )
    elif able:
        best = min(able, key=lambda row: row.gap_squared.value if row.gap_squared else 2.0)
        said.append(
            f"None is shown to be on target {margin}. The smallest gap of those that pass the gates has {best.label}: "
            f"{shares_text(best)}."
        )
    failing = [f"{row.label} ({' and '.join(row.worse)})" for row in rows if row.worse]
    if failing:
        said.append(f"Worse than untouched beyond chance: {', '.join(failing)}.")
    return tuple(said)


def _cost(row: MethodRow) -> tuple[float, float]:
    """Denoiser calls an image, and of the set-up with tuning."""
    return row.denoiser_calls_per_image, row.setup_calls + row.tuning_calls


def _row(row: MethodRow) -> tuple[str, ...]:
    moved = [f"{axis}: {', '.join(effect.moved)}" for axis, effect in row.off_target.items() if effect.moved]
    return (
        row.title,
        row.setting if row.strength is None else f"{row.setting}, {row.strength:g}",
        row.changes,
        shares_text(row),
        row.gap_squared.text(0, 1e4) if row.gap_squared else "–",
        "–" if row.concept_fidelity is None else percent(row.concept_fidelity),
        row.diversity.text(2) if row.diversity else "–",
        row.kid.text(0, 1000) if row.kid else "–",
        row.moved.text(2) if row.moved else "–",
        percent(row.unchanged.share),
        "; ".join(moved) or "none",
        f"{row.denoiser_calls_per_image:.1f}",
        f"{row.setup_calls:,.0f}" + (f" and {row.tuning_calls:,.0f} of tuning" if row.tuning_calls else ""),
        "; ".join([row.verdict.said, *(f"worse: {gate}" for gate in row.worse)]),
    )


def _sheet(rows: list[MethodRow], run: RunContent, axis: str) -> Sheet | None:
    """The first seeds of every method, where the pictures were kept."""
    if run.folder is None:
        return None
    made = [read_content(run.folder / row.place) for row in rows]
    by_seed = [{r.seed: r for r in content.records if r.id == str(r.seed)} for content in made]
    seeds = sorted(set.intersection(*(set(records) for records in by_seed)))[:SEEDS]
    shown = []
    for row, content, records in zip(rows, made, by_seed, strict=True):
        named = [replace(records[seed], intervention=_done(row)) for seed in seeds]
        pictures = tuple(embed(content, record, [axis]) for record in named)
        shown.append(SheetRow(row.label, shares_text(row), False, pictures))
    return Sheet("Every method", tuple(seeds), tuple(shown))


def _done(row: MethodRow) -> str:
    return UNTOUCHED if row.name == BARE else row.label
