"""One concept's story in the demo: untouched images, directions, step and weights on pilots, shifted images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.directions.direction import DirectionSet
from equinoise.directions.estimators import fit
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.models.base import Step
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.steering.intervention import Intervention, Shift
from equinoise.understanding.targets import parse_target
from equinoise.workflows.collecting import Keep, collect
from equinoise.workflows.settings import Session
from equinoise.workflows.shifting import sweep_json
from equinoise.workflows.sweeping import sweep

FRACTION = 0.2
"""Of the denoising steps: where the latents are kept. Step 10 of 50, as in the paper."""
WEIGHTS = (1.0, 2.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Story:
    """A concept with a planted skew, and for each axis the class that should become commoner.

    `prompts`: axis → class → what its direction is learnt from: the concept with the class named, which tells more than
    a person's (docs/plans.md). `besides`: axes that are read too, since a shift can move more than was meant.
    """

    name: str
    concept: str
    towards: Mapping[str, str]
    prompts: Mapping[str, Mapping[str, str]]
    besides: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """What is read off its pictures."""
        return (*self.towards, *self.besides)


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
    def step(self) -> Step:
        """The captured step."""
        return round(FRACTION * self.session.sampling.steps)


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
    """Weights are chosen from the last axis on, each with those before it in place."""
    before = _draw(stage, story, "before", Intervention())
    found = {name: fit(_traces(stage, story, stage.axes[name]), "paired")[0] for name in story.towards}
    everything = sum(found.values(), DirectionSet(()))
    everything.save(stage.folder / f"directions-{story.name}.safetensors")
    sweeps: list[dict[str, Any]] = []
    shifts: tuple[Shift, ...] = ()
    for name in reversed(list(story.towards)):
        sweeps.append(_sweep(stage, story, name, found[name], f"{story.name}-{name}-weight", shifts))
        if better := sweeps[-1]["best"]:
            shifts += (Shift(found[name].find(story.towards[name], stage.step), better["weight"]),)
    intervention = Intervention(shifts)
    after = _draw(stage, story, "after", intervention) if shifts else before
    return Told(story, before, after, everything, sweeps, intervention)


def _draw(stage: Stage, story: Story, name: str, change: Intervention) -> list[Record]:
    done = change if change.shifts else None
    jobs = [Job(f"{story.name}-{name}-{s}", story.concept, s, done) for s in seed_range(VERIFY, stage.n)]
    request = stage.session.request([stage.axes[axis] for axis in story.axes])
    with progress(f"{story.name}, {name}: {stage.n} fresh seeds", len(jobs)) as tick:
        return make_images(stage.engine, request, jobs, stage.run, tick)


def _traces(stage: Stage, story: Story, axis: Axis) -> Traces:
    prompts = dict(story.prompts[axis.name])
    seeds = seed_range(COLLECT, stage.pairs)
    session = stage.session
    about = session.about(command="collect", axis=axis.digest, prompts=prompts, n=len(seeds), capture=[stage.step])
    with progress(f"{axis.name}: latents of {len(prompts)} classes", len(seeds) * len(prompts)) as tick:
        keep, provenance = Keep(stage.folder / "traces" / f"{story.name}-{axis.name}", about), session.model.provenance
        return collect(
            stage.engine, session.request([axis], [stage.step]), axis, prompts, seeds, provenance, keep, tick
        )


def _sweep(
    stage: Stage,
    story: Story,
    name: str,
    directions: DirectionSet,
    called: str,
    beside: tuple[Shift, ...],
) -> dict[str, Any]:
    axis, label, session = stage.axes[name], story.towards[name], stage.session
    target = parse_target("uniform", axis)
    about = session.about(
        command="sweep",
        concept=story.concept,
        axis=axis.digest,
        directions={d.name: d.digest for d in directions.directions},
        beside=[shift.name for shift in beside],
        **{"step": stage.step, "weights": list(WEIGHTS), "n": stage.pilots},
    )
    run = RunFolder(stage.folder / "sweeps" / called, about)
    with progress(f"{story.name}: pilots by {called}", (1 + len(WEIGHTS)) * stage.pilots) as tick:
        made = sweep(
            stage.engine,
            session.request([stage.axes[other] for other in story.axes]),
            story.concept,
            session.asked(story.concept),
            directions,
            label,
            axis,
            [stage.step],
            WEIGHTS,
            seed_range(PILOT, stage.pilots),
            target,
            run,
            tick,
            beside=beside,
        )
    about_it = {"concept": story.concept, "n": stage.pilots, "name": called, "beside": [s.name for s in beside]}
    result = {**sweep_json(made, axis, label, target), **about_it}
    run.finish(made.order, {**result, **session.results(story.concept)})
    return result
