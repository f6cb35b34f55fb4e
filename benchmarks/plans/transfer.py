"""Directions found for "a person", used on all 18 roles: python -m benchmarks.plans.transfer

For each role the share of its rarer gender on the same fresh seeds: untouched, shifted along the general direction
("a photo of a woman" against "a photo of a man"), and along the role's own ("a woman doctor" against "a man doctor"),
at the same weight; and the cosine of the two directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from benchmarks.common import Journal, keep
from benchmarks.directions.shifts import Seen, seen
from benchmarks.plans.bench import Bench, concept_of, parser
from emoji_world.tables import Row, show
from emoji_world.world import roles
from equinoise import Direction, Intervention, Shift, load_axis
from equinoise.axes import UNCLEAR
from equinoise.results.base import Value
from equinoise.statistics import Interval, paired_difference


class Transfer(Value):
    """The share of a role's rarer gender, its change under the general direction and under the role's own.

    `role right`: the share of shifted images whose role is the one asked for. `cosine`: of the two directions.
    """

    role: str
    rarer: str
    untouched: float
    general: float
    general_low: float = Field(alias="general low")
    general_high: float = Field(alias="general high")
    general_role_right: float = Field(alias="general role right")
    own: float
    own_low: float = Field(alias="own low")
    own_high: float = Field(alias="own high")
    own_role_right: float = Field(alias="own role right")
    cosine: float
    concept: str


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 128)
    flags.add_argument("--weight", type=float, default=3.0)
    args = flags.parse_args()
    names = [role for role in roles() if role != "person"]
    with Bench(args) as bench:
        about = bench.to_json(n=args.n, weight=args.weight)
        journal = Journal("plan_transfer", about, Transfer)
        for role in bench.wanted(names):
            if role not in journal.rows:
                journal.add(role, measured(bench, role, args.weight, args.n))
    rows = [journal.rows[role] for role in names if role in journal.rows]
    show(rows)
    summary = summarise(rows)
    print(summary)
    keep({"about": about, "summary": summary, "rows": rows}, "plan_transfer")


def summarise(rows: Sequence[Transfer]) -> Row:
    """Over the roles: mean changes and cosine, and how many are surely moved."""
    return {
        "roles": len(rows),
        "general": fmean(row.general for row in rows),
        "own": fmean(row.own for row in rows),
        "general surely": sum(row.general_low > 0 for row in rows),
        "own surely": sum(row.own_low > 0 for row in rows),
        "cosine": fmean(row.cosine for row in rows),
    }


def measured(bench: Bench, role: str, weight: float, n: int) -> Transfer:
    """One role under both directions."""
    gender = load_axis("gender")
    untouched = seen(bench, role, None, n)
    labels = untouched.labels["gender"]
    rarer = min(gender.classes, key=labels.count)
    general = bench.directions(gender).find(rarer, bench.step)
    own = bench.directions(gender, concept_of(role)).find(rarer, bench.step)
    change, ends, right = _moved(bench, role, general, weight, rarer, untouched)
    own_change, own_ends, own_right = _moved(bench, role, own, weight, rarer, untouched)
    return Transfer(
        role=role,
        rarer=rarer,
        untouched=labels.count(rarer) / (n - labels.count(UNCLEAR)),
        general=change,
        general_low=ends.low,
        general_high=ends.high,
        general_role_right=right,
        own=own_change,
        own_low=own_ends.low,
        own_high=own_ends.high,
        own_role_right=own_right,
        cosine=general.cosine(own),
        concept=concept_of(role),
    )


def _moved(
    bench: Bench, role: str, direction: Direction, weight: float, rarer: str, untouched: Seen
) -> tuple[float, Interval, float]:
    """The paired change of the rarer class's share, its interval, and the share of images whose role is right."""
    first = untouched.labels["gender"]
    made = seen(bench, role, Intervention((Shift(direction, weight),)), len(first))
    both = [pair for pair in zip(first, made.labels["gender"], strict=True) if UNCLEAR not in pair]
    value, ends = paired_difference([a == rarer for a, _ in both], [b == rarer for _, b in both])
    return value, ends, sum(made.right) / len(made.right)


if __name__ == "__main__":
    main()
