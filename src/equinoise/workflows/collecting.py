"""Collect traces: the latents of every class from the same seeds, or of one concept with its classes detected."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from equinoise.axes import UNCLEAR, Axis
from equinoise.detectors import read_label
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Job, Request, Result
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays, write_json
from equinoise.models.base import NOISE, Step
from equinoise.run import environment, require_empty, require_same

Tick = Callable[[int], None]


@dataclass(frozen=True)
class Keep:
    """Where a collection is kept, and what it is of: one that was cut off is gone on with only if that is the same."""

    folder: Path
    about: Mapping[str, Any]

    @property
    def description(self) -> dict[str, Any]:
        """What is written beside the traces."""
        return {"about": dict(self.about), "environment": environment()}

    def complete(self) -> bool:
        """Whether the traces are there already.

        Raises:
            EquinoiseError: the folder holds another collection, or something else.
        """
        if (self.folder / "run.json").exists():
            require_same(self.folder, self.folder / "run.json", self.description)
            _clean(self.folder)
            return True
        if _partial(self.folder).exists():
            require_same(self.folder, _partial(self.folder), self.description)
        else:
            require_empty(self.folder)
        return False


def collect(
    engine: Engine,
    request: Request,
    axis: Axis,
    prompts: Mapping[str, str],
    seeds: Sequence[int],
    provenance: Mapping[str, Any],
    keep: Keep | None = None,
    tick: Tick = lambda _: None,
) -> Traces:
    """Traces of every class from the same seeds; the prompt sets the class.

    Generation stops after the last captured step and nothing is decoded.

    Raises:
        EquinoiseError: `keep` names a folder with something else in it.
    """
    if keep and keep.complete():
        return Traces.load(keep.folder)
    classes = list(prompts)
    jobs = [Job(f"{label}-{seed}", prompts[label], seed) for label in classes for seed in seeds]
    labels = {f"{label}-{seed}": index for index, label in enumerate(classes) for seed in seeds}
    stopped = replace(request, decode=False, detector=None, axes=())
    results = _run(engine, stopped, jobs, keep, tick)
    made = _traces(axis, tuple(classes), prompts, stopped, provenance, results, labels, detected=False)
    return _kept(made, keep)


def collect_detected(
    engine: Engine,
    request: Request,
    axis: Axis,
    concept: str,
    seeds: Sequence[int],
    provenance: Mapping[str, Any],
    keep: Keep | None = None,
    tick: Tick = lambda _: None,
) -> Traces:
    """Traces of one neutral concept, drawn to the end and labelled by the detector; unclear images are left out.

    The only way to a direction at step T: where the prompt sets the class, the noise cannot tell it.

    Raises:
        EquinoiseError: fewer than two classes were seen, or as `collect`.
    """
    if request.detector is None:
        raise EquinoiseError("labels can only be detected with a detector; give --detector")
    if keep and keep.complete():
        return Traces.load(keep.folder)
    jobs = [Job(f"{seed}", concept, seed) for seed in seeds]
    results = _run(engine, replace(request, decode=True, axes=(axis,)), jobs, keep, tick)
    read = {r.job.id: read_label(r.detections[axis.name], request.detector.threshold(axis.name)) for r in results}
    clear = [result for result in results if read[result.job.id] != UNCLEAR]
    labels = {result.job.id: axis.classes.index(read[result.job.id]) for result in clear}
    if len(set(labels.values())) < 2:
        raise EquinoiseError(
            f"{len(seeds)} images of '{concept}' show one class of '{axis.name}' only; draw more, into another folder"
        )
    prompts = dict.fromkeys(axis.classes, concept)
    return _kept(_traces(axis, axis.classes, prompts, request, provenance, clear, labels, detected=True), keep)


def _traces(
    axis: Axis,
    classes: tuple[str, ...],
    prompts: Mapping[str, str],
    request: Request,
    provenance: Mapping[str, Any],
    results: Sequence[Result],
    labels: Mapping[str, int],
    detected: bool,
) -> Traces:
    sampling = {"steps": request.sampling.steps, "guidance_scale": request.sampling.guidance_scale}
    return Traces(
        axis.name,
        classes,
        axis.ordered,
        dict(prompts),
        np.array([labels[result.job.id] for result in results], np.int64),
        np.array([result.job.seed for result in results], np.int64),
        {step: np.stack([result.latents[step] for result in results]) for step in request.capture},
        detected,
        provenance,
        sampling,
    )


def _run(engine: Engine, request: Request, jobs: Sequence[Job], keep: Keep | None, tick: Tick) -> list[Result]:
    """All results in the order of the jobs; a folder keeps those of a collection that was cut off."""
    results = _load_parts(keep.folder, jobs) if keep else {}
    tick(len(results))
    for result in engine.run(request, [job for job in jobs if job.id not in results]):
        results[result.job.id] = replace(result, image=None)
        if keep:
            _keep_part(keep, result)
        tick(1)
    return [results[job.id] for job in jobs]


def _keep_part(keep: Keep, result: Result) -> None:
    """One small file a finished image, until the traces are written."""
    if not _partial(keep.folder).exists():
        write_json(_partial(keep.folder), keep.description)
    arrays = {str(step): latents for step, latents in result.latents.items()}
    write_arrays(keep.folder / "parts" / f"{result.job.id}.safetensors", arrays, result.detections)


def _load_parts(folder: Path, jobs: Sequence[Job]) -> dict[str, Result]:
    found = {}
    for job in jobs:
        path = folder / "parts" / f"{job.id}.safetensors"
        if path.exists():
            arrays, detections = read_arrays(path)
            latents: dict[Step, Any] = {s if s == NOISE else int(s): array for s, array in arrays.items()}
            found[job.id] = Result(job, None, latents, detections)
    return found


def _kept(traces: Traces, keep: Keep | None) -> Traces:
    """Write the traces and, last, what was asked; drop the parts."""
    if keep:
        traces.save(keep.folder)
        write_json(keep.folder / "run.json", keep.description)
        _clean(keep.folder)
    return traces


def _clean(folder: Path) -> None:
    shutil.rmtree(folder / "parts", ignore_errors=True)
    _partial(folder).unlink(missing_ok=True)


def _partial(folder: Path) -> Path:
    return folder / "collect.partial.json"
