"""What stopping early saves: images until every interval is narrow enough, against a number fixed beforehand.

    python -m benchmarks.sequential       2,000 streams a row, about two minutes on one core

A fixed number has to be enough whatever the shares turn out to be; a sequential audit checks its intervals every 32
images and stops. Its confidence sequence is wider at any one number than the interval of a fixed sample, since it holds
at every check at once. `peeking` is what people do without one: check the fixed-sample interval every 32 images and
stop when it is narrow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from benchmarks.common import tell
from emoji_world.tables import Row
from equinoise.statistics import Interval, horizon_for, share_intervals, share_sequences
from equinoise.workflows.auditing import LOOK_EVERY

TRUTHS: tuple[tuple[float, ...], ...] = (
    (0.5, 0.5),
    (0.3, 0.7),
    (0.2, 0.8),
    (0.1, 0.9),
    (0.02, 0.98),
    (0.2, 0.2, 0.2, 0.2, 0.2),
    (0.6, 0.2, 0.1, 0.06, 0.04),
)
Intervals = Callable[[tuple[int, ...]], list[Interval]]

fixed: Intervals = cache(share_intervals)
sequence = cache(share_sequences)


def enough(classes: int, width: float) -> int:
    """The smallest number whose fixed-sample intervals are narrow enough at any shares: the widest is at ½."""
    n = 2
    while widest(fixed((n // 2, n - n // 2, *[0] * (classes - 2)))) > width:
        n += 1
    return n


def widest(intervals: Sequence[Interval]) -> float:
    """Width of the widest."""
    return max(interval.high - interval.low for interval in intervals)


def stop(truth: Sequence[float], width: float, intervals: Intervals, rng: np.random.Generator) -> tuple[int, bool]:
    """Images until all intervals are narrow enough, and whether the intervals hold the truth then."""
    counts = np.zeros(len(truth), int)
    while True:
        counts += rng.multinomial(LOOK_EVERY, truth)
        found = intervals(tuple(map(int, counts)))
        if widest(found) <= width:
            held = all(low <= p <= high for (low, high), p in zip(found, truth, strict=True))
            return int(counts.sum()), held


def measure(truth: Sequence[float], width: float, streams: int) -> Row:
    """One row of the table."""
    most = horizon_for(width, len(truth), LOOK_EVERY)
    looks = most // LOOK_EVERY
    ours = [
        stop(truth, width, lambda c: sequence(c, most, looks), np.random.default_rng((i, 0))) for i in range(streams)
    ]
    peeked = [stop(truth, width, fixed, np.random.default_rng((i, 0))) for i in range(streams)]
    images, at_once = float(np.mean([n for n, _ in ours])), enough(len(truth), width)
    return {
        "shares": ", ".join(f"{p:g}" for p in truth),
        "width": width,
        "fixed n": at_once,
        "at most": most,
        "sequential n, mean": round(images),
        "saving": f"{1 - images / at_once:+.0%}",
        "coverage": sum(held for _, held in ours) / streams,
        "peeking n, mean": round(float(np.mean([n for n, _ in peeked]))),
        "coverage, peeking": sum(held for _, held in peeked) / streams,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000)
    args = parser.parse_args()
    tell([measure(truth, width, args.streams) for truth in TRUTHS for width in (0.2, 0.1)], "sequential")
