"""Odd targets, and the paper's other scenarios, as plans: python -m benchmarks.plan_targets

Each row is one plan and its verification on -n fresh seeds: the target, the shares untouched and planned, and what
moved besides (largest change of a class of another axis that the pictures show). The entangled scenario twice: tone
alone, and tone with the houses kept as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common import RUNS, Journal, Row, keep, markdown
from benchmarks.plan_bench import Bench, parser
from equinoise.axes import Axis, load_axis
from equinoise.run import Record
from equinoise.seeds import AUDIT, VERIFY, seed_range
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import cross, tally
from equinoise.understanding.quality import fidelity, fidelity_kept, off_target
from equinoise.understanding.targets import Target, parse_targets

CENSUS = "tone=light:0.34,medium-light:0.26,medium:0.18,medium-dark:0.13,dark:0.09"
"""Such as a country's table may have; of no country."""
DEPENDENT = {
    "woman": {"light": 0.03, "medium-light": 0.05, "medium": 0.10, "medium-dark": 0.15, "dark": 0.17},
    "man": {"light": 0.17, "medium-light": 0.15, "medium": 0.10, "medium-dark": 0.05, "dark": 0.03},
}
"""A joint table: half women, every tone a fifth, and the two axes hang together."""
WEALTHY = "a photo of a wealthy man and his house"


@dataclass(frozen=True)
class Asked:
    """A row: the concept, its targets, and the axes that are watched besides; `kept` is to stay as it is untouched."""

    concept: str
    targets: tuple[str, ...]
    besides: tuple[str, ...] = ()
    kept: str | None = None
    axes: tuple[str, ...] = field(default=("gender",))


ROWS: dict[str, Asked] = {
    "80/20": Asked("a photo of a doctor", ("gender=woman:0.8,man:0.2",), ("tone",)),
    "30/70": Asked("a photo of a teacher", ("gender=woman:0.3,man:0.7",), ("tone",)),
    "one class": Asked("a photo of an engineer", ("gender=woman:1,man:0",), ("tone",)),
    "census": Asked("a photo of a doctor", (CENSUS,), ("gender",), axes=("tone",)),
    "dependent": Asked("a photo of a doctor", ("gender*tone=DEPENDENT",), axes=("gender", "tone")),
    "mansion": Asked(
        "a photo of a wealthy dark-skinned man and his house", ("house=uniform",), ("tone", "gender"), axes=("house",)
    ),
    "wedding": Asked("a picture of a wedding", ("wedding=uniform",), ("tone",), axes=("wedding",)),
    "waterbird": Asked("a picture of a waterbird", ("ground=uniform",), ("bird",), axes=("ground",)),
    "entangled": Asked(WEALTHY, ("tone=uniform",), ("house",), axes=("tone",)),
    "house kept": Asked(WEALTHY, ("tone=uniform",), kept="house", axes=("tone", "house")),
}


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 384)
    flags.add_argument("--pilots", type=int, default=384)
    args = flags.parse_args()
    with Bench(args) as bench:
        about = bench.about(pilots=args.pilots, n=args.n)
        journal = Journal("plan_targets", about)
        for name in bench.wanted(list(ROWS)):
            if name not in journal.rows:
                journal.add(name, measured(bench, name, ROWS[name], args.pilots, args.n))
    rows = [journal.rows[name] for name in ROWS if name in journal.rows]
    show(rows)
    print(as_markdown(rows))
    keep({"about": about, "rows": rows}, "plan_targets")


def measured(bench: Bench, name: str, asked: Asked, pilots: int, n: int) -> Row:
    """One row: plan, verify, and the untouched images of the same seeds."""
    slug, axes = name.replace("/", "-").replace(" ", "-"), [load_axis(axis) for axis in asked.axes]
    besides = [load_axis(axis) for axis in asked.besides]
    texts = [*(_written(bench, text) for text in asked.targets), *_as_it_is(bench, asked)]
    made = bench.plan(slug, asked.concept, texts, pilots, n, bench.directions_file(axes, asked.concept))
    run = bench.draw(f"neutral-{asked.concept.replace(' ', '-')}", [asked.concept], (), seed_range(VERIFY, n))
    before, after = (bench.read(part, [*axes, *besides]) for part in (run, bench.verification(slug)))
    moved, roles = off_target(before, after, {axis.name: axis.classes for axis in besides}), bench.model.detector.role
    right, kept = fidelity(after, roles), fidelity_kept(before, after, roles)
    return {
        "name": name,
        "concept": asked.concept,
        "before": audited(before, parse_targets(texts, asked.concept)),
        "after": {audit["axis"]: audit for audit in made["verified"]["audits"]},
        "verdicts": {found["axis"]: found["verdict"] for found in made["verdicts"]},
        "feasible": made["feasible"],
        "expected_distance": made["expected_distance"],
        "off_target": {axis: effect.to_json() for axis, effect in moved.items()},
        "fidelity": right.to_json() if right else None,
        "fidelity_kept": kept.to_json() if kept else None,
        "cost": made["cost"],
        "extra_calls": made["cost"]["verification"]["denoiser_calls"] / (n * bench.model.calls) - 1,
    }


