"""How often our intervals hold the truth: one table.

    python -m benchmarks.coverage                   2,000 repetitions a row, 20,000 where they are quick
    python -m benchmarks.coverage --only sequence   one family; the others stay as they were measured before

For every row a truth is sampled, and data from it; the interval is made by the function that audits use, and counts
as held where it contains the truth. `others` gives what well-known alternatives cover on the same samples.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy import stats
from statsmodels.stats.proportion import multinomial_proportions_confint

from benchmarks.common import tell
from emoji_world.tables import RESULTS
from emoji_world.tables import Row as TableRow
from equinoise import statistics
from equinoise.statistics import Confusion, Interval

Array = NDArray[np.float64]
Trial = Callable[[np.random.Generator], dict[str, bool]]
"""One repetition: name of the interval → whether it held; `ours` is what audits use."""


@dataclass(frozen=True)
class Row:
    """A setting and its bar."""

    family: str
    setting: str
    trial: Trial
    low: float
    high: float = 1.0


def wilson() -> Iterator[Row]:
    """The share itself sampled evenly from 0–1: coverage averaged over p."""

    def trial(n: int) -> Trial:
        def once(rng: np.random.Generator) -> dict[str, bool]:
            p = rng.random()
            return {"ours": _holds(_wilson(int(rng.binomial(n, p)), n), p)}

        return once

    for n in (32, 128, 512):
        yield Row("wilson", f"n = {n}, p uniform", trial(n), 0.94, 0.96)


def simultaneous() -> Iterator[Row]:
    """All classes at once, on even, random and lopsided truths."""

    def trial(k: int, n: int, kind: str) -> Trial:
        def once(rng: np.random.Generator) -> dict[str, bool]:
            even, skewed = np.full(k, 1 / k), np.array([0.85] + [0.15 / (k - 1)] * (k - 1))
            truth = {"even": even, "random": rng.dirichlet(np.ones(k)), "85% one class": skewed}[kind]
            counts = tuple(map(int, rng.multinomial(n, truth)))
            found = {"ours": _all_hold(_simultaneous(counts), truth)}
            if k > 2:
                found["goodman"] = _all_hold(_goodman(counts), truth)
                if rng.random() < 0.1:  # slow, and enough to see
                    found["sison-glaz"] = _all_hold(_sison_glaz(counts), truth)
            return found

        return once

    for k in range(2, 8):
        for n in (32, 128, 512):
            for kind in ("even", "random", "85% one class"):
                yield Row("simultaneous", f"{k} classes, n = {n}, {kind}", trial(k, n, kind), 0.94)


def paired() -> Iterator[Row]:
    """The difference before and after; the 2×2 table of truths sampled evenly."""

    def trial(n: int) -> Trial:
        def once(rng: np.random.Generator) -> dict[str, bool]:
            cells = rng.dirichlet(np.ones(4))  # both, gained, lost, neither
            both, gained, lost, neither = rng.multinomial(n, cells)
            before = [True] * (both + lost) + [False] * (gained + neither)
            after = [True] * both + [False] * lost + [True] * gained + [False] * neither
            return {"ours": _holds(statistics.paired_difference(before, after)[1], cells[1] - cells[2])}

        return once

    for n in (32, 128, 512):
        yield Row("paired", f"{n} pairs", trial(n), 0.93, 0.97)


def corrected() -> Iterator[Row]:
    """Shares by a detector that errs, its confusion matrix counted on another sample; all classes at once."""

    def trial(k: int, right: float, calibration: int, n: int) -> Trial:
        rates = _rates(k, right)

        def once(rng: np.random.Generator) -> dict[str, bool]:
            p = rng.uniform(0.02, 0.98)
            truth = np.array([p, 1 - p]) if k == 2 else rng.dirichlet(np.ones(k))
            observed = [int(c) for c in rng.multinomial(n, truth @ rates)]
            rows = tuple(tuple(int(c) for c in rng.multinomial(calibration // k, row)) for row in rates)
            found = statistics.correct(observed, Confusion(tuple(map(str, range(k))), rows))
            return {
                "ours": _all_hold(found.intervals, truth),
                "uncorrected": _all_hold(_simultaneous(tuple(observed[:k])), truth),
            }

        return once

    for right in (0.98, 0.9, 0.75):
        for calibration in (100, 300, 1000):
            yield Row("corrected", _setting(2, right, calibration), trial(2, right, calibration, 128), 0.93, 0.97)
    for right in (0.95, 0.8):
        for calibration in (100, 1000):
            yield Row("corrected", _setting(5, right, calibration), trial(5, right, calibration, 128), 0.93, 0.97)


def _setting(k: int, right: float, calibration: int) -> str:
    return f"{k} classes, detector {right:.0%} right, {calibration} calibration images, n = 128"


def _rates(k: int, right: float) -> Array:
    """A detector that errs to neighbours on the scale, the last class a little more, and is unclear on 3%."""
    rates = np.zeros((k, k + 1))
    for i in range(k):
        ours = right - (0.02 if i == k - 1 else 0)
        near = [j for j in (i - 1, i + 1) if 0 <= j < k]
        rates[i, i], rates[i, near] = ours, (1 - ours) / len(near)
    rates *= 0.97
    rates[:, k] = 0.03
    return rates


def prompts() -> Iterator[Row]:
    """The mean over prompts whose own shares differ: U-shaped, skewed to 0, flat, bell-shaped; 64 images a prompt."""

    def trial(shape: tuple[float, float], prompts: int) -> Trial:
        truth = shape[0] / sum(shape)

        def once(rng: np.random.Generator) -> dict[str, bool]:
            shares = rng.binomial(64, rng.beta(*shape, size=prompts)) / 64
            found = statistics.over_prompts(list(shares), 64 * prompts)
            assert found is not None
            half = stats.t.ppf(0.975, prompts - 1) * stats.sem(shares)
            naive = _wilson(round(float(shares.mean()) * 64 * prompts), 64 * prompts)
            return {
                "ours": _holds(found, truth),
                "t": bool(abs(shares.mean() - truth) <= half),
                "images": _holds(naive, truth),
            }

        return once

    shapes = {
        "U-shaped": (0.3, 0.3),
        "skewed": (0.3, 0.9),
        "very skewed": (0.2, 1.8),
        "flat": (1.0, 1.0),
        "bell": (2, 5),
    }
    for name, shape in shapes.items():
        for g in (10, 30, 150):
            yield Row("over prompts", f"{g} prompts, {name}", trial(shape, g), 0.93)


def sequence() -> Iterator[Row]:
    """At all of sixteen checks, one every 32 images, at once."""

    def trial(truth: tuple[float, ...]) -> Trial:
        def once(rng: np.random.Generator) -> dict[str, bool]:
            classes = rng.choice(len(truth), size=512, p=truth)
            seen = np.cumsum(np.eye(len(truth), dtype=int)[classes], axis=0)
            checks = [tuple(map(int, row)) for row in seen[31::32]]
            ours = all(_all_hold(_sequences(counts, 512, 16), truth) for counts in checks)
            return {"ours": ours, "fixed n": all(_all_hold(_simultaneous(counts), truth) for counts in checks)}

        return once

    for truth in ((0.5, 0.5), (0.2, 0.8), (0.05, 0.95), (0.2,) * 5, (0.5, 0.3, 0.1, 0.06, 0.04)):
        yield Row("sequence", f"shares {', '.join(f'{p:g}' for p in truth)}", trial(truth), 0.95)


def quality() -> Iterator[Row]:
    """Vectors about a common centre in 16 dimensions, as many on both sides; the truth from 20,000 of them."""

    def drawn(rng: np.random.Generator, n: int, spread: float, turned: float) -> Array:
        found = np.eye(16)[0] + turned * np.eye(16)[1] + spread / 4 * rng.standard_normal((n, 16))
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))

    def trial(measure: Callable[[Any], Any], n: int, spread: float, turned: float) -> Trial:
        big = np.random.default_rng(1)
        same = spread == 1 and turned == 0
        size = 20_000 if measure is statistics.diversity_ratio else 4_000
        none = 1.0 if measure is statistics.diversity_ratio else 0.0
        truth = none if same else _value(measure, drawn(big, size, spread, turned), drawn(big, size, 1, 0))

        def once(rng: np.random.Generator) -> dict[str, bool]:
            found = measure([(drawn(rng, n, spread, turned), drawn(rng, n, 1, 0))])
            return {"ours": _holds(Interval(found.low, found.high), truth)}

        return once

    for measure in (statistics.diversity_ratio, statistics.kernel_distance):
        for n in (25, 100):
            for spread, turned in ((1, 0), (0.5, 0), (1, 0.4)):
                setting = f"{measure.__name__}, n = {n}, spread {spread:g}, apart {turned:g}"
                yield Row("quality", setting, trial(measure, n, spread, turned), 0.93)


def _value(measure: Any, x: Array, y: Array) -> float:
    """A measure of many images, without its interval."""
    if measure is statistics.diversity_ratio:
        return statistics.mean_distance(x) / statistics.mean_distance(y)
    within = [(((1 + side @ side.T) ** 3).sum() - 8 * len(side)) / (len(side) * (len(side) - 1)) for side in (x, y)]
    return float(sum(within) - 2 * ((1 + x @ y.T) ** 3).mean())


FAMILIES: dict[str, Callable[[], Iterator[Row]]] = {
    "wilson": wilson,
    "simultaneous": simultaneous,
    "paired": paired,
    "corrected": corrected,
    "prompts": prompts,
    "sequence": sequence,
    "quality": quality,
}

QUICK = ("wilson", "paired", "sequence")

_wilson = cache(statistics.wilson)
_simultaneous = cache(statistics.share_intervals)
_sequences = cache(statistics.share_sequences)


@cache
def _goodman(counts: tuple[int, ...]) -> list[Interval]:
    return [Interval(*row) for row in multinomial_proportions_confint(np.array(counts), method="goodman")]


@cache
def _sison_glaz(counts: tuple[int, ...]) -> list[Interval]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [Interval(*row) for row in multinomial_proportions_confint(np.array(counts), method="sison-glaz")]


def _holds(interval: Interval, truth: float) -> bool:
    return bool(interval.low - 1e-12 <= truth <= interval.high + 1e-12)


def _all_hold(intervals: Any, truth: Any) -> bool:
    return all(_holds(interval, p) for interval, p in zip(intervals, truth, strict=True))


def measure(row: Row, repetitions: int) -> TableRow:
    """Coverage of a row, with Wilson's interval of the coverage itself."""
    trials = [row.trial(np.random.default_rng((index, repetitions))) for index in range(repetitions)]
    names = dict.fromkeys(name for t in trials for name in t)
    held = {name: float(np.mean([t[name] for t in trials if name in t])) for name in names}
    ours = held.pop("ours")
    low, high = _wilson(round(ours * repetitions), repetitions)
    return {
        "family": row.family,
        "setting": row.setting,
        "repetitions": repetitions,
        "coverage": ours,
        "interval": f"{low:.3f}–{high:.3f}",
        "bar": f"{row.low:g}–{row.high:g}" if row.high < 1 else f"≥ {row.low:g}",
        "met": "yes" if row.low <= ours <= row.high else "NO",
        "others": ", ".join(f"{name} {share:.3f}" for name, share in held.items()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, help="default: 2,000; 20,000 of the quick families")
    parser.add_argument("--only", choices=FAMILIES, action="append")
    args = parser.parse_args()
    wanted = [row for name in args.only or FAMILIES for row in FAMILIES[name]()]
    found = [
        measure(row, args.repetitions or (20_000 if row.family in QUICK else 2_000))
        for row in track(wanted, description="coverage", transient=True)
    ]
    kept = RESULTS / "coverage.json"
    anew = {row["family"] for row in found}
    known = json.loads(kept.read_text()) if args.only and kept.exists() else []
    tell([*(row for row in known if row["family"] not in anew), *found], "coverage")
