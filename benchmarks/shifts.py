"""Which shift does most for as many nats? python -m benchmarks.shifts

Every method moves the noise of the same fresh seeds by the same nats from N(0, I): how much commoner the wanted class
becomes (paired), how many images keep their role, and how far the largest change of the other axis goes. Directions are
found from 32 seeds, after the first call or "later" (two fifths of the run), from prompts of the concept with the class
named in them or from "general" ones ("a photo of a woman"); "detected" takes 256 images of the neutral prompt, labelled
by the detector. Gender: towards the rarer; tone: the two darkest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.common import Journal, Row, keep, tabulate
from benchmarks.plan_bench import Bench, concept_of, parser, people
from benchmarks.shift_methods import Midway, directions, reflected, shifts
from equinoise.axes import UNCLEAR, load_axis
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.models.base import step_at
from equinoise.models.pipeline import require_pipeline
from equinoise.progress import progress
from equinoise.seeds import VERIFY, seed_range
from equinoise.statistics import paired_difference
from equinoise.steering.intervention import Intervention
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


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 128)
    flags.add_argument("--nats", default="2,4.5", help="compared at so many nats; reflection has log 2")
    args = flags.parse_args()
    budgets = [float(part) for part in args.nats.split(",")]
    with Bench(args) as bench:
        about = bench.about(n=args.n)
        journal = Journal("shifts", about)
        for axis, role, wanted in CASES:
            if bench.wanted([f"{axis}/{role}"]):
                measure(bench, journal, axis, role, wanted, budgets, args.n)
    rows = table(journal.rows)
    tabulate(rows)
    keep({"about": about, "table": rows, "rows": journal.rows}, "shifts")


def measure(
    bench: Bench, journal: Journal, axis: str, role: str, wanted: Sequence[str], budgets: Sequence[float], n: int
) -> None:
    """All methods on one concept; what the journal has is not made again."""

    def made(name: str, nats: float, change: Intervention | None, midway: Sequence[str] = ()) -> None:
        key = f"{axis}/{role}/{name}/{nats:.2f}"
        if key not in journal.rows:
            journal.add(
                key,
                {"case": [axis, role, *wanted], "method": name, "nats": nats, **seen(bench, role, change, n, midway)},
            )

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


def seen(bench: Bench, role: str, change: Intervention | None, n: int, midway: Sequence[str] = ()) -> Row:
    """Labels of every axis and whether the role is right, by seed; `midway`: where the shift is added instead."""
    used, concept = bench.model, concept_of(role)
    total, moved = used.sampling.steps, change if not midway else None
    jobs = [Job(str(seed), concept, seed, moved) for seed in seed_range(VERIFY, n)]
    engine = bench.engine
    if midway and change:
        (shift,) = change.shifts
        steps = [step_at(part, total) for part in midway]
        model: Any = Midway(require_pipeline(used.backend), shift.added, steps)  # less than a model: it only generates
        engine = Engine(model=model)
    with progress(role, n) as tick:
        records = make_images(engine, used.request(people()), jobs, None, tick)
    labels = {axis.name: [record.labels[axis.name] for record in records] for axis in people()}
    asked = used.detector.role(concept)
    return {"labels": labels, "right": [likeliest(record, "role") == asked for record in records]}


def table(rows: dict[str, Row]) -> list[Row]:
    """A line an axis, nats and method, over the concepts; the strongest first."""
    groups: dict[tuple[str, float, str], list[tuple[Row, Row]]] = {}
    for row in rows.values():
        axis, role, *_ = row["case"]
        if row["method"] != "untouched" and f"{axis}/{role}/untouched/0.00" in rows:
            key = axis, round(row["nats"], 2), row["method"]
            groups.setdefault(key, []).append((rows[f"{axis}/{role}/untouched/0.00"], row))
    lines = [_line(*key, pairs) for key, pairs in groups.items()]
    return sorted(lines, key=lambda line: (line["axis"], line["nats"], -line["commoner"]))


def _line(axis: str, nats: float, method: str, pairs: Sequence[tuple[Row, Row]]) -> Row:
    value, ends = _change(pairs, axis, [row["case"][2:] for _, row in pairs])
    kept, kept_ends = paired_difference(
        [right for first, _ in pairs for right in first["right"]],
        [right for _, row in pairs for right in row["right"]],
    )
    return {
        "axis": axis,
        "nats": nats,
        "method": method,
        "concepts": len(pairs),
        "commoner": value,
        "low": ends.low,
        "high": ends.high,
        "role kept": kept,
        "role low": kept_ends.low,
        "moved besides": max(_largest(pair, "tone" if axis == "gender" else "gender") for pair in pairs),
    }


def _change(pairs: Sequence[tuple[Row, Row]], axis: str, wanted: Sequence[Sequence[str]]) -> Any:
    """The paired change of the wanted classes' share over all concepts' seeds that are clear both times."""
    both = [
        (a in ours, b in ours)
        for (first, row), ours in zip(pairs, wanted, strict=True)
        for a, b in zip(first["labels"][axis], row["labels"][axis], strict=True)
        if UNCLEAR not in (a, b)
    ]
    return paired_difference([a for a, _ in both], [b for _, b in both])


def _largest(pair: tuple[Row, Row], axis: str) -> float:
    """The largest change of a class's share on another axis, over clear images."""
    sides = [[label for label in row["labels"][axis] if label != UNCLEAR] for row in pair]
    if not all(sides):
        return float("nan")
    return max(
        abs(sides[1].count(label) / len(sides[1]) - sides[0].count(label) / len(sides[0]))
        for label in load_axis(axis).classes
    )


if __name__ == "__main__":
    main()
