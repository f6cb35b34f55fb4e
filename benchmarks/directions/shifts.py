"""Which method moves shares most at the same KL divergence from N(0, I)? python -m benchmarks.directions.shifts

Every method moves the noise of the same fresh seeds by as many nats. Measured are how much commoner the wanted class
becomes (paired), how many images keep their role, and the largest change of a class of the other axis. Directions are
found from 32 seeds, after the first call or "later" (two fifths of the run), from prompts of the concept with the class
named in them or from "general" ones ("a photo of a woman"); "detected" takes 256 images of the neutral prompt, labelled
by the detector. Gender: towards the rarer; tone: the two darkest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from benchmarks.common import Journal, keep, people
from benchmarks.directions.shift_methods import Midway, directions, reflected, shifts
from benchmarks.plans.bench import Bench, concept_of, parser
from emoji_world.tables import show
from equinoise import Engine, Intervention, load_axis
from equinoise.axes import UNCLEAR
from equinoise.engine import Job
from equinoise.models.base import step_at
from equinoise.models.pipeline import require_pipeline
from equinoise.results.base import Value
from equinoise.run import ROLE, MemoryRun
from equinoise.runtime.making import Maker
from equinoise.seeds import VERIFY, seed_range
from equinoise.statistics import Interval, paired_difference
from equinoise.understanding.counts import likeliest

CASES = (
    ("gender", "doctor", ("woman",)),
    ("gender", "engineer", ("woman",)),
    ("gender", "teacher", ("man",)),
    ("tone", "doctor", ("medium-dark", "dark")),
    ("tone", "cook", ("medium-dark", "dark")),
    ("tone", "person", ("medium-dark", "dark")),
)
"""Axis, role, and what should become commoner; the last of these names the direction."""
MIDWAY = {
    "own prompts, added after step 0": ("0",),
    "own prompts, added at 0.2": ("0.2",),
    "own prompts, added at five steps": ("0", "0.1", "0.2", "0.3", "0.4"),
}


class Seen(Value):
    """By seed the labels of every axis, and whether the role is right."""

    labels: dict[str, list[str]]
    right: list[bool]


class Method(Value):
    """Axis, role and wanted classes; how the noise was moved; KL divergence from N(0, I)."""

    case: list[str]
    method: str
    nats: float


class Moved(Seen, Method):
    """The images of a method."""


class Line(Value):
    """A method over all concepts of an axis: how much commoner the wanted classes became, and what else changed."""

    axis: str
    nats: float
    method: str
    concepts: int
    commoner: float
    low: float
    high: float
    role_kept: float = Field(alias="role kept")
    role_low: float = Field(alias="role low")
    moved_besides: float = Field(alias="moved besides")


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 128)
    flags.add_argument("--nats", default="2,4.5", help="compared at so many nats; reflection has log 2")
    args = flags.parse_args()
    budgets = [float(part) for part in args.nats.split(",")]
    with Bench(args) as bench:
        about = bench.to_json(n=args.n)
        journal = Journal("shifts", about, Moved)
        for axis, role, wanted in CASES:
            if bench.wanted([f"{axis}/{role}"]):
                measure(bench, journal, [axis, role, *wanted], budgets, args.n)
    rows = table(journal.rows)
    show(rows)
    keep({"about": about, "table": rows, "rows": journal.rows}, "shifts")


def measure(bench: Bench, journal: Journal[Moved], case: Sequence[str], budgets: Sequence[float], n: int) -> None:
    """All methods on one concept (axis, role, wanted classes); what the journal has is not made again."""
    axis, role, *wanted = case

    def made(name: str, nats: float, change: Intervention | None, midway: Sequence[str] = ()) -> None:
        key = f"{axis}/{role}/{name}/{nats:.2f}"
        if key not in journal.rows:
            found = seen(bench, role, change, n, midway)
            journal.add(key, Moved(case=list(case), method=name, nats=nats, **dict(found)))

    made("untouched", 0.0, None)
    units = directions(bench, load_axis(axis), wanted[-1], role)
    for name, change in reflected(units).items():
        made(name, change.kl_nats, change)
    for nats in budgets:
        changes = shifts(units, nats)
        for name, change in changes.items():
            made(name, nats, change)
        for name, steps in MIDWAY.items():
            made(name, nats, changes["own prompts"], steps)


def seen(bench: Bench, role: str, change: Intervention | None, n: int, midway: Sequence[str] = ()) -> Seen:
    """Fresh images of a role, which are not kept; `midway`: where the shift is added instead of to the noise."""
    model, concept, engine = bench.model, concept_of(role), bench.engine
    jobs = [Job(str(seed), concept, seed, None if midway else change) for seed in seed_range(VERIFY, n)]
    if midway and change:
        (shift,) = change.shifts
        steps = [step_at(part, model.sampling.steps) for part in midway]
        moving: Any = Midway(
            require_pipeline(model.backend), shift.added, steps
        )  # less than a model: it generates only
        engine = Engine(model=moving)
    records = Maker(model, engine).make(role, jobs, people(), MemoryRun({}, most=0))
    labels, asked = (
        {axis.name: [record.labels[axis.name] for record in records] for axis in people()},
        model.detector.role,
    )
    return Seen(labels=labels, right=[likeliest(record, ROLE) == asked(concept) for record in records])


def table(rows: Mapping[str, Moved]) -> list[Line]:
    """A line an axis, nats and method, over the concepts; the strongest first."""
    groups: dict[tuple[str, float, str], list[tuple[Moved, Moved]]] = {}
    for row in rows.values():
        axis, role, *_ = row.case
        first = rows.get(f"{axis}/{role}/untouched/0.00")
        if row.method != "untouched" and first:
            groups.setdefault((axis, round(row.nats, 2), row.method), []).append((first, row))
    lines = [_line(*key, pairs) for key, pairs in groups.items()]
    return sorted(lines, key=lambda line: (line.axis, line.nats, -line.commoner))


def _line(axis: str, nats: float, method: str, pairs: Sequence[tuple[Moved, Moved]]) -> Line:
    value, ends = _change(pairs, axis)
    kept, kept_ends = paired_difference(
        [right for first, _ in pairs for right in first.right], [right for _, row in pairs for right in row.right]
    )
    other = "tone" if axis == "gender" else "gender"
    return Line(
        axis=axis,
        nats=nats,
        method=method,
        concepts=len(pairs),
        commoner=value,
        low=ends.low,
        high=ends.high,
        role_kept=kept,
        role_low=kept_ends.low,
        moved_besides=max(_largest(first.labels[other], row.labels[other], other) for first, row in pairs),
    )


def _change(pairs: Sequence[tuple[Moved, Moved]], axis: str) -> tuple[float, Interval]:
    """The paired change of the wanted classes' share over all concepts' seeds that are clear both times."""
    both = [
        (a in row.case[2:], b in row.case[2:])
        for first, row in pairs
        for a, b in zip(first.labels[axis], row.labels[axis], strict=True)
        if UNCLEAR not in (a, b)
    ]
    return paired_difference([a for a, _ in both], [b for _, b in both])


def _largest(before: Sequence[str], after: Sequence[str], axis: str) -> float:
    """The largest change of a class's share on another axis, over clear images."""
    sides = [[label for label in labels if label != UNCLEAR] for labels in (before, after)]
    if not all(sides):
        return float("nan")
    shares = [[side.count(label) / len(side) for label in load_axis(axis).classes] for side in sides]
    return max(abs(b - a) for a, b in zip(shares[0], shares[1], strict=True))


if __name__ == "__main__":
    main()
