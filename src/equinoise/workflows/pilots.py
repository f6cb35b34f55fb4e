"""The pilots of a plan: images in a run folder, read during their runs where rejection sampling may be used.

Beside the images the folder keeps in `early/` what was read of each pilot during its run, also of those that were
stopped early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equinoise.engine import Job, JobResult, Request
from equinoise.engine.images import AT_ONCE, make_images
from equinoise.engine.jobs import Preview
from equinoise.errors import EquinoiseError
from equinoise.files import clean_leftovers, digest_of, read_arrays, typed, write_arrays
from equinoise.models.base import step_at
from equinoise.planning.basis import Array
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.planning.exploration import explore
from equinoise.planning.optimise import Problem, Solution
from equinoise.planning.pilots import Pilot
from equinoise.progress import Tick, progress
from equinoise.run import ROLE, Record, RunFolder
from equinoise.runtime.making import Maker, warn_of_no_pictures
from equinoise.runtime.model import Model
from equinoise.schemas import Probability
from equinoise.understanding.counts import likeliest

EARLY = "early"
EARLY_CHECKS = (0.1, 0.2, 0.3)
"""Fractions of a run at which pilots are read: steps 5, 10 and 15 of 50."""


@dataclass(frozen=True, eq=False)
class _EarlyReading:
    """What a pilot was during its run, by step: axis → class → probability, and latents."""

    predicted: Mapping[int, Mapping[str, Mapping[str, float]]]
    latents: Mapping[int, NDArray[np.float16]]


@dataclass(frozen=True)
class _EarlyAbout:
    """What the file of a pilot says beside its latents, and a hash of them."""

    intervention: str
    predicted: Mapping[int, Mapping[str, Mapping[str, Probability]]]
    sha256: str


@dataclass(frozen=True, eq=False)
class PilotRun:
    """Makes the pilots of a problem for a concept and keeps them.

    Attributes:
        checks: the steps at which they are read; none without rejection sampling.
    """

    maker: Maker
    concept: str
    problem: Problem
    checks: tuple[int, ...]
    run: RunFolder

    @staticmethod
    def check_steps(model: Model) -> tuple[int, ...]:
        """The steps at which pilots may be read; never the last one, when nothing is left to be saved."""
        steps = dict.fromkeys(step_at(fraction, model.sampling.steps) for fraction in EARLY_CHECKS)
        return tuple(step for step in steps if step < model.calls - 1)

    def explore(self, seeds: Sequence[int]) -> Solution:
        """Pilots from the seeds, as many as come to the budget, and the mixture that they lead to.

        Raises:
            EquinoiseError: too few pilots, or the folder holds those of another plan.
        """
        self.maker.model.check_texts([self.concept], self.problem.axes)
        with progress("pilots, at most", self.problem.settings.pilots, self.maker.show) as tick:

            def generate(asked: Sequence[tuple[Array, int]], early_stopping: EarlyStopping | None) -> list[Pilot]:
                basis, pilots = self.problem.basis, list[Pilot]()
                jobs = [Job(str(seed), self.concept, seed, basis.intervention(arm)) for arm, seed in asked]
                for start in range(0, len(jobs), AT_ONCE):
                    part = jobs[start : start + AT_ONCE]
                    pilots += self._stopping(part, early_stopping, tick) if early_stopping else self._whole(part, tick)
                return pilots

            solution = explore(self.problem, generate, seeds)
        model = self.maker.model
        clean_leftovers(self.run.path / EARLY)
        order = [str(seed) for seed in seeds if str(seed) in self.run.records]
        warn_of_no_pictures(self.run.records[key] for key in order)
        role = model.detector.role(self.concept)
        self.run.finish(order, {"pilots": solution.info.to_json()}, model.world_json(), role)
        return solution

    @property
    def _request(self) -> Request:
        """Whole images, read during their runs."""
        axes, model = self.problem.axes, self.maker.model
        found = model.request(axes, self.checks)
        return replace(found, preview=Preview(self.checks, tuple(axes), model.detector.spec)) if self.checks else found

    def _whole(self, jobs: Sequence[Job], tick: Tick) -> list[Pilot]:
        """All of them to their end."""
        if self.checks:  # of pilots that were finished before, what was read of them may be gone
            self._begin([job for job in jobs if job.id in self.run.records and self._kept(job) is None])
        records = self._make(self._request, jobs, tick)
        early = [self._early(job) if self.checks else None for job in jobs]
        return [self._pilot(job, record, seen) for job, record, seen in zip(jobs, records, early, strict=True)]

    def _stopping(self, jobs: Sequence[Job], early_stopping: EarlyStopping, tick: Tick) -> list[Pilot]:
        """Begun, and continued where their classes are not certain, or to see whether the certainty was right."""
        step, calls = early_stopping.step, self.maker.model.calls
        begun = self._begin([job for job in jobs if not self._is_done(job, early_stopping)])
        held = {job: result.held(step) for job, result in begun.items()}
        early = {job.id: self._early(job) for job in jobs}
        certain = {job.id: early_stopping.certain(early[job.id].predicted[step]) for job in jobs}
        going = [job for job in jobs if certain[job.id] is None or EarlyStopping.exempts(job.seed)]
        rest = replace(self._request, capture=(), preview=None)
        continued = self._make(rest, [replace(job, held=held.get(job.id)) for job in going], tick)
        records, part = {record.id: record for record in continued}, (step + 1) / calls
        tick(round(part * (len(jobs) - len(going))))
        found = []
        for job in jobs:
            told = certain[job.id]
            pilot = replace(self._pilot(job, records.get(job.id), early[job.id]), certain=told)
            if told is not None and job.id not in records:
                pilot = replace(pilot, labels=told, unbiased=False, spent=part)
            elif not EarlyStopping.exempts(job.seed):  # the doubtful runs alone, which lose the concept more often
                pilot = replace(pilot, faithful=None, unbiased=False)
            found.append(pilot)
        return found

    def _begin(self, jobs: Sequence[Job]) -> dict[str, JobResult]:
        """The first part of each, by job; what was read is kept."""
        begun = {}
        for result in self.maker.engine.run(self._request.first_part(), jobs):
            self._keep(result)
            begun[result.job.id] = result
        return begun

    def _is_done(self, job: Job, early_stopping: EarlyStopping) -> bool:
        """Whether nothing is left to be computed: it is finished, or was begun and stops there."""
        kept = self._kept(job)
        if kept is None or job.id in self.run.records:
            return kept is not None
        stops = early_stopping.certain(kept.predicted[early_stopping.step]) is not None
        return stops and not EarlyStopping.exempts(job.seed)

    def _make(self, request: Request, jobs: Sequence[Job], tick: Tick) -> list[Record]:
        keep = [self._keep] if request.preview else []
        records = make_images(self.maker.engine, request, jobs, self.run, tick, *keep)
        for job, record in zip(jobs, records, strict=True):
            self._require_same(record.intervention, job)
        return records

    def _require_same(self, intervention: str, job: Job) -> None:
        if intervention != job.name:
            raise EquinoiseError(
                f"{self.run.path} holds pilots of another version of equinoise; remove it and go again"
            )

    def _pilot(self, job: Job, record: Record | None, early: _EarlyReading | None) -> Pilot:
        labels = {axis.name: record.labels[axis.name] for axis in self.problem.axes} if record else {}
        role = self.maker.model.detector.role(job.prompt)
        faithful = likeliest(record, ROLE) == role if role and record else None
        return Pilot(labels, faithful, early.predicted, early.latents) if early else Pilot(labels, faithful)

    def _early(self, job: Job) -> _EarlyReading:
        """What `_keep` kept.

        Raises:
            EquinoiseError: it was removed or damaged meanwhile.
        """
        kept = self._kept(job)
        if kept is None:
            raise EquinoiseError(f"{self._file(job.id)} is gone; run the same command again, which makes it again")
        return kept

    def _kept(self, job: Job) -> _EarlyReading | None:
        """What `_keep` kept; None where nothing was, or where it is gone, damaged or not of these checks.

        Raises:
            EquinoiseError: it is of another version of equinoise.
        """
        try:
            arrays, about = read_arrays(self._file(job.id))
            kept = typed(_EarlyAbout, about, str(self._file(job.id)))
        except EquinoiseError:
            return None
        self._require_same(kept.intervention, job)
        found = _EarlyReading(kept.predicted, {int(step): array for step, array in arrays.items() if step.isdecimal()})
        axes = {axis.name for axis in self.problem.axes}
        whole = set(found.latents) == set(self.checks) and all(axes <= set(read) for read in found.predicted.values())
        return found if whole and kept.sha256 == digest_of(arrays) else None

    def _file(self, job: str) -> Path:
        return self.run.path / EARLY / f"{job}.safetensors"

    def _keep(self, result: JobResult) -> None:
        """The latents, in half precision, and what was read off the predicted images."""
        latents = {str(step): array.astype(np.float16) for step, array in result.latents.items()}
        predicted = {str(step): read for step, read in result.previews.items()}
        about = {"intervention": result.job.name, "predicted": predicted, "sha256": digest_of(latents)}
        write_arrays(self._file(result.job.id), latents, about)
