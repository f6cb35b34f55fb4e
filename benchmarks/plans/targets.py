"""Odd targets, and the paper's other scenarios, as plans: python -m benchmarks.plans.targets

Each row is one plan and its verification on -n fresh seeds: the target, the shares untouched and planned, and what
moved besides (the largest change of a class of another axis that the pictures show). The scenario with entangled axes
comes twice: with a target for tone alone, and with the houses to stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.common import Journal, keep
from benchmarks.plans.bench import Bench, parser
from emoji_world.tables import markdown
from equinoise import audit_images, generate, load_axis
from equinoise.results.audits import Audit
from equinoise.results.base import Value
from equinoise.results.interactions import AxisEffect
from equinoise.results.plans import PlanCost
from equinoise.results.quality import Fidelity, FidelityKept
from equinoise.seeds import AUDIT, VERIFY
from equinoise.understanding.quality import fidelity, fidelity_kept, off_target
from equinoise.understanding.targets import Wanted

CENSUS = {"light": 0.34, "medium-light": 0.26, "medium": 0.18, "medium-dark": 0.13, "dark": 0.09}
"""Such as a country's table may have; of no country."""
DEPENDENT = {
    "woman": {"light": 0.03, "medium-light": 0.05, "medium": 0.10, "medium-dark": 0.15, "dark": 0.17},
    "man": {"light": 0.17, "medium-light": 0.15, "medium": 0.10, "medium-dark": 0.05, "dark": 0.03},
}
"""A joint table: half women, every tone a fifth, and the two axes hang together."""
CELLS = {f"{gender} & {tone}": share for gender, tones in DEPENDENT.items() for tone, share in tones.items()}
WEALTHY = "a photo of a wealthy man and his house"
AS_IT_IS = 256
"""Images of other seeds that give the shares of an axis that a plan is to leave unchanged."""


@dataclass(frozen=True)
class Asked:
    """A row of the table.

    Attributes:
        concept, targets: of the plan.
        besides: axes without a target whose change is measured.
        unchanged: an axis whose target is the shares of untouched images.
        axes: those that directions are collected for.
    """

    concept: str
    targets: Mapping[str, Wanted]
    besides: tuple[str, ...] = ()
    unchanged: str | None = None
    axes: tuple[str, ...] = ("gender",)


ROWS: dict[str, Asked] = {
    "80/20": Asked("a photo of a doctor", {"gender": {"woman": 0.8, "man": 0.2}}, ("tone",)),
    "30/70": Asked("a photo of a teacher", {"gender": {"woman": 0.3, "man": 0.7}}, ("tone",)),
    "one class": Asked("a photo of an engineer", {"gender": {"woman": 1.0, "man": 0.0}}, ("tone",)),
    "census": Asked("a photo of a doctor", {"tone": CENSUS}, ("gender",), axes=("tone",)),
    "dependent": Asked("a photo of a doctor", {"gender*tone": CELLS}, axes=("gender", "tone")),
    "mansion": Asked(
        "a photo of a wealthy dark-skinned man and his house", {"house": "uniform"}, ("tone", "gender"), axes=("house",)
    ),
    "wedding": Asked("a picture of a wedding", {"wedding": "uniform"}, ("tone",), axes=("wedding",)),
    "waterbird": Asked("a picture of a waterbird", {"ground": "uniform"}, ("bird",), axes=("ground",)),
    "entangled": Asked(WEALTHY, {"tone": "uniform"}, ("house",), axes=("tone",)),
    "house kept": Asked(WEALTHY, {"tone": "uniform"}, unchanged="house", axes=("tone", "house")),
}


class TargetPlan(Value):
    """One row: its plan, the verification, and the untouched images of the same seeds.

    Attributes:
        before, after: target → audit.
        off_target: axis that was watched besides → what became of it.
        extra_calls: of the verification, beyond those of whole runs, as a share of these.
    """

    name: str
    concept: str
    before: dict[str, Audit]
    after: dict[str, Audit]
    verdicts: dict[str, str]
    feasible: bool
    expected_distance: dict[str, float]
    off_target: dict[str, AxisEffect]
    fidelity: Fidelity | None
    fidelity_kept: FidelityKept | None
    cost: PlanCost
    extra_calls: float

    @property
    def moved(self) -> str:
        """The class of another axis whose share changed most, with its paired interval."""
        changes = [(name, c) for effect in self.off_target.values() for name, c in effect.classes.items()]
        if not changes:
            return ""
        name, c = max(changes, key=lambda change: abs(change[1].difference))
        return f"{name} {100 * c.difference:+.0f} ({100 * c.low:+.0f} to {100 * c.high:+.0f})"


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 384)
    flags.add_argument("--pilots", type=int, default=384)
    args = flags.parse_args()
    with Bench(args) as bench:
        about = bench.to_json(pilots=args.pilots, n=args.n)
        journal = Journal("plan_targets", about, TargetPlan)
        for name in bench.wanted(list(ROWS)):
            if name not in journal.rows:
                journal.add(name, measured(bench, name, ROWS[name], args.pilots, args.n))
    rows = [journal.rows[name] for name in ROWS if name in journal.rows]
    show(rows)
    print(as_markdown(rows))
    keep({"about": about, "rows": rows}, "plan_targets")


