"""`generate`: images of concepts, their noise shifted by an intervention or by a plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from equinoise.engine import Engine
from equinoise.errors import EquinoiseError
from equinoise.results.images import ImagesResult, MadeImage
from equinoise.run import MemoryRun, RunFolder
from equinoise.runtime.applying import PlanLike, apply_plan
from equinoise.runtime.making import check_interventions, making, warn_of_no_pictures
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.seeds import GENERATE, seed_range
from equinoise.steering.intervention import Intervention, Shift


def generate(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concepts: str | Sequence[str],
    *,
    n: int = 16,
    intervention: Intervention | Shift | None = None,
    plan: PlanLike | None = None,
    out: str | Path | None = None,
    seed: int = GENERATE,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> ImagesResult:
    """Images of one or more concepts; `.images` of the result are the pictures.

    Args:
        model: as `load` gives it.
        concepts: prompts.
        n: images a concept.
        intervention: what is done to the noise of every image.
        plan: what is done to each image instead: a plan, what the verb `plan` gave, or a file.
        out: a run folder; without one the pictures are kept in memory.
        seed, engine, progress: as of `audit`.

    Raises:
        EquinoiseError: an intervention and a plan at once, or one of another model.
    """
    if intervention is not None and plan is not None:
        raise EquinoiseError("give --direction or --plan: a plan says itself which directions each image gets")
    change = Intervention((intervention,)) if isinstance(intervention, Shift) else intervention
    named, seeds = require_concepts(concepts), seed_range(seed, n)
    applied = apply_plan(plan, model, named, seeds, change)
    check_interventions(model, [change] if change else [], seeds)
    about = {
        "command": "generate",
        "concepts": named,
        "directions": {shift.name: shift.direction.digest for shift in change.shifts} if change else {},
        "n": n,
        "seed": seed,
        **({"plan": applied.info.to_json()} if applied.info else {}),
        **model.to_json(),
    }
    run = RunFolder(Path(out), about) if out is not None else MemoryRun(about, n * len(named))
    jobs = [applied.job(f"{i}-{s}", concept, s) for i, concept in enumerate(named) for s in seeds]
    with making(model, engine, progress, applied.early_classifier) as maker:
        records = maker.make("generate", jobs, [], run)
    warn_of_no_pictures(records)
    made = tuple(
        MadeImage(
            file=str(Path(out) / record.file) if out is not None else None,
            seed=record.seed,
            intervention=record.intervention,
            draws=len(record.draws) if record.draws else 1,
            early_checks=len(record.draws or ()),
            no_picture=record.no_picture,
        )
        for record in records
    )
    result = ImagesResult(
        made=made,
        intrusion_nats=applied.kl_nats,
        kl_nats=applied.kl_nats,
        plan=applied.info,
        drawn=applied.attempts(records) if applied.info else None,
    )
    more = {key: value for key, value in result.to_json().items() if key != "images"}
    role = model.detector.role(named[0])
    return result.with_run(run.finish([job.id for job in jobs], more, model.world_json(), role))


def generate_cost(
    model: Model, concepts: Sequence[str], n: int, plan: PlanLike | None, workers: int | None = None
) -> Estimate:
    """What the images would take."""
    named, seeds = require_concepts(concepts), seed_range(GENERATE, n)
    return model.estimate(len(named) * n, apply_plan(plan, model, named, seeds).calls, workers)
