"""Ten roles, gender 50/50 and tone uniform together: python -m benchmarks.plans_on_emoji

For each role one plan (directions from its own prompts with the class named, at most --pilots pilots), verified once on
-n fresh seeds; beside it the untouched images of the same seeds, and as many images whose prompts name gender and tone,
against which variety and realism are measured.
"On target": the whole interval of every class within ±10 points, all classes at once.

    python -m benchmarks.plans_on_emoji --device cuda --batch-size 128 --dtype bfloat16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common import Journal, Row, keep, markdown
from benchmarks.plan_bench import EXPLICIT, Bench, concept_of, explicit_of, parser, people
from equinoise.run import Record, read_records
from equinoise.seeds import VERIFY, seed_range
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.targets import Target, parse_targets
from equinoise.workflows.quality import quality

ROLES = (
    "doctor", "engineer", "teacher", "scientist", "judge", "pilot", "cook", "artist", "firefighter", "office-worker",
)  # fmt: skip
TARGETS = ("gender=uniform", "tone=uniform")


def main() -> None:
    """Measure what is not kept yet, print the tables, write the JSON."""
    flags = parser(__doc__, 512)
    flags.add_argument("--pilots", type=int, default=1024)
    args = flags.parse_args()
    with Bench(args) as bench:
        about = bench.about(pilots=args.pilots, n=args.n)
        journal = Journal("plans_on_emoji", about)
        for role in bench.wanted(ROLES):
            if role not in journal.rows:
                journal.add(role, measured(bench, role, args.pilots, args.n))
    rows = [journal.rows[role] for role in ROLES if role in journal.rows]
    summary = summarise(rows)
    show(rows, summary)
    print(as_markdown(rows))
    keep({"about": about, "summary": summary, "rows": rows}, "plans_on_emoji")


def measured(bench: Bench, role: str, pilots: int, n: int) -> Row:
    """One role: plan, verify, and the images to compare with."""
    concept, axes = concept_of(role), people()
    made = bench.plan(role, concept, TARGETS, pilots, n, bench.directions_file(axes, concept))
    before = bench.draw(f"untouched-{role}", [concept], axes, seed_range(VERIFY, n))
    explicit = explicit_of(role)
    named = bench.draw(f"named-{role}", explicit, axes, seed_range(EXPLICIT, -(-n // len(explicit))))
    names, device = [axis.name for axis in axes], bench.model.spec.device
    judged = quality(bench.verification(role), against=named, before=before, axes=names, device=device).to_json()
    targets = parse_targets(TARGETS, concept)
    return {
        "role": role,
        "before": audits(read_records(before), targets),
        "after": {audit["axis"]: audit for audit in made["verified"]["audits"]},
        "on_target": {found["axis"]: found["verdict"] == "on_target" for found in made["verdicts"]},
        "expected_distance": made["expected_distance"],
        "feasible": made["feasible"],
        "interventions": made["interventions"],
        "fidelity": judged["fidelity"],
        "fidelity_kept": judged["fidelity_kept"],
        **{name: {"after": judged[name], "before": judged["untouched"][name]} for name in ("diversity", "kid")},
        "off_target": judged["off_target"],
        "cost": made["cost"],
        "ended_early": made["pilots"]["ended_early"],
        "pilots_worth": made["cost"]["pilots"]["denoiser_calls"] / bench.model.calls,
        "extra_calls": made["cost"]["verification"]["denoiser_calls"] / (n * bench.model.calls) - 1,
    }


def audits(records: Sequence[Record], targets: Sequence[Target]) -> dict[str, Any]:
    """The audit object of each target's axis."""
    measures = Measures({target.name: target.shares for target in targets})
    counts = tally(records, [target.axis for target in targets])
    return {audit.axis: audit.to_json() for audit in measures.audit(counts).audits}