def measured(bench: Bench, name: str, asked: Asked, pilots: int, n: int) -> TargetPlan:
    """One row: plan, verify, and the untouched images of the same seeds."""
    slug, axes = name.replace("/", "-").replace(" ", "-"), [load_axis(axis) for axis in asked.axes]
    targets = {**asked.targets, **_as_it_is(bench, asked)}
    made = bench.plan(slug, asked.concept, axes, targets, pilots, n)
    out = bench.home / f"neutral-{asked.concept.replace(' ', '-')}"
    untouched = generate(bench.model, asked.concept, n=n, seed=VERIFY, out=out, engine=bench.engine)
    before, after = (
        audit_images(
            run.require_folder(), axes=[*asked.axes, *asked.besides], targets=targets,
            crosses=[target.split("*") for target in targets if "*" in target], device=bench.model.spec.device,
        )
        for run in (untouched.run, made.run)
    )  # fmt: skip
    watched, role = {axis: load_axis(axis).classes for axis in asked.besides}, bench.model.detector.role
    return TargetPlan(
        name=name,
        concept=asked.concept,
        before={audit.axis: audit for audit in before.audits if audit.axis in targets},
        after={audit.axis: audit for audit in made.verified.audits},
        verdicts={found.axis: found.verdict for found in made.verdicts},
        feasible=made.feasible,
        expected_distance=made.expected_distance,
        off_target=off_target(before.run.records, after.run.records, watched),
        fidelity=fidelity(after.run.records, role),
        fidelity_kept=fidelity_kept(before.run.records, after.run.records, role),
        cost=made.cost,
        extra_calls=bench.extra_calls(made),
    )


def _as_it_is(bench: Bench, asked: Asked) -> dict[str, Wanted]:
    """The target that leaves an axis as untouched images of other seeds have it."""
    if asked.unchanged is None:
        return {}
    found = bench.audit(f"as-it-is-{asked.unchanged}", asked.concept, [load_axis(asked.unchanged)], AS_IT_IS, AUDIT)[
        asked.unchanged
    ]
    return {asked.unchanged: {label: one.count / found.clear for label, one in found.classes.items()}}


def show(rows: Sequence[TargetPlan]) -> None:
    """A line a class."""
    table = Table("plan", "class", "target", "untouched", "planned (95%, all at once)", "verdict", "moved besides")
    for row in rows:
        first = row.name
        for axis, audit in row.after.items():
            verdict, moved = row.verdicts[axis].replace("_", " "), row.moved
            for label, found in audit.classes.items():
                before = _percent(row.before[axis][label].share)
                ends = f"{_percent(found.share)} ({_percent(found.low)}–{_percent(found.high)})"
                table.add_row(first, label, _percent(audit.target[label]), before, ends, verdict, moved)
                first = verdict = moved = ""
        right = f"concept right {_percent(row.fidelity.share)}; " if row.fidelity else ""
        cost = f"{row.cost.kl_nats:.2f} nats, {100 * row.extra_calls:+.0f}% calls"
        table.add_row("", f"{right}{cost}", *[""] * 5, end_section=True)
    Console(width=170).print(table)


def as_markdown(rows: Sequence[TargetPlan]) -> str:
    """The table of docs/plans.md."""
    heads = ("plan", "target", "untouched", "planned", "verdict", "moved besides", "nats, extra calls")
    return markdown(heads, [_line(row, axis, audit) for row in rows for axis, audit in row.after.items()])


def _line(row: TargetPlan, axis: str, audit: Audit) -> list[str]:
    after = audit.classes.values()
    return [
        f"{row.name}: {', '.join(audit.classes)}",
        ", ".join(f"{100 * share:.0f}" for share in audit.target.values()),
        ", ".join(_number(found.share) for found in row.before[axis].classes.values()),
        ", ".join(f"{_number(found.share)} ({_number(found.low)}–{_number(found.high)})" for found in after),
        row.verdicts[axis].replace("_", " "),
        row.moved,
        f"{row.cost.kl_nats:.1f}, {100 * row.extra_calls:+.0f}%",
    ]


def _number(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}%"


if __name__ == "__main__":
    main()
