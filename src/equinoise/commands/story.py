"""One concept's story in the demo: untouched images, directions, step and weights on pilots, shifted images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.commands.shifting import sweep_json
from equinoise.console import progress
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.mitigation import Direction, DirectionSet, Intervention, Shift, Traces, fit
from equinoise.mitigation.collect import Keep, collect
from equinoise.mitigation.sweep import Sweep, best, sweep
from equinoise.models.base import Step
from equinoise.run import Record, RunFolder
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.session import Session
from equinoise.understanding import parse_target

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Of the denoising steps: where the latents are kept."""
FIRST_WEIGHT = 3.0
WEIGHTS = (1.0, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class Story:
    """A concept with a planted skew, and for each axis the class that should become commoner.

    `between`: the classes that the direction of an axis is learnt from, where they are not all of it.
    """

    name: str
    concept: str
    towards: Mapping[str, str]
    between: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What the stories share: `n` fresh seeds, `pilots` pilot seeds, `pairs` seeds to make directions from."""

    session: Session
    engine: Engine
    folder: Path
    run: RunFolder
    axes: Mapping[str, Axis]
    n: int
    pilots: int
    pairs: int

    @property
    def steps(self) -> list[Step]:
        """The captured steps."""
        return [round(part * self.session.sampling.steps) for part in FRACTIONS]


@dataclass(frozen=True)
class Told:
    """What came of a story."""

    story: Story
    before: list[Record]
    after: list[Record]
    directions: DirectionSet
    sweeps: list[dict[str, Any]]
    intervention: Intervention

    @property
    def shifted(self) -> bool:
        """Whether a pilot was better than leaving the noise as it was."""
        return bool(self.intervention.shifts)

    @property
    def records(self) -> list[Record]:
        """All images, untouched first."""
        return [*self.before, *(self.after if self.shifted else [])]


def tell(stage: Stage, story: Story) -> Told:
    """The step is chosen on the first axis, weights from the last axis on, each with those before it in place."""
    before = _draw(stage, story, "before", Intervention())
    found = {name: fit(_traces(stage, story, stage.axes[name]), "paired")[0] for name in story.towards}
    everything = sum(found.values(), DirectionSet(()))
    everything.save(stage.folder / f"directions-{story.name}.safetensors")
    first = next(iter(story.towards))
    made, result = _sweep(stage, story, first, found[first], stage.steps, (FIRST_WEIGHT,), f"{story.name}-step")
    chosen = best(made.untouched, made.cells, parse_target("uniform", stage.axes[first]))
    step = chosen.step if chosen and chosen.step is not None else stage.steps[0]
    separate = _separate(story, found, step)
    sweeps, shifts = [result], tuple[Shift, ...]()
    for name in reversed(list(story.towards)):
        sweeps.append(_sweep(stage, story, name, separate, [step], WEIGHTS, f"{story.name}-{name}-weight", shifts)[1])
        if better := sweeps[-1]["best"]:
            shifts += (Shift(separate.find(story.towards[name], step), better["weight"]),)
    intervention = Intervention(shifts)
    after = _draw(stage, story, "after", intervention) if shifts else before
    return Told(story, before, after, everything, sweeps, intervention)


def _draw(stage: Stage, story: Story, name: str, change: Intervention) -> list[Record]:
    done = change if change.shifts else None
    jobs = [Job(f"{story.name}-{name}-{s}", story.concept, s, done) for s in seed_range(VERIFY, stage.n)]
    request = stage.session.request([stage.axes[axis] for axis in story.towards])
    with progress(f"{story.name}, {name}: {stage.n} fresh seeds", len(jobs)) as tick:
        return make_images(stage.engine, request, jobs, stage.run, tick)


def _traces(stage: Stage, story: Story, axis: Axis) -> Traces:
    prompts = {label: axis.generate[label][0] for label in story.between.get(axis.name, axis.classes)}
    seeds = seed_range(COLLECT, stage.pairs)
    session = stage.session
    about = session.about(command="collect", axis=axis.digest, prompts=prompts, n=len(seeds), capture=stage.steps)
    with progress(f"{axis.name}: latents of {len(prompts)} classes", len(seeds) * len(prompts)) as tick:
        keep, provenance = Keep(stage.folder / "traces" / axis.name, about), session.model.provenance
        return collect(stage.engine, session.request([axis], stage.steps), axis, prompts, seeds, provenance, keep, tick)


def _separate(story: Story, found: Mapping[str, DirectionSet], step: Step) -> DirectionSet:
    """At one step, each axis's direction at right angles to the others', so that one axis moves and not both."""
    plain: dict[str, Direction] = {axis: found[axis].find(label, step) for axis, label in story.towards.items()}
    return DirectionSet(
        tuple(
            direction.orthogonal_to(others) if (others := [o for n, o in plain.items() if n != axis]) else direction
            for axis, direction in plain.items()
        )
    )


def _sweep(
    stage: Stage,
    story: Story,
    name: str,
    directions: DirectionSet,
    steps: Sequence[Step],
    weights: Sequence[float],
    called: str,
    beside: tuple[Shift, ...] = (),
) -> tuple[Sweep, dict[str, Any]]:
    axis, label, session = stage.axes[name], story.towards[name], stage.session
    target = parse_target("uniform", axis)
    about = session.about(
        command="sweep",
        concept=story.concept,
        axis=axis.digest,
        directions={d.name: d.digest for d in directions.directions},
        beside=[shift.name for shift in beside],
        **{"steps": list(steps), "weights": list(weights), "n": stage.pilots},
    )
    run = RunFolder(stage.folder / "sweeps" / called, about)
    with progress(f"{story.name}: pilots by {called}", (1 + len(steps) * len(weights)) * stage.pilots) as tick:
        made = sweep(
            stage.engine,
            session.request([stage.axes[other] for other in story.towards]),
            story.concept,
            session.asked(story.concept),
            directions,
            label,
            axis,
            steps,
            weights,
            seed_range(PILOT, stage.pilots),
            target,
            run,
            tick,
            beside=beside,
        )
    about_it = {"concept": story.concept, "n": stage.pilots, "name": called, "beside": [s.name for s in beside]}
    result = {**sweep_json(made, axis, label, target), **about_it}
    run.finish(made.order, {**result, **session.results(story.concept)})
    return made, result
