"""A plan used where it was not made: python -m benchmarks.plan_robustness

One plan (a doctor, gender 50/50, 25 steps, the default guidance) on -n fresh seeds of its own settings, at other
guidance scales, with other schedulers, at other numbers of steps, in other wordings, and on prompts that name the
class. "Off" is the distance of the share of women from the half that was planned; `warned` says whether the command
says that the settings differ. Prompts that name the class must come out as without a plan, to the last byte.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.common import RUNS, Journal, Row, keep, tabulate
from benchmarks.plan_bench import Bench, parser
from equinoise.axes import load_axis
from equinoise.run import read_records
from equinoise.seeds import AUDIT, seed_range
from equinoise.statistics import wilson
from equinoise.steering.plan import Plan

CONCEPT, NAMED = "a photo of a doctor", "a photo of a woman doctor"
VERIFIED = 256
"""Images that the plan itself is verified on."""


@dataclass(frozen=True)
class Used:
    """Settings and a prompt that the plan is used with; `anyhow`: past its filter, which is for the exact concept."""

    concept: str = CONCEPT
    settings: dict[str, Any] = field(default_factory=dict)
    anyhow: bool = False


USES = {
    "as made": Used(),
    "guidance 1": Used(settings={"guidance_scale": 1.0}),
    "guidance 3": Used(settings={"guidance_scale": 3.0}),
    "guidance 5": Used(settings={"guidance_scale": 5.0}),
    "Euler": Used(settings={"scheduler": "EulerDiscreteScheduler"}),
    "DPM++": Used(settings={"scheduler": "DPMSolverMultistepScheduler"}),
    "UniPC": Used(settings={"scheduler": "UniPCMultistepScheduler"}),
    "half the steps": Used(settings={"steps": 0.5}),
    "twice the steps": Used(settings={"steps": 2.0}),
    "a picture of a doctor": Used("a picture of a doctor", anyhow=True),
    "an image of a physician": Used("an image of a physician", anyhow=True),
    "a doctor at work": Used("a doctor at work", anyhow=True),
    "another wording, gated": Used("a picture of a doctor"),
    "a woman doctor": Used(NAMED),
}


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 256)
    flags.add_argument("--pilots", type=int, default=384)
    args = flags.parse_args()
    gender = load_axis("gender")
    with Bench(args) as bench:
        about = bench.about(pilots=args.pilots, n=args.n)
        journal, directions = Journal("plan_robustness", about), bench.directions_file([gender], CONCEPT)
        bench.plan("robust", CONCEPT, ["gender=uniform"], args.pilots, VERIFIED, directions)
        for name in bench.wanted(list(USES)):
            if name not in journal.rows:
                journal.add(name, used(bench, name, USES[name], args))
    rows = [journal.rows[name] for name in USES if name in journal.rows]
    tabulate(rows)
    keep({"about": about, "rows": rows}, "plan_robustness")


def used(bench: Bench, name: str, use: Used, args: argparse.Namespace) -> Row:
    """Images under the plan and without it, on the same seeds and settings."""
    settings = dict(use.settings)
    if "steps" in settings:
        settings["steps"] = round(settings["steps"] * args.steps)
    file = _past_the_filter(bench, use.concept) if use.anyhow else bench.plan_file("robust")
    slug, seeds = name.replace(" ", "-").replace("+", "p"), seed_range(AUDIT, args.n)
    concept, gender = use.concept.replace(" ", "-"), [load_axis("gender")]
    with Bench(args, **settings) as place, contextlib.redirect_stderr(io.StringIO()) as said:
        after = place.under_plan(f"robust-{slug}", file, use.concept, gender, seeds)
        before = place.draw(f"robust-{concept}-untouched", [use.concept], gender, seeds)
    share, low, high, n = women(after)
    warnings = [line for line in said.getvalue().splitlines() if "warning" in line]
    filtered = any("untouched" in line for line in warnings)
    return {
        "used": name,
        "women untouched": women(before)[0],
        "women": share,
        "low": low,
        "high": high,
        "n": n,
        "off": None if filtered else abs(share - 0.5),
        "warned": sum("made at" in line or "found at" in line for line in warnings),
        "gated": filtered,
        "same bytes as without": same(before, after),
    }


def _past_the_filter(bench: Bench, concept: str) -> Path:
    """The plan as one for this wording, so that what it does there can be seen."""
    path = RUNS / bench.home / f"plan-robust-{concept.replace(' ', '-')}.safetensors"
    replace(Plan.load(bench.plan_file("robust")), concept=concept).save(path)
    return path


def women(run: Path) -> tuple[float, float, float, int]:
    """Share of women, its interval, and the images with a gender."""
    labels = [record.labels["gender"] for record in read_records(run)]
    count, n = labels.count("woman"), sum(label != "unclear" for label in labels)
    return count / n, *wilson(count, n), n


def same(first: Path, second: Path) -> int:
    """Images of the same seed that are equal to the last byte."""
    files = [{record.seed: (run / record.file).read_bytes() for record in read_records(run)} for run in (first, second)]
    return sum(files[0][seed] == files[1].get(seed) for seed in files[0])


if __name__ == "__main__":
    main()
