"""Ten roles, gender 50/50 and tone uniform together: python -m benchmarks.plans.on_emoji

For each role one plan (directions from its own prompts with the class named, at most --pilots pilots), verified once on
-n fresh seeds; beside it the untouched images of the same seeds, and as many images whose prompts name gender and tone,
against which variety and realism are measured.
"On target": the whole interval of every class within ±10 points, all classes at once.

    python -m benchmarks.plans.on_emoji --device cuda --batch-size 128 --dtype bfloat16
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common import Journal, keep, people
from benchmarks.plans.bench import EXPLICIT, Bench, concept_of, explicit_of, parser
from emoji_world.tables import markdown
from equinoise import quality
from equinoise.results.audits import Audit
from equinoise.results.base import Value
from equinoise.results.interactions import AxisEffect
from equinoise.results.plans import EarlyStops, PlanCost, PlanPart
from equinoise.results.quality import Fidelity, FidelityKept, Measure
from equinoise.seeds import VERIFY

ROLES = (
    "doctor", "engineer", "teacher", "scientist", "judge", "pilot", "cook", "artist", "firefighter", "office-worker",
)  # fmt: skip
TARGETS = {"gender": "uniform", "tone": "uniform"}


class BothSides(Value):
    """A measure under the plan and of the untouched images."""

    after: Measure
    before: Measure


class RolePlan(Value):
    """One role: its plan, the verification, and the untouched images of the same seeds.

    Attributes:
        before, after: axis → audit.
        on_target: axis → whether the whole corrected interval of every class lies within ±10 points.
        diversity, kid: variety and realism against images whose prompts name gender and tone.
        pilots_worth: denoiser calls of the pilots, in whole images.
        extra_calls: of the verification, beyond those of whole runs, as a share of these.
    """

    role: str
    before: dict[str, Audit]
    after: dict[str, Audit]
    on_target: dict[str, bool]
    expected_distance: dict[str, float]
    feasible: bool
    interventions: tuple[PlanPart, ...]
    fidelity: Fidelity | None
    fidelity_kept: FidelityKept | None
    diversity: BothSides
    kid: BothSides
    off_target: dict[str, AxisEffect] | None
    cost: PlanCost
    ended_early: EarlyStops
    pilots_worth: float
    extra_calls: float


class AxisSummary(Value):
    """An axis over the roles; `spd_floor` is that of an exactly even model at this n."""

    on_target: int
    gap_squared_before: float
    gap_squared_after: float
    gap_squared_change: float
    spd_before: float
    spd_after: float
    spd_floor: float


class Summary(Value):
    """Over the roles: how many are on target, and means of what there is a mean of."""

    roles: int
    gender: AxisSummary
    tone: AxisSummary
    fidelity_ratio: float | None
    diversity: float
    diversity_untouched: float
    kid_before: float
    kid_after: float
    kid_larger: int
    extra_calls: float
    nats: float
    pilots: float
    pilots_worth: float
    ended_early: EarlyStops


def main() -> None:
    """Measure what is not kept yet, print the tables, write the JSON."""
    flags = parser(__doc__, 512)
    flags.add_argument("--pilots", type=int, default=1024)
    args = flags.parse_args()
    with Bench(args) as bench:
        about = bench.to_json(pilots=args.pilots, n=args.n)
        journal = Journal("plans_on_emoji", about, RolePlan)
        for role in bench.wanted(ROLES):
            if role not in journal.rows:
                journal.add(role, measured(bench, role, args.pilots, args.n))
    rows = [journal.rows[role] for role in ROLES if role in journal.rows]
    summary = summarise(rows)
    show(rows, summary)
    print(as_markdown(rows))
    keep({"about": about, "summary": summary, "rows": rows}, "plans_on_emoji")


def measured(bench: Bench, role: str, pilots: int, n: int) -> RolePlan:
    """One role: plan, verify, and the images to compare with."""
    concept, axes = concept_of(role), people()
    made = bench.plan(role, concept, axes, TARGETS, pilots, n)
    before = bench.audit(f"untouched-{role}", concept, axes, n, VERIFY)
    explicit = explicit_of(role)
    named = bench.audit(f"named-{role}", explicit, axes, -(-n // len(explicit)), EXPLICIT)
    judged = quality(made, against=named, before=before, axes=list(TARGETS), device=bench.model.spec.device)
    untouched = judged.untouched
    assert untouched is not None  # there are untouched images
    return RolePlan(
        role=role,
        before={audit.axis: audit for audit in before.audits},
        after={audit.axis: audit for audit in made.verified.audits},
        on_target={found.axis: found.verdict == "on_target" for found in made.verdicts},
        expected_distance=made.expected_distance,
        feasible=made.feasible,
        interventions=made.interventions,
        fidelity=judged.fidelity,
        fidelity_kept=judged.fidelity_kept,
        diversity=BothSides(after=judged.diversity, before=untouched.diversity),
        kid=BothSides(after=judged.kid, before=untouched.kid),
        off_target=judged.off_target,
        cost=made.cost,
        ended_early=made.pilots.stopped_early,
        pilots_worth=made.cost.pilots.denoiser_calls / bench.model.calls,
        extra_calls=bench.extra_calls(made),
    )


def parity_floor(classes: int, n: int, draws: int = 20_000) -> float:
    """Expected largest share − smallest share of an exactly even model at n images, by simulation."""
    counts = np.random.default_rng(0).multinomial(n, np.full(classes, 1 / classes), draws)
    return float((counts.max(1) - counts.min(1)).mean() / n)


def summarise(rows: Sequence[RolePlan]) -> Summary:
    """Means over the roles."""
    kept = [row.fidelity_kept.ratio.value for row in rows if row.fidelity_kept and row.fidelity_kept.ratio]
    stopped = [row.ended_early for row in rows]
    return Summary(
        roles=len(rows),
        gender=_axis([row.before["gender"] for row in rows], [row.after["gender"] for row in rows], rows),
        tone=_axis([row.before["tone"] for row in rows], [row.after["tone"] for row in rows], rows),
        fidelity_ratio=_mean(kept) if kept else None,
        diversity=_mean(row.diversity.after.value for row in rows),
        diversity_untouched=_mean(row.diversity.before.value for row in rows),
        kid_before=_mean(row.kid.before.value for row in rows),
        kid_after=_mean(row.kid.after.value for row in rows),
        kid_larger=sum(row.kid.after.value > row.kid.before.value for row in rows),
        extra_calls=_mean(row.extra_calls for row in rows),
        nats=_mean(row.cost.kl_nats for row in rows),
        pilots=_mean(row.cost.pilots.images for row in rows),
        pilots_worth=_mean(row.pilots_worth for row in rows),
        ended_early=EarlyStops(
            images=sum(found.images for found in stopped),
            checked=sum(found.checked for found in stopped),
            wrong=sum(found.wrong for found in stopped),
        ),
    )


def _axis(before: Sequence[Audit], after: Sequence[Audit], rows: Sequence[RolePlan]) -> AxisSummary:
    gaps = [[audit.gap_squared_unbiased or 0.0 for audit in side] for side in (before, after)]
    clear = int(np.mean([audit.clear for audit in after]))
    return AxisSummary(
        on_target=sum(row.on_target[after[0].axis] for row in rows),
        gap_squared_before=_mean(gaps[0]),
        gap_squared_after=_mean(gaps[1]),
        gap_squared_change=sum(gaps[1]) / sum(gaps[0]) - 1,
        spd_before=_mean(audit.spd or 0.0 for audit in before),
        spd_after=_mean(audit.spd or 0.0 for audit in after),
        spd_floor=parity_floor(len(after[0].classes), clear),
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def show(rows: Sequence[RolePlan], summary: Summary) -> None:
    """The tables."""
    console = Console(width=200)
    for axis, found in (("gender", summary.gender), ("tone", summary.tone)):
        classes = list(rows[0].after[axis].classes)
        table = Table("role", *classes, "on target", "gap² before", "after", "parity gap before", "after")
        for row in rows:
            table.add_row(row.role, *(_moved(row, axis, label) for label in classes), *_gaps(row, axis))
        table.caption = (
            f"shares in % before → after (all classes at once 95%); an even model's parity gap is "
            f"{found.spd_floor:.3f} at this n; gap² {100 * found.gap_squared_change:+.0f}%"
        )
        console.print(table)
    measures = ("concept right", "over untouched", "diversity", "untouched", "KID × 1000", "untouched")
    table = Table("role", *measures, "extra calls", "nats", "pilots")
    for row in rows:
        cells = [_right(row), _kept(row), _reach(row.diversity.after), _reach(row.diversity.before)]
        cells += [_reach(row.kid.after, 1000), _reach(row.kid.before, 1000)]
        cost = (f"{100 * row.extra_calls:+.0f}%", f"{row.cost.kl_nats:.2f}", str(row.cost.pilots.images))
        table.add_row(row.role, *cells, *cost)
    console.print(table)
    told = summary.to_json().items()
    console.print({name: value for name, value in told if not isinstance(value, dict)})


def as_markdown(rows: Sequence[RolePlan]) -> str:
    """The table of docs/plans.md."""
    heads = (
        "role", "women", "on target (corrected)", "five tones, light to dark", "on target (corrected)",
        "role right, over untouched", "variety of explicitly prompted (untouched)", "extra calls", "nats",
        "pilots (worth in whole images)",
    )  # fmt: skip
    return markdown(heads, [_line(row) for row in rows])


def _line(row: RolePlan) -> list[str]:
    sides = [[_percent(found.share) for found in side["tone"].classes.values()] for side in (row.before, row.after)]
    return [
        *(row.role, f"{_moved(row, 'gender', 'woman')}%", _judged(row, "gender")),
        *(f"{', '.join(sides[0])} → {', '.join(sides[1])}%", _judged(row, "tone"), _kept(row)),
        f"{_reach(row.diversity.after)} ({row.diversity.before.value:.2f})",
        *(f"{100 * row.extra_calls:+.0f}%", f"{row.cost.kl_nats:.1f}"),
        f"{row.cost.pilots.images} ({row.pilots_worth:.0f})",
    ]


def _right(row: RolePlan) -> str:
    return f"{100 * row.fidelity.share:.1f}%" if row.fidelity else "–"


def _kept(row: RolePlan) -> str:
    return _reach(row.fidelity_kept.ratio) if row.fidelity_kept and row.fidelity_kept.ratio else "–"


def _reach(found: Measure, scale: float = 1.0) -> str:
    return f"{scale * found.value:.2f} ({scale * found.low:.2f}–{scale * found.high:.2f})"


def _verdict(row: RolePlan, axis: str) -> str:
    return "yes" if row.on_target[axis] else "no"


def _judged(row: RolePlan, axis: str) -> str:
    """The verdict, and the corrected interval that reaches farthest from its target: what the verdict hangs on."""
    audit = row.after[axis]
    ends = {name: found.corrected_interval or found.interval or (0.0, 1.0) for name, found in audit.classes.items()}
    name = max(ends, key=lambda name: max(abs(end - audit.target[name]) for end in ends[name]))
    return f"{_verdict(row, axis)} ({name} {100 * ends[name][0]:.1f}–{100 * ends[name][1]:.1f})"


def _moved(row: RolePlan, axis: str, label: str) -> str:
    before, after = row.before[axis][label], row.after[axis][label]
    ends = f"{_percent(after.low)}–{_percent(after.high)}"
    return f"{_percent(before.share)} → {_percent(after.share)} ({ends})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def _gaps(row: RolePlan, axis: str) -> list[str]:
    sides = row.before[axis], row.after[axis]
    gaps = [*(audit.gap_squared_unbiased or 0.0 for audit in sides), *(audit.spd or 0.0 for audit in sides)]
    return [_verdict(row, axis), *(f"{gap:.3f}" for gap in gaps)]


if __name__ == "__main__":
    main()
