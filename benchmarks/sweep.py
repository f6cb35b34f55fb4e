"""Step × weight over all ten captured steps of the paper and T: python -m benchmarks.sweep

Does the step matter more than the weight, as the paper claims? For "a photo of a doctor" and the woman direction:
directions at steps 0, 5, … 45 from prompted classes, at T from detected ones; every cell on the same pilot seeds.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.common import RUNS, axes, gather, tell
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.directions.estimators import fit
from equinoise.engine import Engine
from equinoise.models.base import NOISE, Step
from equinoise.progress import progress
from equinoise.run import RunFolder
from equinoise.seeds import COLLECT, DETECTED, PILOT, seed_range
from equinoise.understanding.targets import parse_target
from equinoise.workflows.collecting import Keep, collect_detected
from equinoise.workflows.settings import open_session
from equinoise.workflows.sweeping import best, sweep

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
    session, gender = open_session("emoji", unclear_below=UNCLEAR_BELOW), axes()[0]
    with Engine(session.workers) as engine:
        prompts = {name: gender.generate[name][0] for name in gender.classes}
        traces = gather(session, engine, gender, prompts, seed_range(COLLECT, 50), STEPS, "sweep/traces")
        seeds, provenance = seed_range(DETECTED, args.detected), session.model.provenance
        keep = Keep(RUNS / "sweep" / "detected", session.about(labels="detected", n=args.detected))
        with progress("detected", len(seeds)) as tick:
            request = session.request([gender], [NOISE])
            noise = collect_detected(engine, request, gender, CONCEPT, seeds, provenance, keep, tick)
        directions = fit(noise, "mean", [NOISE]) + fit(traces, args.estimator)
        target, pilots = parse_target("uniform", gender), seed_range(PILOT, args.n)
        used = {d.name: d.digest for d in directions.directions}
        about = session.about(weights=weights, n=args.n, directions=used)
        run = RunFolder(RUNS / "sweep" / "cells", about)
        steps = [NOISE, *STEPS]
        with progress("sweep", (1 + len(steps) * len(weights)) * args.n) as tick:
            made = sweep(
                engine,
                session.request(axes()),
                CONCEPT,
                session.asked(CONCEPT),
                directions,
                "woman",
                gender,
                steps,
                weights,
                pilots,
                target,
                run,
                tick,
            )
        run.finish(made.order, {})
    rows = [
        {
            "step": "untouched" if cell.step is None else cell.step,
            "weight": cell.weight,
            "n": cell.audit["n"],
            **{key: cell.audit["classes"]["woman"][key] for key in ("share", "low", "high")},
            "role_right": cell.audit["concept_fidelity"],
            "nats": cell.kl_nats,
        }
        for cell in [made.untouched, *made.cells]
    ]
    tell(rows, "sweep")
    shares = np.array([cell.audit["classes"]["woman"]["share"] for cell in made.cells]).reshape(
        len(steps), len(weights)
    )
    chosen = best(made.untouched, made.cells, target)
    print(f"best: step {chosen.step}, weight {chosen.weight:g}" if chosen else "best: none")
    print(f"range of the mean share over steps (T included): {np.ptp(shares.mean(axis=1)):.3f}")
    print(f"range of the mean share over steps 0–45:          {np.ptp(shares[1:].mean(axis=1)):.3f}")
    print(f"range of the mean share over weights, steps 0–45: {np.ptp(shares[1:].mean(axis=0)):.3f}")
    known = [directions.find("woman", step) for step in STEPS]
    print(
        "cosine with step 10:", ", ".join(f"{s}: {d.cosine(known[2]):.2f}" for s, d in zip(STEPS, known, strict=True))
    )


if __name__ == "__main__":
    main()
