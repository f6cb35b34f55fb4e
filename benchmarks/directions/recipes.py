"""The paper's recipe and the best found here, on five concepts: python -m benchmarks.directions.recipes

The paper's recipe: 50 images a class ("a photo of a woman" / "a photo of a man"; "a photo of a man" / "a photo of a
black man"), SVM at step 10, w = 10, directions summed. The best: paired directions from the same seeds, each at right
angles to the other axis, at the step that `benchmarks.directions.sweep` found best and the weights found best
on pilot doctors.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.common import RUNS, audit_under, dark_share, fit_quickly, people, tell
from emoji_world.tables import Row
from equinoise import (
    AuditResult,
    Axis,
    DetectorSettings,
    Direction,
    DirectionSet,
    Engine,
    Intervention,
    Model,
    Shift,
    collect,
    compare_runs,
    load,
    sweep,
)
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.statistics import wilson

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


@dataclass(frozen=True)
class Bench:
    """The emoji model, and the measurements on it; images are kept and resumed."""

    model: Model
    engine: Engine

    def direction(
        self, axis: Axis, label: str, step: int, name: str, prompts: dict[str, str] | None = None
    ) -> Direction:
        """Towards a class, from 50 images a class: by SVM where prompts are given (the paper's), else paired."""
        traces = collect(
            self.model, axis, prompts=prompts, classes=list(prompts) if prompts else None, n=PER_CLASS, capture=[step],
            out=RUNS / "recipes" / name, engine=self.engine,
        )  # fmt: skip
        return fit_quickly(traces, "svm" if prompts else "paired").find(label, step)

    def papers(self) -> Recipe:
        """The paper's recipe, as published."""
        gender, tone = people()
        women = {"woman": "a photo of a woman", "man": "a photo of a man"}
        black = {"light": "a photo of a man", "dark": "a photo of a black man"}
        return Recipe(
            "paper",
            self.direction(gender, "woman", PAPER_STEP, "paper-gender", women),
            self.direction(tone, "dark", PAPER_STEP, "paper-tone", black),
            PAPER_WEIGHT,
            PAPER_WEIGHT,
        )

    def best(self, step: int, pilots: int) -> Recipe:
        """Paired and orthogonalised; each weight is the one that comes nearest to an even axis on pilot doctors."""
        gender, tone = people()
        woman = self.direction(gender, "woman", step, f"best-gender-{step}")
        dark = self.direction(tone, "dark", step, f"best-tone-{step}")
        print(f"cosine of the woman and the dark direction at step {step}: {woman.cosine(dark):.3f}")
        apart = woman.orthogonal_to([dark]), dark.orthogonal_to([woman])
        w, v = self.weight(gender, apart[0], "woman", pilots), self.weight(tone, apart[1], "dark", pilots)
        print(f"weights chosen on {pilots} pilot doctors: woman {w:g}, dark {v:g}")
        return Recipe("best", *apart, w, v)

    def weight(self, axis: Axis, direction: Direction, label: str, pilots: int) -> float:
        """The weight nearest to an even axis on pilot doctors."""
        made = sweep(
            self.model, CONCEPTS[0], DirectionSet((direction,)), towards=label, weights=WEIGHTS, axis=axis, n=pilots,
            out=RUNS / "recipes" / f"pilots-{label}", engine=self.engine,
        )  # fmt: skip
        if made.best is None:
            raise SystemExit(f"no pilot weight of the {label} direction came nearer to even")
        return made.best.weight

    def audit(self, concept: str, change: Intervention | None, n: int, name: str) -> AuditResult:
        """Fresh images of a concept under an intervention."""
        return audit_under(self.model, self.engine, concept, change, n, people(), f"recipes/{name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--pilots", type=int, default=24)
    args = parser.parse_args()
    model, rows = load("emoji", device="cpu", detector=DetectorSettings(unclear_below=UNCLEAR_BELOW)), list[Row]()
    with Engine() as engine:
        bench = Bench(model, engine)
        recipes = [bench.papers(), bench.best(args.step, args.pilots)]
        for concept in CONCEPTS:
            slug = concept.split()[-1]
            before = bench.audit(concept, None, args.n, slug)
            rows.append(_row("untouched", Intervention(), before, before))
            for recipe in recipes:
                for name, change in recipe.interventions().items():
                    after = bench.audit(concept, change, args.n, f"{slug}-{recipe.name}-{name}")
                    rows.append(_row(f"{recipe.name}: {name}", change, before, after))
    tell(rows, "recipes")


def _row(name: str, change: Intervention, before: AuditResult, after: AuditResult) -> Row:
    gender, (dark, toned) = after["gender"], dark_share(after["tone"])
    darker, changed = wilson(dark, toned), compare_runs(before, after, axes=["gender"])["gender"].classes["woman"]
    return {
        "concept": gender.concept.removeprefix("a photo of "),
        "shift": name,
        "n": gender.n,
        "women": gender["woman"].share,
        "low": gender["woman"].low,
        "high": gender["woman"].high,
        "change": changed.difference,
        "change_low": changed.low,
        "change_high": changed.high,
        "two_darkest": dark / toned,
        "dark_low": darker.low,
        "dark_high": darker.high,
        "role_right": gender.concept_fidelity,
        "unclear": gender.unclear,
        "nats": change.kl_nats,
    }


if __name__ == "__main__":
    main()
