"""Step × weight over all ten captured steps of the paper and T: python -m benchmarks.directions.sweep

Does the step matter more than the weight, as the paper claims? For "a photo of a doctor" and the woman direction:
directions at steps 0, 5, … 45 from prompted classes, at T from detected ones; every cell on the same pilot seeds.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.common import RUNS, tell
from emoji_world.tables import Row
from equinoise import DetectorSettings, Engine, SweepResult, collect, fit, load, sweep
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.models.base import NOISE, Step

CONCEPT = "a photo of a doctor"
STEPS: tuple[Step, ...] = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=32, help="pilot images a cell")
    parser.add_argument("--weights", default="1,2,3,4,6,8,12")
    parser.add_argument("--estimator", default="paired")
    parser.add_argument("--detected", type=int, default=256, help="neutral images for the direction at T")
    args = parser.parse_args()
    weights = [float(weight) for weight in args.weights.split(",")]
    model = load("emoji", device="cpu", detector=DetectorSettings(unclear_below=UNCLEAR_BELOW))
    with Engine() as engine:
        traces = collect(model, "gender", n=50, capture=STEPS, out=RUNS / "sweep" / "traces", engine=engine)
        detected = collect(
            model, "gender", concept=CONCEPT, labels="detected", n=args.detected, capture=[NOISE],
            out=RUNS / "sweep" / "detected", engine=engine,
        )  # fmt: skip
        directions = fit(detected, estimator="mean") + fit(traces, estimator=args.estimator)
        made = sweep(
            model, CONCEPT, directions, towards="woman", steps=[NOISE, *STEPS], weights=weights, n=args.n,
            out=RUNS / "sweep" / "cells", engine=engine,
        )  # fmt: skip
    tell(rows_of(made), "sweep")
    print(f"best: step {made.best.step}, weight {made.best.weight:g}" if made.best else "best: none")
    shares = np.array([cell.share for cell in made.cells], float).reshape(-1, len(weights))
    print(f"range of the mean share over steps (T included): {np.ptp(shares.mean(axis=1)):.3f}")
    print(f"range of the mean share over steps 0–45:          {np.ptp(shares[1:].mean(axis=1)):.3f}")
    print(f"range of the mean share over weights, steps 0–45: {np.ptp(shares[1:].mean(axis=0)):.3f}")
    known = {step: directions.find("woman", step) for step in STEPS}
    print("cosine with step 10:", ", ".join(f"{step}: {d.cosine(known[10]):.2f}" for step, d in known.items()))


def rows_of(made: SweepResult) -> list[Row]:
    """A line a cell, the untouched images first."""
    return [
        {
            "step": "untouched" if cell.step is None else cell.step,
            "weight": cell.weight,
            "n": cell.n,
            "share": cell.share,
            "low": cell.low,
            "high": cell.high,
            "role_right": cell.concept_fidelity,
            "nats": cell.kl_nats,
        }
        for cell in (made.untouched, *made.cells)
    ]


if __name__ == "__main__":
    main()
