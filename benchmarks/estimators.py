"""SVM, mean and paired difference at small n, against a direction from 1,000 pairs: python -m benchmarks.estimators

SVM and difference of means each with other seeds for men than for women, as scripts without shared seeds have it, and
with the same seeds for both; the mean with the same seeds is the paired difference. All directions are of length 1, so
the same weight is the same intrusion. Cosines are over several samples, the effect is that of the first.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np

from benchmarks.common import axes, gather, shares, tell
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.directions.direction import Direction
from equinoise.directions.estimators import fit
from equinoise.directions.traces import Traces
from equinoise.engine import Engine
from equinoise.errors import EquinoiseWarning
from equinoise.seeds import COLLECT, VERIFY, seed_range
from equinoise.steering.intervention import Intervention, Shift
from equinoise.workflows.settings import open_session

SIZES = (10, 25, 50, 100)
TRUTH = 1_000
STEP = 10


def rows_of(traces: Traces, women: range, men: range) -> Traces:
    """The images of the given seeds (counted from the first) only, by class."""
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
    return fit(rows_of(traces, women, men), estimator, [STEP], 1).find("woman", STEP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3, help="samples whose cosine is taken")
    parser.add_argument("--weight", type=float, default=3.0)
    args = parser.parse_args()
    warnings.simplefilter("ignore", EquinoiseWarning)
    session, (gender, tone) = open_session("emoji", unclear_below=UNCLEAR_BELOW), axes()
    seeds = seed_range(COLLECT, TRUTH + args.repeats * 2 * max(SIZES))
    concept, fresh, rows = "a photo of a doctor", seed_range(VERIFY, args.n), []
    with Engine(session.workers) as engine:
        prompts = {name: gender.generate[name][0] for name in gender.classes}
        traces = gather(session, engine, gender, prompts, seeds, [STEP], "estimators/traces")
        truth = fit(rows_of(traces, range(TRUTH), range(TRUTH)), "paired", [STEP], 1).find("woman", STEP)

        def measure(name: str, direction: Direction | None, cosines: list[float], n: int) -> None:
            shift = Intervention((Shift(direction, args.weight),)) if direction else Intervention()
            found, _ = shares(
                session,
                engine,
                concept,
                shift,
                fresh,
                [gender, tone],
                f"estimators/{name}-{n}".replace(", ", "-").replace(" ", "-"),
            )
            woman = found["gender"]["classes"]["woman"]
            rows.append(
                {
                    "estimator": name,
                    "n": n,
                    "cosine": float(np.mean(cosines)) if cosines else None,
                    "lowest": min(cosines, default=None),
                    "highest": max(cosines, default=None),
                    "weight": args.weight if direction else 0.0,
                    "images": args.n,
                    "women": woman["share"],
                    "low": woman["low"],
                    "high": woman["high"],
                    "role_right": found["gender"]["concept_fidelity"],
                }
            )

        measure("untouched", None, [], 0)
        measure("reference", truth, [1.0], TRUTH)
        for n in SIZES:
            for variant in VARIANTS:
                found = [estimate(traces, variant, n, repeat) for repeat in range(args.repeats)]
                measure(variant, found[0], [direction.cosine(truth) for direction in found], n)
    tell(rows, "estimators")


if __name__ == "__main__":
    main()
