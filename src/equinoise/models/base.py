"""What a text-to-image model must give, and the noise that all of them start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from equinoise.errors import EquinoiseError

NOISE = "T"
"""The name of the step before the first denoiser call: the initial noise itself."""

Step = int | str
"""A captured step: `T`, or k for what follows the (k + 1)-th denoiser call, as in the paper's code."""


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to load a model again in another process. None leaves the choice to the model."""

    name: str
    device: str = "cpu"
    dtype: str | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class Sampling:
    """How images are drawn: number of denoising steps and guidance scale."""

    steps: int = 50
    guidance_scale: float = 7.5


@dataclass(frozen=True)
class Generated:
    """`images` of the batch (None where none were decoded); `captured` step → latents (n, *latent_shape), CPU fp32."""

    images: list[Image.Image] | None
    captured: Mapping[Step, Tensor]


class TextToImage(Protocol):
    """A text-to-image model whose noise can be set."""

    @property
    def name(self) -> str:
        """By which it is loaded."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latents of one image."""

    @property
    def default_guidance(self) -> float:
        """The guidance scale that is used when none is given."""

    @property
    def provenance(self) -> dict[str, Any]:
        """What the model is: name, class, scheduler, and a hash of the denoiser's weights."""

    def require_total(self, steps: int) -> None:
        """Check that the model can take that many denoising steps.

        Raises:
            EquinoiseError: it cannot.
        """

    def generate(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        capture: Sequence[Step] = (),
        decode: bool = True,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Images from the given noise (n, *latent_shape), one prompt each.

        `generators`, one an image, feed schedulers that add noise of their own.
        Stops after the last captured step where `decode` is off.
        """


def draw_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Initial noise (n, *shape), fp32 on the CPU, one generator an image.

    The same seed gives the same tensor whatever batch, worker or device asks for it.
    """
    return draw(seeds, shape)[0]


def draw(seeds: Sequence[int], shape: tuple[int, ...]) -> tuple[Tensor, list[torch.Generator]]:
    """The noise of `draw_noise`, and each image's generator as it stands after drawing it.

    A scheduler that adds noise on its way goes on from there, as in a pipeline that drew the latents itself.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]), generators


def parse_steps(text: str) -> list[Step]:
    """`T,0,5,10` → ['T', 0, 5, 10].

    Raises:
        EquinoiseError: an entry is neither `T` nor a whole number of at least 0, or comes twice.
    """
    steps: list[Step] = []
    for part in (part.strip() for part in text.split(",")):
        if part != NOISE and not (part.isascii() and part.isdigit()):
            raise EquinoiseError(f"'{part}' is not a step; steps are T or whole numbers, such as T,0,5,10")
        steps.append(part if part == NOISE else int(part))
    if len(set(steps)) < len(steps):
        raise EquinoiseError(f"a step comes twice in '{text}'")
    return steps


def require_noise(noise: Tensor, prompts: Sequence[str], model: TextToImage) -> None:
    """Check that there is noise of the model's shape for each prompt.

    Raises:
        EquinoiseError: there is not.
    """
    needed = (len(prompts), *model.latent_shape)
    if noise.shape != needed:
        shape = tuple(noise.shape)
        raise EquinoiseError(f"noise has shape {shape}; {len(prompts)} prompts on {model.name} need {needed}")


def require_steps(steps: Sequence[Step], total: int) -> None:
    """Check that every step exists among `total` denoising steps.

    Raises:
        EquinoiseError: one does not.
    """
    for step in steps:
        if step != NOISE and int(step) >= total:
            raise EquinoiseError(f"step {step} does not exist: {total} steps go from 0 to {total - 1}, and T")
