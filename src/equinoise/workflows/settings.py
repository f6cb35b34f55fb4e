"""What the commands that run a model share: the model's settings, resolved once, and requests made from them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec
from equinoise.detectors.loading import default_detector
from equinoise.engine import Request
from equinoise.engine.local import cores
from equinoise.errors import EquinoiseError
from equinoise.models import ModelSpec, Sampling, TextToImage, load_once
from equinoise.models.base import Step, draw_noise
from equinoise.models.loading import describe, require_device
from equinoise.models.memory import find_batch_size
from equinoise.workflows.detector import Reader, open_reader

MORE = ("offload", "size")
"""Settings of a model that its provenance does not hold; they are recorded where they are not as by default."""


@dataclass(frozen=True)
class Session:
    """A model with its settings, and the detector that reads its images."""

    spec: ModelSpec
    model: TextToImage
    sampling: Sampling
    reader: Reader
    batch_size: int
    workers: int | None

    @property
    def detector(self) -> DetectorSpec:
        """What reads the images."""
        return self.reader.detector

    @property
    def calls(self) -> int:
        """Denoiser calls of one image to the end."""
        return self.model.calls(self.sampling.steps)

    def request(self, axes: Sequence[Axis], capture: Sequence[Step] = ()) -> Request:
        """What all jobs of a call have in common; the role is read beside the axes where the detector can."""
        read = self.reader.reads(axes)
        return Request(self.spec, self.sampling, self.batch_size, tuple(capture), True, self.detector, read)

    def asked(self, concept: str) -> str | None:
        """The role that a concept asks for; None where the detector knows no roles or the concept names none."""
        return self.reader.asked(concept)

    def about(self, **more: Any) -> dict[str, Any]:
        """Every setting, given or defaulted, for the record."""
        return {
            **more,
            "model": self.model.provenance,
            "sampling": {"steps": self.sampling.steps, "guidance_scale": self.sampling.guidance_scale},
            "device": self.spec.device,
            **{name: value for name in MORE if (value := getattr(self.spec, name)) != getattr(ModelSpec, name)},
            "batch_size": self.batch_size,
            "threads": 1 if self.spec.device == "cpu" else None,
            "detector": self.reader.about(),
        }

    def results(self, concept: str | None = None) -> dict[str, Any]:
        """What a report says of the model itself."""
        world = describe(self.spec.name)
        return {
            "model": self.model.provenance,
            **({"world": world} if world else {}),
            **({"role": self.asked(concept)} if concept else {}),
        }

    def estimate(self, images: int, steps_each: int) -> dict[str, Any]:
        """What `--dry-run` prints: images, denoiser calls, and a time from one timed call of a full batch.

        On a CPU the call is timed on one thread, as workers run, and the batches are shared among them.
        """
        workers = (self.workers or cores()) if self.spec.device.startswith("cpu") else 1
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            seconds = min(self._timed_call() for _ in range(2))  # the first warms up
        finally:
            torch.set_num_threads(threads)
        batches = -(-images // self.batch_size)
        return {
            "dry_run": True,
            "images": images,
            "denoiser_calls": images * steps_each,
            "estimated_seconds": round(-(-batches // workers) * steps_each * seconds, 1),
            "workers": workers,
        }

    def _timed_call(self) -> float:
        noise = draw_noise(range(self.batch_size), self.model.latent_shape)
        started = time.perf_counter()
        self.model.generate([""] * self.batch_size, noise, self.sampling, capture=(0,), decode=False)
        return time.perf_counter() - started


def open_session(
    name: str,
    steps: int | None = None,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    batch_size: int | None = 16,
    workers: int | None = None,
    detector: str | None = None,
    unclear_below: float | None = None,
    axes: Sequence[Axis] = (),
    confusion_files: Sequence[Path] = (),
    revision: str | None = None,
    variant: str | None = None,
    offload: str = "none",
    adapters: Sequence[str] = (),
    size: tuple[int, int] | None = None,
) -> Session:
    """Load the model and settle every setting that was not given.

    `axes`: those whose shares will be corrected for the detector's error, where that is known. `batch_size` None is
    found by trying (`find_batch_size`).

    Raises:
        EquinoiseError: the model cannot be loaded, or a setting makes no sense.
    """
    if batch_size is not None and batch_size < 1:
        raise EquinoiseError(f"--batch-size {batch_size}: at least one image makes a batch")
    if guidance_scale is not None and not 0 <= guidance_scale < 1000:
        raise EquinoiseError(f"--guidance-scale {guidance_scale} is not a number from 0 to 1000")
    device = require_device(device) if device == "auto" else device
    reader = open_reader(detector or default_detector(name), axes, device, unclear_below, confusion_files)
    spec = ModelSpec(name, device, dtype, scheduler, revision, variant, offload, tuple(adapters), size)
    model = load_once(spec)
    total = model.default_steps if steps is None else steps
    model.require_total(total)
    scale = model.default_guidance if guidance_scale is None else guidance_scale
    sampling = Sampling(total, float(scale))
    batch_size = find_batch_size(model, sampling) if batch_size is None else batch_size
    return Session(spec, model, sampling, reader, batch_size, workers)


def require_concepts(concepts: Sequence[str]) -> list[str]:
    """The concepts, each a text with something in it.

    Raises:
        EquinoiseError: one is empty or comes twice.
    """
    if any(not concept.strip() for concept in concepts):
        raise EquinoiseError("a concept is empty; give a neutral prompt such as --concept 'a photo of a doctor'")
    if len(set(concepts)) < len(concepts):
        raise EquinoiseError("a concept is given twice; give each once")
    return list(concepts)
