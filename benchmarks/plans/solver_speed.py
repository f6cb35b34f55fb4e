"""How long the solver takes to choose a mixture: python -m benchmarks.plans.solver_speed

Five axes of seven classes, 200 candidates, 12 posterior samples of what the pilots leave open: the size that the
solver should do in under a second. The shares are those of random cumulative probits.
"""

from __future__ import annotations

import argparse
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import tell
from emoji_world.tables import Row
from equinoise.planning.solver import Goal, choose


def goals(axes: int, classes: int, shifts: int, samples: int, seed: int) -> tuple[list[Goal], NDArray[np.float64]]:
    """Targets, expected shares with samples around them, and the costs of random shifts."""
    rng = np.random.default_rng(seed)
    weights = np.concatenate([np.zeros((1, axes)), rng.normal(0, 1.5, (shifts - 1, axes))])
    made = []
    for _ in range(axes):
        slope = rng.normal(0, 1, axes) / axes**0.5
        edges = stats.norm.ppf(np.cumsum(rng.dirichlet(np.full(classes, 3.0)))[:-1])

        def shares(slope: NDArray[np.float64], edges: NDArray[np.float64] = edges) -> NDArray[np.float64]:
            below = stats.norm.cdf(edges - (weights @ slope)[:, None])
            found: NDArray[np.float64] = np.diff(
                np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1
            )
            return found

        expected = shares(slope)
        other = np.zeros((samples, *expected.shape))
        for row in other:
            row[:] = shares(slope + rng.normal(0, 0.1, axes))
        made.append(Goal(rng.dirichlet(np.full(classes, 10.0)), expected, other))
    return made, (weights**2).sum(1) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rows: list[Row] = []
    for axes, classes, shifts in ((1, 2, 200), (2, 5, 200), (5, 7, 200), (5, 7, 800)):
        seconds, busy, used = [], [], []
        for seed in range(args.repeats):
            asked, costs = goals(axes, classes, shifts, 12, seed)
            started, busy_from = perf_counter(), process_time()
            found = choose(asked, costs)
            seconds.append(perf_counter() - started)
            busy.append(process_time() - busy_from)
            used.append(int((found.mixture > 0).sum()))
        rows.append(
            {
                "axes": axes,
                "classes": classes,
                "candidates": shifts,
                "median seconds": float(np.median(seconds)),
                "slowest": max(seconds),
                "of the processor": float(np.median(busy)),
                "with a share": float(np.mean(used)),
            }
        )
    tell(rows, "planner_speed")


if __name__ == "__main__":
    main()
