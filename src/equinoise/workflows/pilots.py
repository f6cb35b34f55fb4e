"""The pilots of a plan: images in a run folder, looked at on their way where draws may be selected.

Beside the images the folder keeps in `early/` what each pilot looked like on its way, those too that ended there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.engine import Engine, Job, Request, Result
from equinoise.engine.images import AT_ONCE, Tick, make_images
from equinoise.engine.jobs import Halted, Preview
from equinoise.engine.selecting import beginning, halted
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.models.base import step_at
from equinoise.planning.basis import Basis
from equinoise.planning.candidates import Price
from equinoise.planning.early_stopping import EarlyStopping, goes_on
from equinoise.planning.exploration import explore
from equinoise.planning.optimise import Chosen, Selecting, Settings, summary
from equinoise.planning.pilots import Pilot
from equinoise.planning.response import Array
from equinoise.run import Record, RunFolder
from equinoise.understanding.counts import likeliest
from equinoise.understanding.targets import Target
from equinoise.workflows.settings import Session

LOOKS = (0.1, 0.2, 0.3)
"""Fractions of a run at which pilots are looked at: steps 5, 10 and 15 of 50."""


def draw_pilots(
    session: Session,
    engine: Engine,
    concept: str,
    targets: Sequence[Target],
    basis: Basis,
    seeds: Sequence[int],
    pilots: int,
    precision: float,
    selection: bool,
    folder: Path,
    more: Mapping[str, Any],
    tick: Tick,
) -> Chosen:
    """Draw pilots from the seeds, as many as come to `pilots` images, and choose the mixture.

    `more` is what else the record of the run says.

    Raises:
        EquinoiseError: too few pilots, or the folder holds those of another plan.
    """
    axes = list({axis.name: axis for target in targets for axis in target.axes}.values())
    looks = _looks(session) if selection else ()
    about = session.about(
        command="plan",
        concept=concept,
        axes={axis.name: axis.digest for axis in axes},
        targets={target.name: dict(target.shares) for target in targets},
        directions={d.name: d.digest for d in basis.directions},
        pilots=pilots,
        looks=list(looks),
        **more,
    )
    run, order = RunFolder(folder, about), list[str]()
    pilot_run = _PilotRun(session, engine, tuple(axes), looks, run, tick)

    def draw(wanted: Sequence[tuple[Array, int]], early_stopping: EarlyStopping | None) -> list[Pilot]:
        jobs = [Job(str(seed), concept, seed, basis.intervention(arm)) for arm, seed in wanted]
        seen = list[Pilot]()
        for start in range(0, len(jobs), AT_ONCE):
            part = jobs[start : start + AT_ONCE]
            seen += pilot_run.looked(part, early_stopping) if early_stopping else pilot_run.whole(part)
        order.extend(job.id for job in jobs if job.id in run.records)
        return seen

    price = Price(session.calls, session.model.resumable)
    selecting = Selecting(price, session.detector.name) if looks else None
    settings = Settings(pilots, precision=precision, selecting=selecting)
    chosen = explore(targets, basis, draw, seeds, settings, session.reader.confusions)
    run.finish(order, {"pilots": summary(chosen), **session.results(concept)})
    return chosen


def _looks(session: Session) -> tuple[int, ...]:
    """The steps at which pilots are looked at; none of the last, when nothing is left to be saved."""
    steps = dict.fromkeys(step_at(fraction, session.sampling.steps) for fraction in LOOKS)
    return tuple(step for step in steps if step < session.calls - 1)


@dataclass(frozen=True, eq=False)
class _OnItsWay:
    """What a pilot was before its end, by step: axis → class → probability, and latents."""

    predicted: Mapping[int, Mapping[str, Mapping[str, float]]]
    latents: Mapping[int, NDArray[np.float16]]


@dataclass(frozen=True)
class _PilotRun:
    """Makes pilots and keeps them."""

    session: Session
    engine: Engine
    axes: tuple[Axis, ...]
    looks: tuple[int, ...]
    run: RunFolder
    tick: Tick

    @property
    def request(self) -> Request:
        """Whole images, looked at on their way."""
        found = self.session.request(list(self.axes), self.looks)
        return replace(found, preview=Preview(self.looks, self.axes, self.session.detector)) if self.looks else found

    def whole(self, jobs: Sequence[Job]) -> list[Pilot]:
        """All of them to their end."""
        records = self._made(self.request, jobs)
        early = [self._early(job) if self.looks else None for job in jobs]
        return [self._pilot(job, record, seen) for job, record, seen in zip(jobs, records, early, strict=True)]

    def looked(self, jobs: Sequence[Job], early_stopping: EarlyStopping) -> list[Pilot]:
        """Begun, and gone on with where their classes are not certain, or to see whether they are what was told."""
        held = self._begun([job for job in jobs if not self._done(job, early_stopping)], early_stopping.step)
        early = {job.id: self._early(job) for job in jobs}
        told = {job.id: early_stopping.tell(early[job.id].predicted[early_stopping.step]) for job in jobs}
        going = [job for job in jobs if told[job.id] is None or goes_on(job.seed)]
        rest = replace(self.request, capture=(), preview=None)
        records = {r.id: r for r in self._made(rest, [replace(job, held=held.get(job.id)) for job in going])}
        part = (early_stopping.step + 1) / self.session.calls
        self.tick(round(part * (len(jobs) - len(going))))
        found = []
        for job in jobs:
            said = told[job.id]
            seen = replace(self._pilot(job, records.get(job.id), early[job.id]), told=said)
            if said is not None and job.id not in records:
                seen = replace(seen, labels=said, fair=False, took=part)
            elif not goes_on(job.seed):  # one is not certain of it, and such runs lose the concept more often
                seen = replace(seen, faithful=None, fair=False)
            found.append(seen)
        return found

    def _begun(self, jobs: Sequence[Job], step: int) -> dict[str, Halted]:
        """What they go on from, by job; what was seen of them is kept."""
        held = {}
        for result in self.engine.run(beginning(self.request), jobs):
            self._keep(result)
            held[result.job.id] = halted(result, step)
        return held

    def _done(self, job: Job, early_stopping: EarlyStopping) -> bool:
        """Whether nothing is left to be computed: it is made, or was begun and ends there."""
        if job.id in self.run.records:
            return True
        if goes_on(job.seed) or not self._file(job.id).exists():
            return False
        return early_stopping.tell(self._early(job).predicted[early_stopping.step]) is not None

    def _made(self, request: Request, jobs: Sequence[Job]) -> list[Record]:
        keep = [self._keep] if request.preview else []
        records = make_images(self.engine, request, jobs, self.run, self.tick, *keep)
        for job, record in zip(jobs, records, strict=True):
            self._require(record.intervention, job)
        return records

    def _require(self, intervention: str, job: Job) -> None:
        if intervention != job.name:
            raise EquinoiseError(
                f"{self.run.path} holds pilots of another version of equinoise; remove it and go again"
            )

    def _pilot(self, job: Job, record: Record | None, early: _OnItsWay | None) -> Pilot:
        labels = {axis.name: record.labels[axis.name] for axis in self.axes} if record else {}
        asked = self.session.asked(job.prompt)
        faithful = likeliest(record, "role") == asked if asked and record else None
        return Pilot(labels, faithful, early.predicted, early.latents) if early else Pilot(labels, faithful)

    def _early(self, job: Job) -> _OnItsWay:
        """What `_keep` kept."""
        kept, about = read_arrays(self._file(job.id))
        self._require(about["intervention"], job)
        predicted = {int(step): found for step, found in about["predicted"].items()}
        return _OnItsWay(predicted, {int(step): array for step, array in kept.items()})

    def _file(self, job: str) -> Path:
        return self.run.path / "early" / f"{job}.safetensors"

    def _keep(self, result: Result) -> None:
        """Its latents, in half precision, and what was read off its predicted images."""
        latents = {str(step): array.astype(np.float16) for step, array in result.latents.items()}
        predicted = {str(step): read for step, read in result.previews.items()}
        write_arrays(self._file(result.job.id), latents, {"intervention": result.job.name, "predicted": predicted})
