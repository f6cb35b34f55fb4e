"""A plan used where it was not made: python -m benchmarks.plans.robustness

One plan (a doctor, gender 50/50, 25 steps, the default guidance) on -n fresh seeds of its own settings, at other
guidance scales, with other schedulers, at other numbers of steps, in other wordings, and on prompts that name the
class. `off` is the distance of the share of women from the half that was planned; `warned` counts the warnings that the
settings differ. Images of prompts that name the class must equal those without a plan, to the last byte.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field, replace

from pydantic import Field

from benchmarks.common import Journal, keep
from benchmarks.plans.bench import Bench, parser
from emoji_world.tables import show
from equinoise import AuditResult, EquinoiseWarning, Plan, load_axis
from equinoise.results.base import Value
from equinoise.seeds import AUDIT

CONCEPT, NAMED = "a photo of a doctor", "a photo of a woman doctor"
VERIFIED = 256
"""Images that the plan itself is verified on."""


@dataclass(frozen=True)
class Used:
    """How the plan is used.

    Attributes:
        concept: the prompt.
        settings: of the model, where they differ from those that the plan was made with; `steps` is a factor.
        anyhow: apply the plan although its prompt filter lets only the exact concept through.
    """

    concept: str = CONCEPT
    settings: dict[str, float | str] = field(default_factory=dict)
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


class Row(Value):
    """The measured outcome of a use.

    Attributes:
        women_untouched, women, low, high: share of women without and with the plan, and its interval.
        n: images with a gender.
        off: how far from half; None where the prompt filter left the images alone.
        warned: warnings that the settings differ.
        gated: whether the prompt filter left the images alone.
        same_bytes: images that are equal with and without the plan.
    """

    used: str
    women_untouched: float = Field(alias="women untouched")
    women: float
    low: float
    high: float
    n: int
    off: float | None
    warned: int
    gated: bool
    same_bytes: int = Field(alias="same bytes as without")


def main() -> None:
    """Measure what is not kept yet, print the table, write the JSON."""
    flags = parser(__doc__, 256)
    flags.add_argument("--pilots", type=int, default=384)
    args = flags.parse_args()
    with Bench(args) as bench:
        about = bench.to_json(pilots=args.pilots, n=args.n)
        journal, gender = Journal("plan_robustness", about, Row), [load_axis("gender")]
        made = bench.plan("robust", CONCEPT, gender, {"gender": "uniform"}, args.pilots, VERIFIED).plan
        for name in bench.wanted(list(USES)):
            if name not in journal.rows:
                journal.add(name, used(made, name, USES[name], args))
    rows = [journal.rows[name] for name in USES if name in journal.rows]
    show(rows)
    keep({"about": about, "rows": rows}, "plan_robustness")


def used(made: Plan, name: str, use: Used, args: argparse.Namespace) -> Row:
    """Images under the plan and without it, on the same seeds and settings."""
    settings = dict(use.settings)
    if "steps" in settings:
        settings["steps"] = round(float(settings["steps"]) * args.steps)
    given = replace(made, concept=use.concept) if use.anyhow else made  # as if it had been made for this wording
    slug, concept, axes = name.replace(" ", "-").replace("+", "p"), use.concept.replace(" ", "-"), [load_axis("gender")]
    with Bench(args, **settings) as place, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EquinoiseWarning)
        after = place.audit(f"robust-{slug}", use.concept, axes, args.n, AUDIT, given)
        before = place.audit(f"robust-{concept}-untouched", use.concept, axes, args.n, AUDIT)
    said = [str(one.message) for one in caught]
    filtered, women = any("untouched" in text for text in said), after["gender"]["woman"]
    return Row(
        used=name,
        women_untouched=before["gender"]["woman"].share,
        women=women.share,
        low=women.low,
        high=women.high,
        n=after["gender"].clear,
        off=None if filtered else abs(women.share - 0.5),
        warned=sum("made at" in text or "found at" in text for text in said),
        gated=filtered,
        same_bytes=same(before, after),
    )


def same(first: AuditResult, second: AuditResult) -> int:
    """Images of the same seed that are equal to the last byte."""
    files = [
        {record.seed: (result.run.require_folder() / record.file).read_bytes() for record in result.run.records}
        for result in (first, second)
    ]
    return sum(files[0][seed] == files[1].get(seed) for seed in files[0])


if __name__ == "__main__":
    main()
