"""Collect traces: the latents of every class from the same seeds, or of one concept with its classes detected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from equinoise.axes import Axis
from equinoise.detectors import UNCLEAR, read_label
from equinoise.engine import Engine, Job, Request, Result
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, read_json, write_arrays, write_json
from equinoise.mitigation.trace import Traces
from equinoise.models.base import NOISE
from equinoise.run import environment

Tick = Callable[[int], None]


def collect(
    engine: Engine,
    request: Request,
    axis: Axis,
    prompts: Mapping[str, str],
    seeds: Sequence[int],
    provenance: Mapping[str, Any],
    folder: Path | None = None,
    tick: Tick = lambda _: None,
) -> Traces:
    """Traces of every class from the same seeds; the prompt sets the class.

    Generation stops after the last captured step and nothing is decoded.
    """
    jobs = [Job(f"{label}-{seed}", prompts[label], seed) for label in prompts for seed in seeds]
    classes = list(prompts)
    labels = {job.id: classes.index(job.id.rsplit("-", 1)[0]) for job in jobs}
    stopped = replace(request, decode=False, detector=None, axes=())
    results = _run(engine, stopped, jobs, axis.name, folder, tick)
    return _traces(axis, tuple(classes), prompts, stopped, provenance, results, labels, detected=False)


def collect_detected(
    engine: Engine,
    request: Request,
    axis: Axis,
    concept: str,
    seeds: Sequence[int],
    provenance: Mapping[str, Any],
    folder: Path | None = None,
    tick: Tick = lambda _: None,
) -> Traces:
    """Traces of one neutral concept, drawn to the end and labelled by the detector; unclear images are left out.

    The only way to a direction at step T: where the prompt sets the class, the noise cannot tell it.

    Raises:
        EquinoiseError: fewer than two classes were seen.
    """
    if request.detector is None:
        raise EquinoiseError("labels can only be detected with a detector; give --detector")
    jobs = [Job(f"{seed}", concept, seed) for seed in seeds]
    results = _run(engine, replace(request, decode=True, axes=(axis,)), jobs, axis.name, folder, tick)
    read = {r.job.id: read_label(r.detections[axis.name], request.detector.unclear_below) for r in results}
    clear = [result for result in results if read[result.job.id] != UNCLEAR]
    labels = {result.job.id: axis.classes.index(read[result.job.id]) for result in clear}
    if len(set(labels.values())) < 2:
        raise EquinoiseError(f"{len(seeds)} images of '{concept}' show one class of '{axis.name}' only; raise -n")
    prompts = dict.fromkeys(axis.classes, concept)
    return _traces(axis, axis.classes, prompts, request, provenance, clear, labels, detected=True)


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


def _run(
    engine: Engine, request: Request, jobs: Sequence[Job], axis: str, folder: Path | None, tick: Tick
) -> list[Result]:
    """All results in the order of the jobs; a folder keeps those of a collection that was cut off."""
    done = _Parts(folder, request, jobs, axis) if folder else None
    results = done.load(jobs) if done else {}
    tick(len(results))
    for result in engine.run(request, [job for job in jobs if job.id not in results]):
        results[result.job.id] = replace(result, image=None)
        if done:
            done.add(result)
        tick(1)
    return [results[job.id] for job in jobs]


class _Parts:
    """One small file a finished image, until the traces are written."""

    def __init__(self, folder: Path, request: Request, jobs: Sequence[Job], axis: str) -> None:
        self.folder = folder / "parts"
        asked = {
            "axis": axis,
            "model": request.model.name,
            "steps": request.sampling.steps,
            "jobs": [j.id for j in jobs],
            "prompts": sorted({j.prompt for j in jobs}),
            "guidance_scale": request.sampling.guidance_scale,
            "capture": list(request.capture),
            "batch_size": request.batch_size,
            "environment": environment(),
        }
        plan = folder / "collect.partial.json"
        if plan.exists():
            if read_json(plan) != json.loads(json.dumps(asked)):
                raise EquinoiseError(f"{folder} holds another collection that was cut off; choose another -o")
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise EquinoiseError(f"{folder} exists and is not empty; choose another folder with -o")
        else:
            write_json(plan, asked)

    def add(self, result: Result) -> None:
        arrays = {str(step): latents for step, latents in result.latents.items()}
        write_arrays(self.folder / f"{result.job.id}.safetensors", arrays, result.detections)

    def load(self, jobs: Sequence[Job]) -> dict[str, Result]:
        found = {}
        for job in jobs:
            path = self.folder / f"{job.id}.safetensors"
            if path.exists():
                arrays, detections = read_arrays(path)
                latents = {step if step == NOISE else int(step): array for step, array in arrays.items()}
                found[job.id] = Result(job, None, latents, detections)
        return found


def keep_traces(traces: Traces, folder: Path, about: Mapping[str, Any]) -> None:
    """Write the traces and what was asked, whole, and drop the parts."""
    traces.save(folder)
    write_json(folder / "run.json", {"about": dict(about), "environment": environment()})
    for part in (folder / "parts").glob("*"):
        part.unlink()
    if (folder / "parts").is_dir():
        (folder / "parts").rmdir()
    (folder / "collect.partial.json").unlink(missing_ok=True)
