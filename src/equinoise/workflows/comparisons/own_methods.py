"""This library behind the interface of other methods: the paper's recipe, alone and with a text edit, and the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from equinoise.axes import Axis
from equinoise.directions.direction import DirectionSet
from equinoise.engine.rejection import denoiser_calls
from equinoise.methods import METHODS, Brief, Method, Prepared, Setup
from equinoise.models.base import step_at
from equinoise.run import Record
from equinoise.runtime.applying import apply_plan
from equinoise.runtime.making import Maker
from equinoise.steering.intervention import Intervention, Shift
from equinoise.workflows.collecting import collect
from equinoise.workflows.fitting import fit
from equinoise.workflows.planning import plan

FRACTION, PAIRS = 0.2, 50
"""The paper's recipe: a support vector machine on 50 images a class at step 10 of 50."""
PLAN = "plan"
LOOK = 64
"""Untouched pilots that show towards which class the recipe is to shift."""
VERIFY = 64
"""Images of a plan's own verification; the comparison verifies it anew."""
Prepare = Callable[[Brief, Setup, float | None], Prepared]


def own_methods(maker: Maker, folder: Path, budget: int) -> dict[str, Method]:
    """Name → method; directions and plans are kept in the folder, plans take `budget` images."""
    recipe = _recipe(maker, folder)

    def beside_text(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
        text = METHODS["projection"].prepare(brief, setup, METHODS["projection"].published)
        shifted = recipe(brief, setup, strength)
        return Prepared(shifted.jobs, text.change, shown=shifted.shown)

    source = "Lopez Olmos et al. 2024, arXiv 2406.06352"
    weights = (2.5, 5.0, 10.0)
    found = (
        Method("recipe", "the paper's recipe", source, "noise", 10.0, weights, recipe),
        Method("projection+recipe", "text projection and recipe", source, "text", 10.0, weights, beside_text),
        Method(PLAN, "plan", "equinoise", "noise", None, (), _plan(maker, folder, budget)),
    )
    return {method.name: method for method in found}


def _recipe(maker: Maker, folder: Path) -> Prepare:
    known: dict[str, DirectionSet] = {}

    def directions(axis: Axis, step: int) -> DirectionSet:
        if axis.name not in known:
            traces = collect(
                maker.model, axis, n=PAIRS, capture=[step], out=folder / "traces" / axis.name, engine=maker.engine,
                progress=maker.show,
            )  # fmt: skip
            known[axis.name] = fit(traces, estimator="svm", permutations=1)
        return known[axis.name]

    def prepare(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
        """All images are shifted towards the class that is farthest below its target, of an ordered axis an end."""
        step, axis = step_at(FRACTION, maker.model.sampling.steps), brief.axis
        seen = setup.once("recipe", lambda trial: _seen(brief, trial, step))
        ends = [axis.classes[0], axis.classes[-1]] if axis.ordered else list(axis.classes)
        lacking = max(ends, key=lambda label: brief.target[label] - seen[label] / max(sum(seen.values()), 1))
        change = Intervention((Shift(directions(axis, step).find(lacking, step), float(strength or 0.0)),))
        return Prepared(lambda seeds: [brief.job(seed, change=change) for seed in seeds], shown={"towards": lacking})

    return prepare


def _seen(brief: Brief, setup: Setup, step: int) -> Counter[str]:
    """Classes of untouched pilots; the traces of the recipe are counted with them."""
    setup.spend(LOOK * brief.model.calls + PAIRS * len(brief.axis.classes) * (step + 1))
    return Counter(record.labels[brief.axis.name] for record in brief.untouched(brief.pilots(LOOK)))


def _plan(maker: Maker, folder: Path, budget: int) -> Prepare:
    def prepare(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
        """A plan as `equinoise plan` makes it; its set-up is what directions and pilots take."""
        name = f"{brief.concept.replace(' ', '-')}-{brief.axis.name}.safetensors"
        made = plan(
            brief.model, brief.concept, targets={brief.axis.name: dict(brief.target)}, budget=budget, verify=VERIFY,
            out=folder / "plans" / name, engine=maker.engine, progress=maker.show,
        )  # fmt: skip
        applied = apply_plan(made, brief.model, [brief.concept], [])
        setup.spend(made.cost.denoiser_calls - made.cost.verification.denoiser_calls)
        whole, check, resumable = brief.model.calls, applied.early_classifier, brief.model.backend.resumable

        def calls(record: Record) -> float:
            return denoiser_calls(len(record.draws or ()), whole, check, resumable)

        return Prepared(
            lambda seeds: [applied.job(str(seed), brief.concept, seed) for seed in seeds],
            early_classifier=check,
            calls=calls,
            shown={"plan": made.plan.name},
        )

    return prepare
