"""What is sent to a worker and what comes back: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec
from equinoise.models import ModelSpec, Sampling
from equinoise.models.base import Step


class NoiseChange(Protocol):
    """Something done to initial noise before the model sees it."""

    @property
    def name(self) -> str:
        """In words."""

    def apply(self, noise: Tensor) -> Tensor:
        """The changed noise, of the same shape."""


@dataclass(frozen=True)
class Job:
    """One image to make: a unique id, the prompt, the seed of its noise and what is done to the noise."""

    id: str
    prompt: str
    seed: int
    change: NoiseChange | None = None


@dataclass(frozen=True)
class Request:
    """What all jobs of a call have in common.

    `batch_size` is part of the result: images of batches of another size differ in their last bits. `axes` are read
    off the decoded images by the detector.
    """

    model: ModelSpec
    sampling: Sampling
    batch_size: int
    capture: tuple[Step, ...] = ()
    decode: bool = True
    detector: DetectorSpec | None = None
    axes: tuple[Axis, ...] = ()


@dataclass(frozen=True)
class Result:
    """One finished job: its image (where decoded), its latents by step, axis → class → probability."""

    job: Job
    image: Image.Image | None
    latents: Mapping[Step, NDArray[np.float16]]
    detections: Mapping[str, Mapping[str, float]]


def describe(request: Request) -> dict[str, Any]:
    """The request in JSON, for the record of a run."""
    return {
        "steps": request.sampling.steps,
        "guidance_scale": request.sampling.guidance_scale,
        "batch_size": request.batch_size,
        "device": request.model.device,
        "dtype": request.model.dtype,
        "scheduler": request.model.scheduler,
        "revision": request.model.revision,
        "variant": request.model.variant,
        "offload": request.model.offload,
        "adapters": list(request.model.adapters),
        "size": request.model.size,
        "detector": request.detector.name if request.detector else None,
        "unclear_below": request.detector.unclear_below if request.detector else None,
        "thresholds": dict(request.detector.thresholds) if request.detector else None,
    }
