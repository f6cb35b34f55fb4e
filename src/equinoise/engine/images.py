"""Make the images of a list of jobs: into a run folder, where a run that was cut off goes on, or only their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from equinoise.detectors import read_label
from equinoise.engine.jobs import Job, Request, Result
from equinoise.engine.local import Engine
from equinoise.run import UNTOUCHED, Record, RunFolder

Tick = Callable[[int], None]
"""Called with the number of images that have just been finished."""


def make_images(
    engine: Engine, request: Request, jobs: Sequence[Job], run: RunFolder | None = None, tick: Tick = lambda _: None
) -> list[Record]:
    """The records of all jobs, in their order; only what the run does not hold yet is computed."""
    done = dict(run.records) if run else {}
    tick(sum(job.id in done for job in jobs))
    for result in engine.run(request, [job for job in jobs if job.id not in done]):
        record = _record(request, result)
        if run and result.image is not None:
            run.add(record, result.image)
        done[record.id] = record
        tick(1)
    return [done[job.id] for job in jobs]


def _record(request: Request, result: Result) -> Record:
    spec = request.detector
    return Record(
        result.job.id,
        result.job.prompt,
        result.job.seed,
        result.job.change.name if result.job.change else UNTOUCHED,
        result.detections,
        {axis: read_label(found, spec.threshold(axis) if spec else 0.0) for axis, found in result.detections.items()},
    )
