"""What is sent to a worker and what comes back: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec
from equinoise.models import ModelSpec, Sampling
from equinoise.models.base import Step
from equinoise.run import UNTOUCHED


class NoiseChange(Protocol):
    """Something done to initial noise before the model sees it."""

    @property
    def name(self) -> str:
        """In words."""

    def apply(self, noise: Tensor) -> Tensor:
        """The changed noise, of the same shape."""


Keep = Mapping[str, tuple[str, ...]]
"""Axis → the classes of which an image is kept, as an early look predicts it; an empty one keeps every image."""


@dataclass(frozen=True)
class Draw:
    """One draw of noise for an image: its seed, what the early look saw (axis → class), and whether it was kept."""

    seed: int
    seen: Mapping[str, str]
    kept: bool


@dataclass(frozen=True, eq=False)
class Halted:
    """A run that stopped after a step: its latents there, (*latent_shape)."""

    step: int
    latents: NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """One image to make: a unique id, the prompt, the seed of its noise and what is done to the noise.

    Attributes:
        keep: which draws the request's look keeps; the others are stopped and drawn again.
        draws: those that were made for it, the last of them taken; none where its first is taken unseen.
        held: latents after a step that the run got to before, to go on from.
    """

    id: str
    prompt: str
    seed: int
    change: NoiseChange | None = None
    keep: Keep = field(default_factory=dict)
    draws: tuple[Draw, ...] = ()
    held: Halted | None = None

    @property
    def name(self) -> str:
        """What is done for the image, in words; `none` for an untouched one."""
        return changed_name(self.change, self.keep)

    @property
    def noise_seed(self) -> int:
        """The seed of the noise that the image starts from."""
        return self.draws[-1].seed if self.draws else self.seed


def changed_name(change: NoiseChange | None, keep: Keep) -> str:
    """A change of the noise and a selection in words.

    >>> changed_name(None, {"gender": ("woman",), "tone": ("medium", "dark")})
    'none, kept if woman and medium|dark'
    """
    name = change.name if change else UNTOUCHED
    return name + (", kept if " + " and ".join(map("|".join, keep.values())) if keep else "")


@dataclass(frozen=True)
class Preview:
    """At which steps the model's prediction of the final image is decoded, and what the detector reads off it."""

    steps: tuple[int, ...]
    axes: tuple[Axis, ...]
    detector: DetectorSpec


class EarlyCheck(Protocol):
    """An early look at a run: which classes its image will show."""

    @property
    def step(self) -> int:
        """After which it is taken."""

    @property
    def most(self) -> int:
        """Draws for one image; the last is taken whatever it shows."""

    def preview(self, device: str) -> Preview | None:
        """What it must be shown of the predicted image; None where the latents are enough."""

    def tell(self, result: Result) -> Mapping[str, str]:
        """Axis → the predicted class."""


@dataclass(frozen=True)
class Request:
    """What all jobs of a call have in common.

    `batch_size` is part of the result: images of batches of another size differ in their last bits. `axes` are read
    off the decoded images by the detector. Jobs that keep some draws only are looked at by `look`. Captured latents
    come back in half precision unless they are to be `exact`.
    """

    model: ModelSpec
    sampling: Sampling
    batch_size: int
    capture: tuple[Step, ...] = ()
    decode: bool = True
    detector: DetectorSpec | None = None
    axes: tuple[Axis, ...] = ()
    preview: Preview | None = None
    look: EarlyCheck | None = None
    exact: bool = False


@dataclass(frozen=True)
class Result:
    """One finished job: its image (where decoded), its latents by step, axis → class → probability.

    `previews`: step → axis → class → probability, read off the predicted image; steps without a prediction are missing.
    """

    job: Job
    image: Image.Image | None
    latents: Mapping[Step, NDArray[np.floating]]
    detections: Mapping[str, Mapping[str, float]]
    previews: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


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
