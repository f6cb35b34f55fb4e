"""`audit`: generate images of one or more concepts and count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equinoise.axes import load_axis
from equinoise.console import progress
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.errors import EquinoiseError
from equinoise.run import RunFolder
from equinoise.seeds import seed_range
from equinoise.session import Session, require_concepts, targets_of
from equinoise.understanding import audit


def audit_model(
    session: Session,
    concepts: Sequence[str],
    axes: Sequence[str],
    targets: Sequence[str],
    n: int,
    seed: int,
    out: Path | None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """The audit object over n images of each concept, on the same seeds."""
    loaded = {axis.name: axis for axis in map(load_axis, axes)}
    if len(loaded) < len(axes):
        raise EquinoiseError("an axis is given twice; give each once")
    wanted = targets_of(targets, loaded)
    seeds = seed_range(seed, n)
    jobs = [
        Job(f"{index}-{seed}", concept, seed)
        for index, concept in enumerate(require_concepts(concepts))
        for seed in seeds
    ]
    if dry_run:
        return session.estimate(len(jobs), session.sampling.steps)
    about = session.about(
        command="audit",
        concepts=list(concepts),
        axes={name: axis.digest for name, axis in loaded.items()},
        targets=wanted,
        n=n,
        seed=seed,
    )
    run = RunFolder(out, about) if out else None
    with Engine(session.workers, session.spec.device) as engine, progress("audit", len(jobs)) as tick:
        records = make_images(engine, session.request(list(loaded.values())), jobs, run, tick)
    asked = {concept: session.asked(concept) for concept in concepts}
    result = audit(records, list(loaded.values()), wanted, asked).to_json()
    if run:
        run.finish([job.id for job in jobs], {**result, **session.results(concepts[0])})
    return result
