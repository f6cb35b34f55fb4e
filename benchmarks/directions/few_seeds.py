"""How many seeds does a direction need? python -m benchmarks.directions.few_seeds

Traces of the first denoiser call, from prompts made of the concept (`equinoise.prompts`). The first table compares the
paired direction of 1, 2, 4, 8 and 16 seeds with that of all 32: cosines over disjoint subsets of the seeds. The second
shifts the same fresh seeds by one weight along the direction of the first k seeds. It gives the share of the class that
the direction is towards, among the images that show a class, with its 95% interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from benchmarks.common import RUNS, audit_under, fit_quickly, folder_of, keep
from emoji_world.tables import markdown
from equinoise import Axis, Direction, Engine, Intervention, Model, Shift, Traces, collect, load, load_axis
from equinoise.results.base import Value
from equinoise.statistics import wilson

CASES = (
    ("a photo of a doctor", "gender", "woman"),
    ("a photo of an engineer", "gender", "woman"),
    ("a photo of a teacher", "gender", "man"),
    ("a photo of a doctor", "tone", "dark"),
    ("a photo of a cook", "tone", "light"),
    ("a photo of a wealthy dark-skinned man and his house", "house", "mansion"),
    ("a picture of a waterbird", "ground", "land"),
    ("a picture of a wedding", "wedding", "sari-and-turban"),
)
"""Concept, axis, and the class that the direction is towards."""
STEP = 0
HOME = "few-seeds"


class ShownShare(Value):
    """The share of a class among the clear images of fresh seeds, with Wilson's 95% interval."""

    share: float
    low: float
    high: float
    clear: int


class Case(Value):
    """One concept and class.

    Attributes:
        case: concept, axis, class.
        prompts: class → the prompt that latents were collected from.
        cosines: number of seeds → cosine of each disjoint subset's direction with that of all seeds.
        shares: number of seeds → the share under the direction of the first so many; 0: of untouched images.
    """

    case: tuple[str, str, str]
    prompts: dict[str, str]
    cosines: dict[int, list[float]]
    shares: dict[int, ShownShare]


def main() -> None:
    """Collect, fit and generate what is not kept yet; print both tables; write the JSON."""
    args = _flags().parse_args()
    counts = [int(part) for part in args.counts.split(",")]
    settings = {name: getattr(args, name) for name in ("steps", "device", "dtype", "batch_size")}
    model = load(args.model, **settings)
    cases = [case for case in CASES if not args.only or case[1] in args.only.split(",")]
    with Engine(args.workers, model.spec.device) as engine:
        rows = [_measured(model, engine, case, counts, args) for case in cases]
    shown = [count for count in counts if count not in args.undrawn]
    print(markdown(["concept", "axis", *map(str, counts)], [_cosines_said(row, counts) for row in rows]))
    print()
    print(markdown(["concept", "class", "untouched", *map(str, shown)], [_shares_said(row, shown) for row in rows]))
    about = {**model.to_json(), "step": STEP, "n": args.n, "weight": args.weight, "counts": counts}
    keep({"about": about, "rows": rows}, args.name)


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--model", default="emoji")
    flags.add_argument("-n", type=int, default=128, help="fresh images a share")
    flags.add_argument("--weight", type=float, default=2.5)
    flags.add_argument("--counts", default="1,2,4,8,16,32", help="numbers of seeds; the last one is compared with")
    flags.add_argument("--undrawn", type=int, nargs="*", default=[16], help="numbers of seeds without a share")
    flags.add_argument("--only", default="", help="axes, comma-separated")
    flags.add_argument("--steps", type=int, default=25)
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--dtype", default="bfloat16")
    flags.add_argument("--batch-size", type=int, default=16)
    flags.add_argument("--workers", type=int)
    flags.add_argument("--name", default="few_seeds", help="of the JSON in benchmarks/results")
    return flags


def _measured(
    model: Model, engine: Engine, case: tuple[str, str, str], counts: Sequence[int], args: argparse.Namespace
) -> Case:
    concept, name, label = case
    axis, about = load_axis(name), {**model.to_json(), "concept": concept, "axis": name}
    folder = RUNS / HOME / f"traces-{folder_of({**about, 'n': counts[-1]})}"
    traces = collect(model, axis, concept=concept, n=counts[-1], capture=[STEP], out=folder, engine=engine)
    seeds = [int(seed) for seed in np.unique(traces.seeds)]
    first = {count: _direction(traces, seeds[:count], label) for count in counts}
    changes = {count: Intervention((Shift(first[count], args.weight),)) for count in counts}
    used: dict[int, Intervention | None] = {0: None} | {k: c for k, c in changes.items() if k not in args.undrawn}
    return Case(
        case=case,
        prompts=dict(traces.prompts),
        cosines={count: _cosines(traces, first[counts[-1]], label, count) for count in counts},
        shares={k: _share(model, engine, concept, axis, label, change, args.n) for k, change in used.items()},
    )


def _share(
    model: Model, engine: Engine, concept: str, axis: Axis, label: str, change: Intervention | None, n: int
) -> ShownShare:
    """The share of a class among fresh images with one intervention."""
    shifts = {shift.name: shift.direction.digest for shift in change.shifts} if change else {}
    about = {**model.to_json(), "concept": concept, "axis": axis.name, "shifts": shifts, "n": n}
    found = audit_under(model, engine, concept, change, n, [axis], f"{HOME}/images-{folder_of(about)}")[axis.name]
    ends = wilson(found[label].count, found.clear)
    return ShownShare(share=found[label].count / max(found.clear, 1), low=ends.low, high=ends.high, clear=found.clear)


def _direction(traces: Traces, seeds: Sequence[int], label: str) -> Direction:
    """The paired direction of some of the seeds, towards a class."""
    rows = np.isin(traces.seeds, seeds)
    latents = {step: kept[rows] for step, kept in traces.latents.items()}
    part = replace(traces, labels=traces.labels[rows], seeds=traces.seeds[rows], latents=latents)
    return fit_quickly(part).find(label, STEP)


def _cosines(traces: Traces, whole: Direction, label: str, count: int) -> list[float]:
    """Cosines of the direction of each disjoint subset of seeds with that of all seeds."""
    seeds = [int(seed) for seed in np.unique(traces.seeds)]
    parts = [seeds[start : start + count] for start in range(0, len(seeds) - count + 1, count)]
    return [whole.cosine(_direction(traces, part, label)) for part in parts]


def _cosines_said(row: Case, counts: Sequence[int]) -> list[str]:
    concept, axis, _ = row.case
    found = (row.cosines[count] for count in counts)
    return [concept, axis, *(f"{fmean(cosines):.3f} (least {min(cosines):.3f})" for cosines in found)]


def _shares_said(row: Case, counts: Sequence[int]) -> list[str]:
    concept, _, label = row.case
    found = (row.shares[count] for count in (0, *counts))
    return [concept, label, *(f"{s.share:.0%} ({s.low:.0%}–{s.high:.0%})" for s in found)]


if __name__ == "__main__":
    main()
