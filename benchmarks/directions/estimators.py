"""SVM, mean and paired difference at small n: python -m benchmarks.directions.estimators

All are compared with a direction from 1,000 pairs. SVM and difference of means each with other seeds for men than for
women, and with the same seeds for both; the mean with the same seeds is the paired difference. All directions are of
length 1, so the same weight is the same KL divergence from N(0, I). Cosines are over several samples, the effect is of
the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.common import RUNS, audit_under, fit_quickly, people, tell
from emoji_world.tables import Row
from equinoise import DetectorSettings, Direction, Engine, Intervention, Model, Shift, Traces, collect, load
from equinoise.detectors.loading import UNCLEAR_BELOW

SIZES = (10, 25, 50, 100)
TRUTH = 1_000
STEP = 10


def rows_of(traces: Traces, women: range, men: range) -> Traces:
    """Only the images of the given seeds, counted from the first seed; women and men may have different ones."""
    first = int(traces.seeds.min())
    offset = traces.seeds - first
    take = np.where(traces.labels == 0, np.isin(offset, list(women)), np.isin(offset, list(men)))
    latents = {step: values[take] for step, values in traces.latents.items()}
    return replace(traces, labels=traces.labels[take], seeds=traces.seeds[take], latents=latents)


VARIANTS = {
    "svm, other seeds": ("svm", False),
    "mean, other seeds": ("mean", False),
    "svm, same seeds": ("svm", True),
    "paired": ("paired", True),
}


def estimate(traces: Traces, variant: str, n: int, repeat: int) -> Direction:
    """A direction from n images a class; repeats use seeds of their own."""
    estimator, same_seeds = VARIANTS[variant]
    start = TRUTH + repeat * 2 * max(SIZES)
    women = range(start, start + n)
    men = women if same_seeds else range(start + max(SIZES), start + max(SIZES) + n)
    return fit_quickly(rows_of(traces, women, men), estimator, [STEP]).find("woman", STEP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3, help="samples whose cosine is taken")
    parser.add_argument("--weight", type=float, default=3.0)
    args = parser.parse_args()
    model = load("emoji", device="cpu", detector=DetectorSettings(unclear_below=UNCLEAR_BELOW))
    with Engine() as engine:
        n = TRUTH + args.repeats * 2 * max(SIZES)
        traces = collect(model, "gender", n=n, capture=[STEP], out=RUNS / "estimators/traces", engine=engine)
        truth = fit_quickly(rows_of(traces, range(TRUTH), range(TRUTH)), "paired", [STEP]).find("woman", STEP)
        bench = Bench(model, engine, args.n, args.weight)
        rows = [bench.measure("untouched", None, [], 0), bench.measure("reference", truth, [1.0], TRUTH)]
        for size in SIZES:
            for variant in VARIANTS:
                found = [estimate(traces, variant, size, repeat) for repeat in range(args.repeats)]
                rows.append(bench.measure(variant, found[0], [direction.cosine(truth) for direction in found], size))
    tell(rows, "estimators")


@dataclass(frozen=True)
class Bench:
    """What a direction does to n fresh images of a doctor at one weight."""

    model: Model
    engine: Engine
    n: int
    weight: float

    def measure(self, name: str, direction: Direction | None, cosines: Sequence[float], size: int) -> Row:
        """A row of the table: a direction from `size` images a class, and the cosines of its samples."""
        change = Intervention((Shift(direction, self.weight),)) if direction else None
        folder = f"estimators/{name}-{size}".replace(", ", "-").replace(" ", "-")
        found = audit_under(self.model, self.engine, "a photo of a doctor", change, self.n, people(), folder)
        gender = found["gender"]
        return {
            "estimator": name,
            "n": size,
            "cosine": float(np.mean(cosines)) if cosines else None,
            "lowest": min(cosines, default=None),
            "highest": max(cosines, default=None),
            "weight": self.weight if direction else 0.0,
            "images": self.n,
            "women": gender["woman"].share,
            "low": gender["woman"].low,
            "high": gender["woman"].high,
            "role_right": gender.concept_fidelity,
        }


if __name__ == "__main__":
    main()
