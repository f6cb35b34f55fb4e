"""Make the images of a list of jobs: into a run that is kept and resumed, or only their records."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from PIL import Image

from equinoise.detectors import read_label
from equinoise.engine.jobs import Job, JobResult, Request
from equinoise.engine.local import Engine
from equinoise.engine.rejection import sample_by_rejection
from equinoise.files import readable
from equinoise.no_picture import require_pictures
from equinoise.run import Record

AT_ONCE = 1024
"""Images whose noise is chosen by rejection sampling before any of them is finished: what a cut-off run loses."""

Tick = Callable[[int], None]
"""Called with the number of images that have just been finished."""


class ImageStore(Protocol):
    """Where finished images go: a run folder, or the memory of this process."""

    @property
    def records(self) -> Mapping[str, Record]:
        """Id → record of every image that is there already."""

    def add(self, record: Record, image: Image.Image) -> None:
        """Keep one image."""


def make_images(
    engine: Engine,
    request: Request,
    jobs: Sequence[Job],
    run: ImageStore | None = None,
    tick: Tick = lambda _: None,
    also: Callable[[JobResult], None] = lambda _: None,
) -> list[Record]:
    """The records of all jobs, in the order of the jobs; only images that the run does not hold yet are computed.

    `also` is called with each new result before its record is kept.

    Raises:
        EquinoiseError: no image is a picture, since the model's numbers were not finite.
    """
    known = run.records if run else {}
    done = {job.id: known[job.id] for job in jobs if job.id in known and _is_of(known[job.id], job, request)}
    tick(sum(job.id in done for job in jobs))
    with closing(_results(engine, request, [job for job in jobs if job.id not in done])) as results:
        for result in results:
            record = _record(request, result)
            also(result)
            if run and result.image is not None:
                run.add(record, result.image)
            done[record.id] = record
            tick(1)
    require_pictures(record.no_picture for record in {**known, **done}.values())
    return [done[job.id] for job in jobs]


def _is_of(record: Record, job: Job, request: Request) -> bool:
    """Whether a record that was read from a file is of this job: one that was tampered with is made again."""
    read = {axis.name for axis in request.axes} if request.detector and request.decode else set()
    return (record.prompt, record.seed) == (readable(job.prompt), job.seed) and read <= set(record.labels)


def _results(engine: Engine, request: Request, jobs: Sequence[Job]) -> Generator[JobResult, None, None]:
    yield from engine.run(request, [job for job in jobs if not job.accept])
    checked = [job for job in jobs if job.accept]
    for start in range(0, len(checked), AT_ONCE):
        yield from engine.run(request, sample_by_rejection(engine, request, checked[start : start + AT_ONCE]))


def _record(request: Request, result: JobResult) -> Record:
    job, spec = result.job, request.detector
    return Record(
        id=job.id,
        prompt=job.prompt,
        seed=job.seed,
        intervention=f"{request.change.name}: {job.wanted}" if request.change else job.name,
        detections=result.detections,
        labels={a: read_label(found, spec.threshold(a) if spec else 0.0) for a, found in result.detections.items()},
        draws=[attempt.to_json() for attempt in job.attempts] or None,
        no_picture=result.no_picture,
    )
