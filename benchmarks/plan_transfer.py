"""Directions found for "a person", used on all 18 roles: python -m benchmarks.plan_transfer

For each role the share of its rarer gender on the same fresh seeds: untouched, shifted along the general direction
("a photo of a woman" against "a photo of a man"), and along the role's own ("a woman doctor" against "a man doctor"),
at the same weight; and the cosine of the two directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmarks.common import Journal, Row, keep, tabulate
from benchmarks.plan_bench import Bench, concept_of, parser
from benchmarks.shifts import seen
from emoji_world.world import roles
from equinoise.axes import UNCLEAR, load_axis
from equinoise.directions.direction import Direction
from equinoise.statistics import Interval, paired_difference
from equinoise.steering.intervention import Intervention, Shift


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 128)
    flags.add_argument("--weight", type=float, default=3.0)
    args = flags.parse_args()
    names = [role for role in roles() if role != "person"]
    with Bench(args) as bench:
        about = bench.about(n=args.n, weight=args.weight)
        journal = Journal("plan_transfer", about)
        for role in bench.wanted(names):
            if role not in journal.rows:
                journal.add(role, measured(bench, role, args.weight, args.n))
    rows = [journal.rows[role] for role in names if role in journal.rows]
    tabulate(rows)
    summary = summarise(rows)
    print(summary)
    keep({"about": about, "summary": summary, "rows": rows}, "plan_transfer")


def summarise(rows: Sequence[Row]) -> dict[str, float]:
    """Over the roles: mean changes and cosine, and how many are surely moved."""
    kinds = ("general", "own")
    return {
        "roles": len(rows),
        **{kind: fmean(row[kind] for row in rows) for kind in kinds},
        **{f"{kind} surely": sum(row[f"{kind} low"] > 0 for row in rows) for kind in kinds},
        "cosine": fmean(row["cosine"] for row in rows),
    }


def measured(bench: Bench, role: str, weight: float, n: int) -> Row:
    """One role under both directions."""
    gender = load_axis("gender")
    untouched = seen(bench, role, None, n)
    labels = untouched["labels"]["gender"]
    rarer = min(gender.classes, key=labels.count)
    general = bench.directions(gender).find(rarer, bench.step)
    own = bench.own_directions(gender, concept_of(role)).find(rarer, bench.step)
    row: Row = {"role": role, "rarer": rarer, "untouched": labels.count(rarer) / (n - labels.count(UNCLEAR))}
    for name, direction in {"general": general, "own": own}.items():
        value, ends, right = _moved(bench, role, direction, weight, rarer, untouched)
        row |= {name: value, f"{name} low": ends.low, f"{name} high": ends.high, f"{name} role right": right}
    return {**row, "cosine": general.cosine(own), "concept": concept_of(role)}


def _moved(
    bench: Bench, role: str, direction: Direction, weight: float, rarer: str, untouched: Row
) -> tuple[float, Interval, float]:
    """The paired change of the rarer class's share, its interval, and the share of images whose role is right."""
    first = untouched["labels"]["gender"]
    made = seen(bench, role, Intervention((Shift(direction, weight),)), len(first))
    both = [pair for pair in zip(first, made["labels"]["gender"], strict=True) if UNCLEAR not in pair]
    value, ends = paired_difference([a == rarer for a, _ in both], [b == rarer for _, b in both])
    return value, ends, sum(made["right"]) / len(made["right"])


if __name__ == "__main__":
    main()
