"""How every verb makes its images: an engine, a run, a progress bar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from equinoise.axes import Axis
from equinoise.directions.direction import Direction
from equinoise.engine import Engine, Job, Request
from equinoise.engine.images import make_images
from equinoise.engine.jobs import PipelineChange
from equinoise.errors import warn
from equinoise.no_picture import describe
from equinoise.progress import progress
from equinoise.run import MemoryRun, Record, RunFolder
from equinoise.runtime.model import Model
from equinoise.seeds import overlap
from equinoise.steering.compatibility import check_fit
from equinoise.steering.early_classifier import EarlyClassifier
from equinoise.steering.intervention import Intervention


@dataclass(frozen=True)
class Maker:
    """A model, where its images are made, and whether progress is shown.

    Attributes:
        early_classifier: of a plan that uses rejection sampling.
        change: of the pipeline, beside that of the noise.
    """

    model: Model
    engine: Engine
    show: bool | None = None
    early_classifier: EarlyClassifier | None = None
    change: PipelineChange | None = None

    def request(self, axes: Sequence[Axis]) -> Request:
        """What all jobs have in common, images read on the axes."""
        return replace(self.model.request(axes), early_classifier=self.early_classifier, change=self.change)

    def make(self, title: str, jobs: Sequence[Job], axes: Sequence[Axis], run: RunFolder | MemoryRun) -> list[Record]:
        """The records of all jobs, in their order; only what the run does not hold yet is made."""
        if isinstance(run, MemoryRun):  # the first seeds, each under every concept and intervention
            places = {seed: place for place, seed in enumerate(dict.fromkeys(job.seed for job in jobs))}
            run.announce(job.id for job in sorted(jobs, key=lambda job: places[job.seed]))
        self.model.check_texts([job.prompt for job in jobs], axes)
        with progress(title, len(jobs), self.show) as tick:
            return make_images(self.engine, self.request(axes), jobs, run, tick)


@contextmanager
def making(
    model: Model,
    engine: Engine | None = None,
    show: bool | None = None,
    early_classifier: EarlyClassifier | None = None,
) -> Iterator[Maker]:
    """A maker on the engine given, or on one of this machine that ends with the block."""
    if engine is not None:
        yield Maker(model, engine, show, early_classifier)
        return
    with model.start_engine() as own:
        yield Maker(model, own, show, early_classifier)


def check_interventions(model: Model, interventions: Sequence[Intervention], seeds: Sequence[int]) -> None:
    """Refuse directions of another model; warn of other settings, and of seeds that a direction was fitted on.

    Raises:
        EquinoiseError: a direction of another model or of another shape.
    """
    messages = [text for i in interventions for text in check_fit(i, model.backend, model.sampling)]
    directions: list[Direction] = [shift.direction for i in interventions for shift in i.shifts]
    used = {seed for direction in directions for term in direction.terms for seed in term.origin.seeds}
    shared = overlap(seeds, used)
    for message in dict.fromkeys([*messages, *([shared] if shared else [])]):
        warn(message)


def warn_of_no_pictures(records: Iterable[Record]) -> None:
    """Warn of images that are no pictures: how many, why, and what to do."""
    said = describe(record.no_picture for record in records)
    if said:
        warn(said)
