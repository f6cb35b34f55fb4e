"""`collect`: the latents of every class of an axis from the same seeds, or of one concept with its classes detected."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.detectors import read_label
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Job, JobResult, Request
from equinoise.errors import EquinoiseError, warn
from equinoise.files import clean_leftovers, digest_of, read_arrays, read_json, typed, write_arrays, write_json
from equinoise.models.base import NOISE, Step, default_capture, require_steps, step_at
from equinoise.no_picture import NoPicture, describe, require_pictures
from equinoise.progress import progress as progress_bar
from equinoise.prompts import choose_prompts
from equinoise.run import environment, read_run_file, require_empty, require_same, run_file, write_run_file
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import Maker, making
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.schemas import Probability
from equinoise.seeds import COLLECT, DETECTED, seed_range


def collect(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    axis: str | Axis,
    *,
    concept: str | None = None,
    prompts: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    labels: str = "prompted",
    n: int = 50,
    capture: Sequence[Step | float] | None = None,
    detector: str | DetectorSettings | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> Traces:
    """Latents of every class of an axis from the same n seeds, at the captured steps; nothing is decoded.

    Args:
        model: as `load` gives it.
        axis: by name, by .toml file, or declared in Python.
        concept: a neutral prompt; the prompts that name the classes are made from it (`prompts.class_prompts`).
        prompts: class → prompt, in place of those made from the concept or of the axis's own.
        classes: only these.
        labels: `prompted`, the prompt sets the class; or `detected`: images of the concept are made to the end and read
            by the detector. That is the only way to a direction at step T, the noise itself, which is the same for
            every class where the prompt sets it.
        n: images a class (of the concept where classes are detected).
        capture: `T`, steps, or fractions of the run such as 0.2; default steps 0, 5, … 45 of 50, as fractions.
        detector, out, engine, progress: as of `audit`.
        seed: the first seed; each way has a range of its own.

    Raises:
        EquinoiseError: no such axis, class or step, an argument that makes no sense, or fewer than two classes seen.
    """
    axis = load_axis(axis) if isinstance(axis, str) else axis
    model = model.reading_with(detector, [axis])
    named = None if concept is None else require_concepts(concept)[0]
    asked = Collecting.asking(model, axis, named, prompts, classes, labels, capture)
    seeds = seed_range((DETECTED if asked.detected else COLLECT) if seed is None else seed, n)
    about = {"command": "collect", **asked.to_json(), "n": n, "seed": seeds[0], **model.to_json()}
    folder = TraceFolder(Path(out), about) if out is not None else None
    with making(model, engine, progress) as maker:
        return asked.run(maker, seeds, folder)


def collect_cost(asked: Collecting, model: Model, n: int, workers: int | None = None) -> Estimate:
    """What a collection would take."""
    return model.estimate(asked.images(n), asked.calls(model), workers)


@dataclass(frozen=True)
class Collecting:
    """What is collected: prompts by class, or one concept whose classes are detected; and where latents are captured.

    Attributes:
        prompts: class → prompt; the same prompt for every class where classes are detected.
        note: which prompts these are and why, in one line.
    """

    axis: Axis
    prompts: Mapping[str, str]
    capture: tuple[Step, ...]
    detected: bool = False
    note: str = ""

    @classmethod
    def asking(
        cls,
        model: Model,
        axis: Axis,
        concept: str | None,
        prompts: Mapping[str, str] | None,
        classes: Sequence[str] | None,
        labels: str,
        capture: Sequence[Step | float] | None,
    ) -> Collecting:
        """The question of the verb `collect`.

        Raises:
            EquinoiseError: it makes no sense.
        """
        total = model.sampling.steps
        steps = default_capture(total) if capture is None else [_step(step, total) for step in capture]
        require_steps(steps, model.calls)
        if labels not in ("prompted", "detected"):
            raise EquinoiseError(f"--labels {labels}: use prompted or detected")
        if labels == "prompted":
            found = choose_prompts(axis, concept, prompts, classes)
            return cls(axis, found.prompts, tuple(steps), note=found.note)
        if not (concept and concept.strip()):
            raise EquinoiseError("--labels detected needs the neutral prompt to draw: --concept 'a photo of a doctor'")
        if prompts or classes:
            raise EquinoiseError("--labels detected draws --concept only; leave out --prompt and --classes")
        return cls(axis, dict.fromkeys(axis.classes, concept), tuple(steps), detected=True)

    def images(self, n: int) -> int:
        """Images of a collection on n seeds."""
        return n if self.detected else n * len(self.prompts)

    def calls(self, model: Model) -> int:
        """Denoiser calls an image: to the end where classes are detected, else to the last captured step."""
        if self.detected:
            return model.calls
        return max((int(step) + 1 for step in self.capture if step != NOISE), default=0)

    def to_json(self) -> dict[str, Any]:
        """For the record of a run."""
        return {
            "axis": {self.axis.name: self.axis.digest},
            "labels": "detected" if self.detected else "prompted",
            "concept": next(iter(self.prompts.values())) if self.detected else None,
            "prompts": None if self.detected else dict(self.prompts),
            "capture": list(self.capture),
        }

    def run(self, maker: Maker, seeds: Sequence[int], folder: TraceFolder | None = None) -> Traces:
        """The traces; a folder resumes a collection that was cut off.

        Raises:
            EquinoiseError: the folder holds something else, or fewer than two classes were detected.
        """
        if folder and (found := folder.complete()):
            return found
        concepts = list(self.prompts.values())[:1] if self.detected else list(self.prompts.values())
        names = [""] if self.detected else [f"{label}-" for label in self.prompts]
        jobs = [
            Job(f"{name}{seed}", prompt, seed) for name, prompt in zip(names, concepts, strict=True) for seed in seeds
        ]
        maker.model.check_texts(concepts, [self.axis] if self.detected else [])
        request = maker.model.request([self.axis], self.capture)
        request = (
            replace(request, axes=(self.axis,))
            if self.detected
            else replace(request, decode=False, detector=None, axes=())
        )
        with progress_bar(f"{self.axis.name}: latents", len(jobs), maker.show) as tick:
            results = folder.load(jobs, request) if folder else {}
            tick(len(results))
            for result in maker.engine.run(request, [job for job in jobs if job.id not in results]):
                results[result.job.id] = replace(result, image=None)
                if folder:
                    folder.keep(result)
                tick(1)
        traces = self._traces(maker.model, request, [results[job.id] for job in jobs], len(seeds))
        if folder:
            folder.finish(traces)
        return traces

    def _traces(self, model: Model, request: Request, results: Sequence[JobResult], n: int) -> Traces:
        labels = [index for index in range(len(self.prompts)) for _ in range(n)]
        if self.detected:
            reasons = [result.no_picture for result in results]
            require_pictures(reasons)
            if said := describe(reasons, "left out"):
                warn(said)
            threshold = model.detector.spec.threshold(self.axis.name)
            read = [read_label(result.detections[self.axis.name], threshold) for result in results]
            results = [result for result, label in zip(results, read, strict=True) if label != UNCLEAR]
            labels = [self.axis.classes.index(label) for label in read if label != UNCLEAR]
            if len(set(labels)) < 2:
                concept = next(iter(self.prompts.values()))
                raise EquinoiseError(
                    f"{n} images of '{concept}' show one class of '{self.axis.name}' only; draw more, into another "
                    "folder"
                )
        _require_finite(results)
        return Traces(
            axis=self.axis.name,
            classes=tuple(self.prompts),
            ordered=self.axis.ordered,
            prompts=dict(self.prompts),
            labels=np.array(labels, np.int64),
            seeds=np.array([result.job.seed for result in results], np.int64),
            latents={step: np.stack([r.latents[step] for r in results]).astype(np.float16) for step in request.capture},
            detected=self.detected,
            model=model.backend.provenance,
            sampling={"steps": model.sampling.steps, "guidance_scale": model.sampling.guidance_scale},
        )


@dataclass(frozen=True)
class TraceFolder:
    """Where a collection is kept: one small file an image until the traces are written; it resumes if cut off."""

    path: Path
    about: Mapping[str, Any]

    def complete(self) -> Traces | None:
        """The traces, if they are there already; None where they have to be collected, or collected again.

        Raises:
            EquinoiseError: the folder holds another collection, or something else.
        """
        ours = {"about": dict(self.about), "environment": environment()}
        if (self.path / "run.json").exists():
            require_same(self.path, read_run_file(self.path).model_dump(mode="json"), ours)
            try:
                found = Traces.load(self.path)
            except EquinoiseError as error:
                warn(f"{error}: collected again")
                return None
            self._clean()
            return found
        if self._partial.exists():
            require_same(self.path, read_json(self._partial), ours)
        else:
            require_empty(self.path)
        return None

    def load(self, jobs: Sequence[Job], request: Request) -> dict[str, JobResult]:
        """The results of a collection that was cut off, by job; a damaged part counts as one that is not there."""
        found = {}
        for job in jobs:
            with suppress(EquinoiseError):
                part = self._file(job.id)
                arrays, about = read_arrays(part)
                kept = typed(_Part, about, str(part))
                told, steps = {axis.name for axis in request.axes}, {str(step): step for step in request.capture}
                if kept.sha256 == digest_of(arrays) and set(arrays) == set(steps) and told <= set(kept.read):
                    latents = {steps[name]: array for name, array in arrays.items()}
                    found[job.id] = JobResult(job, None, latents, kept.read, no_picture=kept.no_picture)
        return found

    def keep(self, result: JobResult) -> None:
        """Keep one finished result."""
        if not self._partial.exists():
            write_json(self._partial, {"about": dict(self.about), "environment": environment()})
        arrays = {str(step): latents for step, latents in result.latents.items()}
        about = {"read": result.detections, "no_picture": result.no_picture, "sha256": digest_of(arrays)}
        write_arrays(self._file(result.job.id), arrays, about)

    def _file(self, job: str) -> Path:
        """A class may be called anything, also `a/b`; the file of its part lies in the folder of parts."""
        return self.path / "parts" / f"{quote(job, safe=' ')[:100]}-{sha256(job.encode()).hexdigest()[:8]}.safetensors"

    def finish(self, traces: Traces) -> None:
        """Write the traces and, last, `run.json`; drop the parts."""
        traces.save(self.path)
        write_run_file(self.path, run_file(self.about, {}))
        self._clean()

    @property
    def _partial(self) -> Path:
        return self.path / "collect.partial.json"

    def _clean(self) -> None:
        shutil.rmtree(self.path / "parts", ignore_errors=True)
        self._partial.unlink(missing_ok=True)
        clean_leftovers(self.path)


@dataclass(frozen=True)
class _Part:
    """What a part says beside its latents: what was read off the image, and a hash of the latents."""

    read: Mapping[str, Mapping[str, Probability]]
    sha256: str
    no_picture: NoPicture | None = None


def _require_finite(results: Sequence[JobResult]) -> None:
    lost = sum(not all(np.isfinite(latents).all() for latents in result.latents.values()) for result in results)
    if lost:
        raise EquinoiseError(
            f"the latents of {lost} of {len(results)} images are not finite numbers, from which no direction can be "
            "fitted; use --dtype float32, into another folder"
        )


def _step(step: Step | float, total: int) -> Step:
    return step_at(step, total) if isinstance(step, float) else step
