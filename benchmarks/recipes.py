"""The paper's recipe and the best found here, on five concepts: python -m benchmarks.recipes

The paper's recipe: 50 images a class ("a photo of a woman" / "a photo of a man"; "a photo of a man" / "a photo of a
black man"), SVM at step 10, w = 10, directions summed. The best: paired directions from the same seeds, each at right
angles to the other axis, at the step that `benchmarks.sweep` found best and the weights found best on pilot doctors.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.common import RUNS, axes, dark_share, gather, shares, tell
from equinoise.axes import Axis
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.directions.estimators import fit
from equinoise.engine import Engine
from equinoise.progress import progress
from equinoise.run import RunFolder
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.statistics import wilson
from equinoise.steering.intervention import Intervention, Shift
from equinoise.understanding.audit import change
from equinoise.understanding.targets import parse_target
from equinoise.workflows.settings import Session, open_session
from equinoise.workflows.sweeping import best as nearest
from equinoise.workflows.sweeping import sweep

CONCEPTS = (
    "a photo of a doctor",
    "a photo of a teacher",
    "a photo of an engineer",
    "a photo of a man",
    "a photo of a woman",
)
PAPER_STEP, PAPER_WEIGHT, PER_CLASS = 10, 10.0, 50
WEIGHTS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


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
        fit(traces, "svm").find("woman", PAPER_STEP),
        fit(darker, "svm").find("dark", PAPER_STEP),
        PAPER_WEIGHT,
        PAPER_WEIGHT,
    )


def best(session: Session, engine: Engine, step: int, pilots: int) -> Recipe:
    """Paired and orthogonalised; each weight is the one that comes nearest to an even axis on pilot doctors."""
    chosen: dict[str, tuple[Direction, float]] = {}
    found = {}
    for axis, label in zip(axes(), ("woman", "dark"), strict=True):
        prompts = {name: axis.generate[name][0] for name in axis.classes}
        seeds = seed_range(COLLECT, PER_CLASS)
        traces = gather(session, engine, axis, prompts, seeds, [step], f"recipes/best-{axis.name}-{step}")
        found[label] = fit(traces, "paired").find(label, step)
    print(f"cosine of the woman and the dark direction at step {step}: {found['woman'].cosine(found['dark']):.3f}")
    for axis, label, other in zip(axes(), ("woman", "dark"), ("dark", "woman"), strict=True):
        direction = found[label].orthogonal_to([found[other]])
        chosen[label] = (direction, _weight(session, engine, axis, direction, label, step, pilots))
    (woman, w), (dark, v) = chosen["woman"], chosen["dark"]
    print(f"weights chosen on {pilots} pilot doctors: woman {w:g}, dark {v:g}")
    return Recipe("best", woman, dark, w, v)


def _weight(
    session: Session, engine: Engine, axis: Axis, direction: Direction, label: str, step: int, pilots: int
) -> float:
    even, seeds = parse_target("uniform", axis), seed_range(PILOT, pilots)
    about = session.about(weights=WEIGHTS, n=pilots, direction=direction.digest)
    run = RunFolder(RUNS / "recipes" / f"pilots-{label}", about)
    only, request = DirectionSet((direction,)), session.request(axes())
    with progress(f"pilots: {label}", (1 + len(WEIGHTS)) * pilots) as tick:
        asked = session.asked(CONCEPTS[0])
        made = sweep(engine, request, CONCEPTS[0], asked, only, label, axis, [step], WEIGHTS, seeds, even, run, tick)
    run.finish(made.order, {})
    chosen = nearest(made.untouched, made.cells, even)
    if chosen is None:
        raise SystemExit(f"no pilot weight of the {label} direction came nearer to even")
    return chosen.weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--pilots", type=int, default=24)
    args = parser.parse_args()
    session = open_session("emoji", unclear_below=UNCLEAR_BELOW)
    seeds, rows = seed_range(VERIFY, args.n), []
    with Engine(session.workers) as engine:
        recipes = [papers(session, engine), best(session, engine, args.step, args.pilots)]
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
        "nats": intervention.kl_nats,
    }


if __name__ == "__main__":
    main()