def _written(bench: Bench, text: str) -> str:
    """A target; the dependent table as the file that it is given as."""
    if not text.endswith("=DEPENDENT"):
        return text
    path = RUNS / bench.home / "dependent.csv"
    rows = [f"{gender},{tone},{share}" for gender, tones in DEPENDENT.items() for tone, share in tones.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["gender,tone,share", *rows]) + "\n")
    return text.replace("DEPENDENT", str(path))


def _as_it_is(bench: Bench, asked: Asked, n: int = 256) -> list[str]:
    """The target that keeps an axis as untouched images of other seeds have it."""
    if asked.kept is None:
        return []
    axis = load_axis(asked.kept)
    run = bench.draw(f"as-it-is-{axis.name}", [asked.concept], [axis], seed_range(AUDIT, n))
    (found,) = tally(bench.read(run, [axis]), [axis])
    return [f"{axis.name}=" + ",".join(f"{label}:{count / found.clear}" for label, count in found.classes.items())]


def audited(records: Sequence[Record], targets: Sequence[Target]) -> dict[str, Any]:
    """The audit object of each target, of several axes together too."""
    axes: list[Axis] = []
    for target in targets:
        axes.append(target.axis)
        if len(target.axes) > 1:
            records, _ = cross(records, target.axes)
    measures = Measures({target.name: target.shares for target in targets})
    return {audit.axis: audit.to_json() for audit in measures.audit(tally(records, axes)).audits}


def show(rows: Sequence[Row]) -> None:
    """A line a class."""
    table = Table("plan", "class", "target", "untouched", "planned (95%, all at once)", "verdict", "moved besides")
    for row in rows:
        first = [row["name"]]
        for axis, audit in row["after"].items():
            said = [row["verdicts"][axis].replace("_", " "), _most(row["off_target"])]
            for label, found in audit["classes"].items():
                before = row["before"][axis]["classes"][label]["share"]
                ends = f"{_percent(found['share'])} ({_percent(found['low'])}–{_percent(found['high'])})"
                table.add_row(*first, label, _percent(audit["target"][label]), _percent(before), ends, *said)
                first, said = [""], ["", ""]
        right = row["fidelity"] and f"concept right {_percent(row['fidelity']['share'])}; "
        cost = f"{row['cost']['intrusion_nats']:.2f} nats, {100 * row['extra_calls']:+.0f}% calls"
        table.add_row("", f"{right or ''}{cost}", *[""] * 5, end_section=True)
    Console(width=170).print(table)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of docs/plans.md."""
    heads = ("plan", "target", "untouched", "planned", "verdict", "moved besides", "nats, extra calls")
    lines = []
    for row in rows:
        cost = f"{row['cost']['intrusion_nats']:.1f}, {100 * row['extra_calls']:+.0f}%"
        for axis, audit in row["after"].items():
            before, after = row["before"][axis]["classes"], audit["classes"]
            lines.append(
                [
                    f"{row['name']}: {', '.join(after)}",
                    ", ".join(f"{100 * share:.0f}" for share in audit["target"].values()),
                    ", ".join(f"{100 * found['share']:.0f}" for found in before.values()),
                    ", ".join(
                        f"{100 * f['share']:.0f} ({100 * f['low']:.0f}–{100 * f['high']:.0f})" for f in after.values()
                    ),
                    row["verdicts"][axis].replace("_", " "),
                    _most(row["off_target"]),
                    cost,
                ]
            )
    return markdown(heads, lines)


def _most(moved: Mapping[str, Any]) -> str:
    """The class of another axis whose share changed most, with its paired interval."""
    changes = [(name, c) for entry in moved.values() for name, c in entry["classes"].items()]
    if not changes:
        return ""
    name, c = max(changes, key=lambda change: abs(change[1]["difference"]))
    return f"{name} {100 * c['difference']:+.0f} ({100 * c['low']:+.0f} to {100 * c['high']:+.0f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}%"


if __name__ == "__main__":
    main()
