"""Make the images of a list of jobs: into a run folder, where a run that was cut off goes on, or only their records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from equinoise.detectors import read_label
from equinoise.engine.jobs import Job, Request, Result
from equinoise.engine.local import Engine
from equinoise.engine.selecting import select
from equinoise.run import Record, RunFolder

AT_ONCE = 1024
"""Images whose draws are selected before any of them is made: what is lost where a run is cut off meanwhile."""

Tick = Callable[[int], None]
"""Called with the number of images that have just been finished."""


def make_images(
    engine: Engine,
    request: Request,
    jobs: Sequence[Job],
    run: RunFolder | None = None,
    tick: Tick = lambda _: None,
    also: Callable[[Result], None] = lambda _: None,
) -> list[Record]:
    """The records of all jobs, in their order; only what the run does not hold yet is computed.

    `also` is called with each new result before its record is kept.
    """
    done = dict(run.records) if run else {}
    tick(sum(job.id in done for job in jobs))
    for result in _results(engine, request, [job for job in jobs if job.id not in done]):
        record = _record(request, result)
        also(result)
        if run and result.image is not None:
            run.add(record, result.image)
        done[record.id] = record
        tick(1)
    return [done[job.id] for job in jobs]


def _results(engine: Engine, request: Request, jobs: Sequence[Job]) -> Iterator[Result]:
    yield from engine.run(request, [job for job in jobs if not job.keep])
    choosy = [job for job in jobs if job.keep]
    for start in range(0, len(choosy), AT_ONCE):
        yield from engine.run(request, select(engine, request, choosy[start : start + AT_ONCE]))


def _record(request: Request, result: Result) -> Record:
    spec = request.detector
    return Record(
        result.job.id,
        result.job.prompt,
        result.job.seed,
        result.job.name,
        result.detections,
        {axis: read_label(found, spec.threshold(axis) if spec else 0.0) for axis, found in result.detections.items()},
        draws=[asdict(draw) for draw in result.job.draws] or None,
    )
