"""The paper's recipe and the best found here, on five concepts: python -m benchmarks.recipes

The paper's recipe: 50 images a class ("a photo of a woman" / "a photo of a man"; "a photo of a man" / "a photo of a
black man"), SVM at step 10, w = 10, directions summed. The best: paired directions from the same seeds, each at right
angles to the other axis, at the step and weights given on the command line (chosen with `equinoise sweep` on pilots).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.common import axes, dark_share, gather, shares, tell
from equinoise.engine import Engine
from equinoise.mitigation import Direction, Intervention, Shift, fit
from equinoise.seeds import COLLECT, VERIFY, seed_range
from equinoise.session import Session, open_session
from equinoise.statistics import wilson
from equinoise.understanding import change

CONCEPTS = (
    "a photo of a doctor",
    "a photo of a teacher",
    "a photo of an engineer",
    "a photo of a man",
    "a photo of a woman",
)
PAPER_STEP, PAPER_WEIGHT, PER_CLASS = 10, 10.0, 50


@dataclass(frozen=True)
class Recipe:
    """Two directions and their weights."""

    name: str
    woman: Direction
    dark: Direction
    woman_weight: float
    dark_weight: float

    def interventions(self) -> dict[str, Intervention]:
        """Each direction alone, and both."""
        woman, dark = Shift(self.woman, self.woman_weight), Shift(self.dark, self.dark_weight)
        return {"woman": Intervention((woman,)), "dark": Intervention((dark,)), "both": Intervention((woman, dark))}


def papers(session: Session, engine: Engine) -> Recipe:
    gender, tone = axes()
    seeds = seed_range(COLLECT, PER_CLASS)
    women = {"woman": "a photo of a woman", "man": "a photo of a man"}
    black = {"light": "a photo of a man", "dark": "a photo of a black man"}
    traces = gather(session, engine, gender, women, seeds, [PAPER_STEP], "recipes/paper-gender")
    darker = gather(session, engine, tone, black, seeds, [PAPER_STEP], "recipes/paper-tone")
    return Recipe(
        "paper",
        fit(traces, "svm")[0].find("woman", PAPER_STEP),
        fit(darker, "svm")[0].find("dark", PAPER_STEP),
        PAPER_WEIGHT,
        PAPER_WEIGHT,
    )


def best(session: Session, engine: Engine, step: int, woman_weight: float, dark_weight: float) -> Recipe:
    gender, tone = axes()
    seeds = seed_range(COLLECT, PER_CLASS)
    found = {}
    for axis, label in ((gender, "woman"), (tone, "dark")):
        prompts = {name: axis.generate[name][0] for name in axis.classes}
        traces = gather(session, engine, axis, prompts, seeds, [step], f"recipes/best-{axis.name}-{step}")
        found[label] = fit(traces, "paired")[0].find(label, step)
    woman, dark = found["woman"], found["dark"]
    print(f"cosine of the woman and the dark direction at step {step}: {woman.cosine(dark):.3f}")
    return Recipe("best", woman.orthogonal_to([dark]), dark.orthogonal_to([woman]), woman_weight, dark_weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--step", type=int, default=10)
    parser.add_argument("--woman-weight", type=float, default=3.0)
    parser.add_argument("--dark-weight", type=float, default=3.0)
    args = parser.parse_args()
    session = open_session("emoji")
    seeds, rows = seed_range(VERIFY, args.n), []
    with Engine(session.workers) as engine:
        recipes = [papers(session, engine), best(session, engine, args.step, args.woman_weight, args.dark_weight)]
        for concept in CONCEPTS:
            slug = concept.split()[-1]
            before, untouched = shares(session, engine, concept, Intervention(), seeds, axes(), f"recipes/{slug}")
            rows.append(_row(concept, "untouched", Intervention(), before, untouched, untouched))
            for recipe in recipes:
                for name, intervention in recipe.interventions().items():
                    where = f"recipes/{slug}-{recipe.name}-{name}"
                    after, shifted = shares(session, engine, concept, intervention, seeds, axes(), where)
                    rows.append(_row(concept, f"{recipe.name}: {name}", intervention, after, untouched, shifted))
    tell(rows, "recipes")


def _row(
    concept: str, name: str, intervention: Intervention, audits: dict[str, Any], before: list[Any], after: list[Any]
) -> dict[str, Any]:
    woman, (dark, toned) = audits["gender"]["classes"]["woman"], dark_share(audits["tone"])
    darker = wilson(dark, toned)
    changed = change(before, after, axes()[0])["woman"]
    return {
        "concept": concept.removeprefix("a photo of "),
        "shift": name,
        "n": audits["gender"]["n"],
        "women": woman["share"],
        "low": woman["low"],
        "high": woman["high"],
        "change": changed["difference"],
        "change_low": changed["low"],
        "change_high": changed["high"],
        "two_darkest": dark / toned,
        "dark_low": darker.low,
        "dark_high": darker.high,
        "role_right": audits["gender"]["concept_fidelity"],
        "unclear": audits["gender"]["unclear"],
        "nats": intervention.intrusion,
    }


if __name__ == "__main__":
    main()
