"""The nine scenarios of the paper's first figure, before and after: python -m benchmarks.scenarios

Each concept has a planted bias and a direction against it. `paper`: 50 images a class, SVM at step 10, w = 10. `best`:
estimator, step and weight that bring the wanted classes nearest to half of the images of pilot seeds while the concept
stays what it is; `own` directions are from the concept's own prompts with the class named in them. Both are
then judged once on fresh seeds: the share of the wanted classes, its paired change, concept fidelity, and how far the
largest share of any other axis moved. A waterbird's ground is changed in its text embedding too (the water–land
direction projected out, as Chuang et al. 2023), alone and with the shift.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import keep
from benchmarks.scenarios.bench import Bench, Search
from benchmarks.scenarios.table import SCENARIOS, Judged, Scenario, as_markdown, axes_of
from emoji_world.contact import sheet
from emoji_world.tables import show
from equinoise import Engine, Intervention, Record, load
from equinoise.axes import UNCLEAR
from equinoise.run import ROLE
from equinoise.statistics import paired_difference, wilson
from equinoise.understanding.counts import likeliest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--pilots", type=int, default=24)
    parser.add_argument("--dtype", help="bfloat16 is twice as fast where the processor has it")
    parser.add_argument("--total", type=int, default=50, help="denoising steps an image")
    parser.add_argument("--steps", default="0,0.2,0.4", help="steps of the directions, as fractions of --total")
    parser.add_argument("--weights", default="2,4,6,9")
    parser.add_argument("--estimators", default="own,svm", help="own: paired, on the concept's own prompts")
    parser.add_argument("--page", type=Path, help="a page of pictures, .jpg")
    parser.add_argument("--only", default="", help="names of scenarios, comma-separated")
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    model = load("emoji", steps=args.total, dtype=args.dtype, device="cpu")
    rows: list[Judged] = []
    pictures: list[tuple[str, list[Image.Image]]] = []
    search = Search(
        steps=tuple(round(float(part) * args.total) for part in args.steps.split(",")),
        weights=tuple(float(weight) for weight in args.weights.split(",")),
        estimators=tuple(args.estimators.split(",")),
        pilots=args.pilots,
    )
    only = [name for name in args.only.split(",") if name]
    with Engine(args.workers) as engine:
        bench = Bench(model, engine, search)
        for scenario in (s for s in SCENARIOS if not only or s.name in only):
            role = model.detector.role(scenario.concept)
            changes, made = bench.judge(scenario, args.n)
            for name, records in made.items():
                row = _judged(scenario, name, changes[name], records, made["untouched"], role)
                rows.append(row)
                pictures.append((_caption(row), bench.pictured(scenario, name, records)))
            keep(rows, "scenarios")
    show(rows)
    print(as_markdown(rows))
    if args.page:
        sheet(pictures, 1).save(args.page, quality=90)


def _caption(row: Judged) -> str:
    share = f"{row.wanted} {row.share:.0%} ({row.low:.0%} to {row.high:.0%} of {row.n})"
    return f"{row.scenario} · {row.shift}: {share}, concept right {row.right:.0%}"


def _judged(
    scenario: Scenario,
    name: str,
    change: Intervention,
    records: Sequence[Record],
    untouched: Sequence[Record],
    role: str | None,
) -> Judged:
    hits, before = (_wanted(scenario, rows) for rows in (records, untouched))
    clear = [hit for hit in hits if hit is not None]
    pairs = [(a, b) for a, b in zip(before, hits, strict=True) if a is not None and b is not None]
    _, moved = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    interval = wilson(sum(clear), len(clear))
    return Judged(
        scenario=scenario.name,
        wanted="/".join(scenario.wanted),
        shift=f"{name}: {change.name}" if change.shifts else name,
        n=len(clear),
        share=sum(clear) / len(clear),
        low=interval.low,
        high=interval.high,
        change_low=moved.low,
        change_high=moved.high,
        right=float(np.mean([likeliest(record, ROLE) == role for record in records])),
        off_target=_off_target(scenario, records, untouched),
        nats=change.kl_nats,
    )


def _wanted(scenario: Scenario, records: Iterable[Record]) -> list[bool | None]:
    labels = [record.labels[scenario.axis] for record in records]
    return [None if label == UNCLEAR else label in scenario.wanted for label in labels]


def _off_target(scenario: Scenario, records: Sequence[Record], untouched: Sequence[Record]) -> str:
    """The class of the other axes whose share moved most, and by how much."""
    moved: dict[str, float] = {}
    for axis in axes_of(scenario):
        if axis.name in scenario.towards:
            continue
        for label in axis.classes:
            after, before = (np.mean([likeliest(r, axis.name) == label for r in rows]) for rows in (records, untouched))
            moved[label] = float(after - before)
    if not moved:
        return "-"
    name = max(moved, key=lambda label: abs(moved[label]))
    return f"{name} {moved[name]:+.2f}"


if __name__ == "__main__":
    main()
