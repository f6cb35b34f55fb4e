"""A model with its settings: what `load` returns and every verb takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import JsonValue

from equinoise.axes import Axis, catalogue, one_form
from equinoise.detectors.loading import default_detector, warn_of_cut_prompts
from equinoise.encoders.truncation import text_limits, warn_of_cut
from equinoise.engine import Engine, Request
from equinoise.engine.local import cores
from equinoise.errors import EquinoiseError
from equinoise.models import ModelSpec, Sampling, TextToImage, load_model, load_once
from equinoise.models.base import Step, draw_noise
from equinoise.models.loading import require_device
from equinoise.models.memory import find_batch_size
from equinoise.models.pipeline import PipelineModel
from equinoise.models.worlds import World, world
from equinoise.results.base import Value
from equinoise.runtime.detector import CalibratedDetector, DetectorSettings

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from equinoise.run import Json

BATCH = 16


class Estimate(Value):
    """What a command would take: images, denoiser calls, and a time from one timed call of a full batch.

    `cost`: of a plan, the images and calls of each part.
    """

    ABSENT: ClassVar[dict[str, str]] = {"cost": "cost"}

    dry_run: bool = True
    images: int
    denoiser_calls: int
    estimated_seconds: float
    workers: int
    cost: dict[str, JsonValue] | None = None

    def __str__(self) -> str:
        return (
            f"{self.images} images, {self.denoiser_calls} denoiser calls, about {self.estimated_seconds:.0f} s with "
            f"{self.workers} worker(s)"
        )


@dataclass(frozen=True, eq=False)
class Model:
    """A text-to-image model with its settings, and the detector that reads its images unless another is named.

    Attributes:
        spec: by which worker processes load the model.
        backend: the model as this process holds it.
        sampling: denoising steps and guidance scale.
        batch_size: the fixed compute batch, part of the result.
        detector: with its thresholds and known errors.
        live: whether the backend is a pipeline of the user's own, which cannot be sent to another process.
        world: what was planted in a test fixture; None of any other model.
    """

    spec: ModelSpec
    backend: TextToImage
    sampling: Sampling
    batch_size: int
    detector: CalibratedDetector
    live: bool = False
    world: World | None = None

    @property
    def name(self) -> str:
        """By which the model is loaded."""
        return self.spec.name

    @property
    def pipeline(self) -> DiffusionPipeline:
        """The diffusers pipeline.

        Raises:
            AttributeError: the model is none (the mixture).
        """
        return self.backend.pipeline  # type: ignore[attr-defined]

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one image's latents."""
        return self.backend.latent_shape

    @property
    def calls(self) -> int:
        """Denoiser calls of one image to the end."""
        return self.backend.calls(self.sampling.steps)

    def reading_with(self, detector: str | DetectorSettings | None, axes: Sequence[Axis] = ()) -> Model:
        """The same model, its images read by another detector or with other settings; None changes nothing.

        Raises:
            EquinoiseError: no such detector, or a confusion matrix that does not fit.
        """
        if detector is None:
            return self
        asked = DetectorSettings(detector) if isinstance(detector, str) else detector
        named = replace(asked, name=asked.name or self.detector.spec.name)
        return replace(self, detector=CalibratedDetector.open(named, axes, self.spec.device))

    def request(self, axes: Sequence[Axis], capture: Sequence[Step] = ()) -> Request:
        """What all jobs of a verb have in common; the role is read beside the axes where the detector can."""
        return Request(
            self.spec,
            self.sampling,
            self.batch_size,
            capture=tuple(capture),
            detector=self.detector.spec,
            axes=self.detector.read_axes(axes),
        )

    def check_texts(self, prompts: Sequence[str], axes: Sequence[Axis] = ()) -> set[str]:
        """Warn of prompts, and of the detector's prompts on the axes, that are not read to their end; what is cut."""
        if axes:
            warn_of_cut_prompts(self.detector.spec, axes)
        if not isinstance(self.backend, PipelineModel):
            return set()
        return warn_of_cut(prompts, text_limits(self.backend.pipeline), "prompt", "give the same pictures")

    def start_engine(self) -> Engine:
        """This machine, as a verb uses it where no engine is given."""
        return Engine(None, self.spec.device, self.backend if self.live else None)

    def to_json(self) -> dict[str, Any]:
        """Every setting, given or defaulted, for the record of a run."""
        more = {name: getattr(self.spec, name) for name in ("offload", "size")}
        default = ModelSpec(self.spec.name)
        return {
            "model": self.backend.provenance,
            "sampling": {"steps": self.sampling.steps, "guidance_scale": self.sampling.guidance_scale},
            "device": self.spec.device,
            **{name: value for name, value in more.items() if value != getattr(default, name)},
            "batch_size": self.batch_size,
            "threads": 1 if self.spec.device == "cpu" and not self.live else None,
            **self.detector.to_json(),
        }

    def world_json(self) -> Json | None:
        """What was planted, for `run.json`."""
        return self.world.to_json() if self.world else None

    def estimate(self, images: int, calls_each: int, workers: int | None = None) -> Estimate:
        """What so many images would take.

        On a CPU a call is timed on one thread, as workers run, and the batches are shared among the workers.
        """
        number = (workers or cores()) if self.spec.device.startswith("cpu") and not self.live else 1
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            seconds = min(self._timed_call() for _ in range(2))  # the first warms up
        finally:
            torch.set_num_threads(threads)
        batches = -(-images // self.batch_size)
        return Estimate(
            images=images,
            denoiser_calls=images * calls_each,
            estimated_seconds=round(-(-batches // number) * calls_each * seconds, 1),
            workers=number,
        )

    def _timed_call(self) -> float:
        noise = draw_noise(range(self.batch_size), self.backend.latent_shape)
        started = time.perf_counter()
        self.backend.generate([""] * self.batch_size, noise, self.sampling, capture=(0,), decode=False)
        return time.perf_counter() - started


def load(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: str | Path | DiffusionPipeline,
    *,
    steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    size: tuple[int, int] | None = None,
    adapters: Sequence[str | Path] = (),
    revision: str | None = None,
    variant: str | None = None,
    offload: str | None = None,
    batch_size: int | Literal["auto"] = BATCH,
    detector: str | DetectorSettings | None = None,
) -> Model:
    """A model with its settings. Only safetensors weights are read, and no code that comes with a model is run.

    Args:
        model: `emoji`, `mixture`, a folder or hub name of a diffusers pipeline, or a pipeline of your own, which is
            taken as it is, where it is.
        steps: denoising steps; default the pipeline's own.
        guidance_scale: default the model's own.
        scheduler: a class of diffusers, such as DDIM or `DPMSolverMultistep+karras`, or a name of web interfaces,
            such as `Euler a`.
        device: cpu, cuda, mps; default the first of cuda, mps and cpu that this machine has.
        dtype: float32, float16 or bfloat16; default float32 on a CPU, else the family's half precision.
        size: (height, width) of the images in pixels.
        adapters: LoRA files, folders or hub names, all active with weight 1.
        revision: branch, tag or commit of a hub name.
        variant: of the weights' files, such as fp16.
        offload: none, model or sequential: what waits in the CPU's memory.
        batch_size: fixed and padded, so part of the result; `auto`: as large as fits an accelerator.
        detector: what reads the images; default the emoji model's and the mixture's own, else a CLIP from the hub.

    Raises:
        EquinoiseError: no such model, device, precision, scheduler or detector, or a setting that makes no sense.
    """
    if batch_size != "auto" and batch_size < 1:
        raise EquinoiseError(f"--batch-size {batch_size}: at least one image makes a batch")
    if guidance_scale is not None and not 0 <= guidance_scale < 1000:
        raise EquinoiseError(f"--guidance-scale {guidance_scale} is not a number from 0 to 1000")
    live = not isinstance(model, str | Path)
    place = device or ("cpu" if str(model) == "mixture" else "auto")
    place = require_device(place) if place == "auto" else place
    given: dict[str, Any] = {
        "dtype": dtype,
        "scheduler": scheduler,
        "revision": revision,
        "variant": variant,
        "offload": offload,
    }
    if live:
        given |= {"device": device, "adapters": tuple(adapters) or None}
        if too_much := [key for key, value in given.items() if value is not None]:
            raise EquinoiseError(f"a live pipeline is taken as it is; set its {too_much[0]} on the pipeline itself")
        backend = load_model(model, size)
        spec = ModelSpec(backend.name, str(backend.pipeline._execution_device), size=size)  # type: ignore[attr-defined]
    else:
        known = {key: value for key, value in given.items() if value is not None}
        spec = ModelSpec(str(model), place, adapters=tuple(map(str, adapters)), size=size, **known)
        backend = load_once(spec)
    asked = DetectorSettings(detector) if isinstance(detector, str) else detector or DetectorSettings()
    named = replace(asked, name=asked.name or default_detector(spec.name))
    axes = list(catalogue().values()) if named.confusion else []  # those that a confusion matrix may be of
    total = backend.default_steps if steps is None else steps
    backend.require_total(total)
    sampling = Sampling(total, float(backend.default_guidance if guidance_scale is None else guidance_scale))
    batch = find_batch_size(backend, sampling) if batch_size == "auto" else batch_size
    read_with = CalibratedDetector.open(named, axes, spec.device)
    return Model(spec, backend, sampling, batch, read_with, live, world(spec.name))


def require_concepts(concepts: str | Sequence[str]) -> list[str]:
    """The concepts, each a text with something in it.

    Raises:
        EquinoiseError: there is none, one is empty or one comes twice.
    """
    named = [one_form(concept) for concept in ([concepts] if isinstance(concepts, str) else concepts)]
    if not named or any(not concept.strip() for concept in named):
        raise EquinoiseError("a concept is empty; give a neutral prompt such as 'a photo of a doctor'")
    if len(set(named)) < len(named):
        raise EquinoiseError("a concept is given twice; give each once")
    return named
