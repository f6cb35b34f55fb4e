"""What is sent to a worker process and what comes back: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec
from equinoise.models import HeldLatents, ModelSpec, Sampling
from equinoise.models.base import Step, TextToImage
from equinoise.no_picture import NoPicture
from equinoise.run import UNTOUCHED


class NoiseChange(Protocol):
    """A change of the initial noise before the model gets it."""

    @property
    def name(self) -> str:
        """The change in words."""

    def apply(self, noise: Tensor) -> Tensor:
        """The changed noise, of the same shape as `noise`."""


Accepted = Mapping[str, tuple[str, ...]]
"""Axis → the predicted classes that rejection sampling accepts; an empty mapping accepts every image."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of rejection sampling at an image.

    Attributes:
        seed: the seed of the initial noise of this attempt.
        seen: axis → class, as the early classifier predicted it.
        accepted: whether `seen` is among the accepted classes.
    """

    seed: int
    seen: Mapping[str, str]
    accepted: bool

    def to_json(self) -> dict[str, Any]:
        """The attempt as the record of an image keeps it; the key `kept` is that of version 0.1."""
        return {"seed": self.seed, "seen": dict(self.seen), "kept": self.accepted}


@dataclass(frozen=True)
class Job:
    """One image to make: a unique id, the prompt, the seed of its initial noise, and the change of that noise.

    Attributes:
        accept: the predicted classes that are accepted; an attempt with others is stopped and the noise drawn anew.
        attempts: the attempts that were made for the image, the last of which becomes the image; empty where the
            first one was taken without an early check.
        held: latents that an earlier run reached, from which this image is continued.
        wanted: the class that a change of the pipeline is to show; empty where there is none.
    """

    id: str
    prompt: str
    seed: int
    change: NoiseChange | None = None
    accept: Accepted = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    held: HeldLatents | None = None
    wanted: str = ""

    @property
    def name(self) -> str:
        """What is done for the image, in words; `none` for an untouched one."""
        return changed_name(self.change, self.accept)

    @property
    def noise_seed(self) -> int:
        """The seed of the initial noise that the image starts from."""
        return self.attempts[-1].seed if self.attempts else self.seed


def changed_name(change: NoiseChange | None, accept: Accepted) -> str:
    """A change of the noise and the classes that rejection sampling accepts, in words.

    >>> changed_name(None, {"gender": ("woman",), "tone": ("medium", "dark")})
    'none, kept if woman and medium|dark'
    """
    name = change.name if change else UNTOUCHED
    return name + (", kept if " + " and ".join(map("|".join, accept.values())) if accept else "")


@dataclass(frozen=True)
class Preview:
    """At which steps the model's prediction of the final image is decoded, and which axes a detector reads off it."""

    steps: tuple[int, ...]
    axes: tuple[Axis, ...]
    detector: DetectorSpec


class EarlyCheck(Protocol):
    """What the engine needs of an early classifier: it predicts, during a run, the classes of the final image."""

    @property
    def step(self) -> int:
        """The step after which the check is made."""

    @property
    def most_attempts(self) -> int:
        """Most attempts for one image; the last one is taken whatever is predicted."""

    def preview(self, device: str) -> Preview | None:
        """The predicted image that the check reads, and on which device; None where it reads the latents only."""

    def predict(self, result: JobResult) -> Mapping[str, str]:
        """Axis → the predicted class of the final image."""


class PipelineChange(Protocol):
    """A change of more than the noise: of prompts' embeddings, attention or guidance, for one batch at a time.

    It goes to worker processes by value.
    """

    @property
    def name(self) -> str:
        """The change in words, for the records of images."""

    def during(
        self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling
    ) -> AbstractContextManager[Tensor]:
        """Change the model until the end of the block, and give the noise (n, *latent_shape) to start from.

        At the end the model is as it was, whatever happened.
        """


@dataclass(frozen=True)
class Request:
    """What all jobs of a call have in common.

    Attributes:
        model: the model, as every worker process loads it.
        sampling: number of denoising steps and guidance scale.
        batch_size: part of the result, since images of batches of another size differ in their last bits.
        capture: steps whose latents come back.
        decode: whether images are decoded; without it a run ends after the last step that is captured or previewed.
        detector: what reads the decoded images.
        axes: what the detector reads off them.
        preview: the predicted images that are read on the way.
        early_classifier: what checks the jobs that accept some classes only.
        exact: whether captured latents come back in single instead of half precision.
        change: of the pipeline, under which every batch is made.
    """

    model: ModelSpec
    sampling: Sampling
    batch_size: int
    capture: tuple[Step, ...] = ()
    decode: bool = True
    detector: DetectorSpec | None = None
    axes: tuple[Axis, ...] = ()
    preview: Preview | None = None
    early_classifier: EarlyCheck | None = None
    exact: bool = False
    change: PipelineChange | None = None

    def first_part(self) -> Request:
        """The same request up to the last step that it captures or previews.

        No image is decoded, and the latents come back in single precision, so that a run can continue from them.
        """
        return replace(self, decode=False, detector=None, exact=True)


@dataclass(frozen=True)
class JobResult:
    """One finished job.

    Attributes:
        job: the job.
        image: None where the request decodes none.
        latents: captured step → latents (*latent_shape).
        detections: axis → class → probability, read off the image.
        previews: step → axis → class → probability, read off the predicted image. Steps at which the scheduler
            predicts no image are missing.
        no_picture: why the image is no picture; None for a picture.
    """

    job: Job
    image: Image.Image | None
    latents: Mapping[Step, NDArray[np.floating]]
    detections: Mapping[str, Mapping[str, float]]
    previews: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    no_picture: NoPicture | None = None

    def held(self, step: int) -> HeldLatents:
        """The captured latents of a step, from which a later job continues this image."""
        return HeldLatents(step, self.latents[step].astype(np.float32))