def parity_floor(classes: int, n: int, draws: int = 20_000) -> float:
    """Expected largest share − smallest share of an exactly even model at n images, by simulation."""
    counts = np.random.default_rng(0).multinomial(n, np.full(classes, 1 / classes), draws)
    return float((counts.max(1) - counts.min(1)).mean() / n)


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Over the roles: how many are on target, and means of what there is a mean of."""
    found: dict[str, Any] = {"roles": len(rows)}
    for axis in ("gender", "tone"):
        gaps = {side: [row[side][axis]["gap_squared_unbiased"] for row in rows] for side in ("before", "after")}
        clear = int(np.mean([row["after"][axis]["n"] - row["after"][axis]["unclear"] for row in rows]))
        found[axis] = {
            "on_target": sum(row["on_target"][axis] for row in rows),
            "gap_squared_before": float(np.mean(gaps["before"])),
            "gap_squared_after": float(np.mean(gaps["after"])),
            "gap_squared_change": float(np.sum(gaps["after"]) / np.sum(gaps["before"]) - 1),
            **{f"spd_{side}": float(np.mean([row[side][axis]["spd"] for row in rows])) for side in ("before", "after")},
            "spd_floor": parity_floor(len(rows[0]["after"][axis]["classes"]), clear),
        }
    return found | {
        "fidelity_ratio": _mean(
            row["fidelity_kept"]["ratio"]["value"] for row in rows if row["fidelity_kept"]["ratio"]
        ),
        "diversity": _mean(row["diversity"]["after"]["value"] for row in rows),
        "diversity_untouched": _mean(row["diversity"]["before"]["value"] for row in rows),
        **{f"kid_{side}": _mean(row["kid"][side]["value"] for row in rows) for side in ("before", "after")},
        "kid_larger": sum(row["kid"]["after"]["value"] > row["kid"]["before"]["value"] for row in rows),
        "extra_calls": _mean(row["extra_calls"] for row in rows),
        "nats": _mean(row["cost"]["intrusion_nats"] for row in rows),
        "pilots": _mean(row["cost"]["pilots"]["images"] for row in rows),
        "pilots_worth": _mean(row["pilots_worth"] for row in rows),
        "ended_early": {name: sum(row["ended_early"][name] for row in rows) for name in ("images", "checked", "wrong")},
    }


def _mean(values: Any) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def show(rows: Sequence[Row], summary: Mapping[str, Any]) -> None:
    """The tables."""
    console = Console(width=200)
    for axis in ("gender", "tone"):
        classes = list(rows[0]["after"][axis]["classes"])
        table = Table("role", *classes, "on target", "gap² before", "after", "parity gap before", "after")
        for row in rows:
            table.add_row(row["role"], *(_moved(row, axis, label) for label in classes), *_gaps(row, axis))
        table.caption = (
            f"shares in % before → after (all classes at once 95%); an even model's parity gap is "
            f"{summary[axis]['spd_floor']:.3f} at this n; gap² {100 * summary[axis]['gap_squared_change']:+.0f}%"
        )
        console.print(table)
    measures = ("concept right", "over untouched", "diversity", "untouched", "KID × 1000", "untouched")
    table = Table("role", *measures, "extra calls", "nats", "pilots")
    for row in rows:
        kept = row["fidelity_kept"]["ratio"] if row["fidelity_kept"] else None
        cells = [_ends(found[side]) for found in (row["diversity"],) for side in ("after", "before")]
        cells += [_ends(row["kid"][side], 1000) for side in ("after", "before")]
        right = f"{100 * row['fidelity']['share']:.1f}%" if row["fidelity"] else "–"
        cost = (f"{100 * row['extra_calls']:+.0f}%", f"{row['cost']['intrusion_nats']:.2f}")
        table.add_row(row["role"], right, _ends(kept), *cells, *cost, str(row["cost"]["pilots"]["images"]))
    console.print(table)
    console.print({name: value for name, value in summary.items() if not isinstance(value, dict)})


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of docs/plans.md."""
    heads = (
        "role", "women", "on target (corrected)", "five tones, light to dark", "on target (corrected)",
        "role right, over untouched", "variety of explicitly prompted (untouched)", "extra calls", "nats",
        "pilots (worth in whole images)",
    )  # fmt: skip
    lines = []
    for row in rows:
        before, after = (
            ", ".join(f"{100 * found['share']:.0f}" for found in row[side]["tone"]["classes"].values())
            for side in ("before", "after")
        )
        kept, various = row["fidelity_kept"]["ratio"] if row["fidelity_kept"] else None, row["diversity"]
        lines.append(
            [
                *(row["role"], f"{_moved(row, 'gender', 'woman')}%", _judged(row, "gender")),
                *(f"{before} → {after}%", _judged(row, "tone"), _ends(kept)),
                f"{_ends(various['after'])} ({various['before']['value']:.2f})" if various["before"] else "–",
                *(f"{100 * row['extra_calls']:+.0f}%", f"{row['cost']['intrusion_nats']:.1f}"),
                f"{row['cost']['pilots']['images']} ({row['pilots_worth']:.0f})",
            ]
        )
    return markdown(heads, lines)


def _verdict(row: Row, axis: str) -> str:
    return "yes" if row["on_target"][axis] else "no"


def _judged(row: Row, axis: str) -> str:
    """The verdict, and the corrected interval that reaches farthest from its target: what the verdict hangs on."""
    audit = row["after"][axis]
    ends = {name: (found["corrected_low"], found["corrected_high"]) for name, found in audit["classes"].items()}
    name = max(ends, key=lambda name: max(abs(end - audit["target"][name]) for end in ends[name]))
    return f"{_verdict(row, axis)} ({name} {100 * ends[name][0]:.1f}–{100 * ends[name][1]:.1f})"


def _moved(row: Row, axis: str, label: str) -> str:
    before, after = (row[side][axis]["classes"][label] for side in ("before", "after"))
    return (
        f"{100 * before['share']:.0f} → {100 * after['share']:.0f} ({100 * after['low']:.0f}–{100 * after['high']:.0f})"
    )


def _gaps(row: Row, axis: str) -> list[str]:
    sides = [row["before"][axis], row["after"][axis]]
    gaps = [f"{side[key]:.3f}" for key in ("gap_squared_unbiased", "spd") for side in sides]
    return [_verdict(row, axis), *gaps]


def _ends(found: Mapping[str, float] | None, scale: float = 1.0) -> str:
    if found is None:
        return "–"
    return f"{scale * found['value']:.2f} ({scale * found['low']:.2f}–{scale * found['high']:.2f})"


if __name__ == "__main__":
    main()
