"""What a text-to-image model must give, and the noise that all of them start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
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
    """What it takes to load a model again in another process. None leaves the choice to the model.

    Attributes:
        name: `emoji`, `mixture`, a pipeline folder, or a hub name.
        device: cpu, cuda, cuda:1, mps; or `auto`, the first of cuda, mps and cpu that is there.
        dtype: float32, float16 or bfloat16.
        scheduler: class name of diffusers, such as DDIMScheduler.
        revision: branch, tag or commit of a hub name.
        variant: of the weights' files, such as fp16.
        offload: none, model or sequential: what waits in the memory of the CPU while it is not needed.
        adapters: LoRA files, folders or hub names, all active with weight 1.
        size: (height, width) of the images in pixels.
    """

    name: str
    device: str = "cpu"
    dtype: str | None = None
    scheduler: str | None = None
    revision: str | None = None
    variant: str | None = None
    offload: str = "none"
    adapters: tuple[str, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sampling:
    """How images are drawn: number of denoising steps and guidance scale."""

    steps: int = 50
    guidance_scale: float = 7.5


@dataclass(frozen=True)
class Generated:
    """`images` of the batch (None where none were decoded); `captured` step → latents (n, *latent_shape), CPU fp32.

    `timesteps`: captured step → the scheduler's own time at which that denoiser call was made, where it has one.
    `predicted`: step → the model's own prediction of the final latents, x̂₀ (n, *latent_shape), CPU fp32, made by that
    step's denoiser call; a step is missing where the scheduler does not say.
    """

    images: list[Image.Image] | None
    captured: Mapping[Step, Tensor]
    timesteps: Mapping[Step, float] = field(default_factory=dict)
    predicted: Mapping[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """Latents (n, *latent_shape) that an earlier run had after a step, for a run that goes on from there."""

    step: int
    latents: Tensor


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
    def default_steps(self) -> int:
        """The number of denoising steps that is used when none is given."""

    @property
    def provenance(self) -> dict[str, Any]:
        """What the model is: name, class, scheduler, and a hash of the denoiser's weights."""

    def require_total(self, steps: int) -> None:
        """Check that the model can take that many denoising steps.

        Raises:
            EquinoiseError: it cannot.
        """

    def calls(self, steps: int) -> int:
        """Denoiser calls of so many denoising steps, each of which can be captured: Heun makes 11 for 6 steps.

        Raises:
            EquinoiseError: as `require_total`.
        """

    def generate(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        capture: Sequence[Step] = (),
        decode: bool = True,
        generators: list[torch.Generator] | None = None,
        predict: Sequence[int] = (),
        held: Held | None = None,
    ) -> Generated:
        """Images from the given noise (n, *latent_shape), one prompt each.

        `generators`, one an image, feed schedulers that add noise of their own.
        Stops after the last step of `capture` and `predict` where `decode` is off. With `held` the denoiser is first
        called after that step; where `resumable`, images are bit for bit those of the unbroken run.
        """

    @property
    def resumable(self) -> bool:
        """Whether a run can go on from latents alone."""

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """The images that final latents (n, *latent_shape) stand for."""


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


def default_sampling(model: TextToImage) -> Sampling:
    """The model's own number of steps and guidance scale.

    Raises:
        EquinoiseError: it declares no guidance scale.
    """
    return Sampling(model.default_steps, model.default_guidance)


def step_at(fraction: Fraction | float | str, total: int) -> int:
    """The one place where a fraction of a run becomes a step: the denoiser call under way at that fraction.

    Call k of N covers the fractions from k/N to (k + 1)/N, so step 10 of 50 is 0.2, and that is step 5 of 28 and step 0
    of 4. Whole numbers never pass through here: step 10 stays step 10 whatever the total.

    >>> step_at("10/50", 50), step_at("0.2", 28), step_at("0.2", 4)
    (10, 5, 0)

    Raises:
        EquinoiseError: not a fraction of at least 0 and below 1.
    """
    try:
        exact = Fraction(str(fraction))
    except (ValueError, ZeroDivisionError):
        exact = Fraction(-1)
    if not 0 <= exact < 1:
        raise EquinoiseError(f"'{fraction}' is no fraction of a run: give one from 0 to below 1, such as 0.2 or 10/50")
    return exact.numerator * total // exact.denominator


def default_capture(total: int) -> list[Step]:
    """What is captured unless something else is asked for: steps 0, 5, …, 45 of 50, as fractions of the total."""
    return list(dict.fromkeys(step_at(f"{step}/50", total) for step in range(0, 50, 5)))


def parse_steps(text: str, total: int | None = None) -> list[Step]:
    """`T,0,5,10` → ['T', 0, 5, 10]; `0.2` or `10/50` is a fraction of the `total` (see `step_at`).

    Raises:
        EquinoiseError: an entry is neither `T`, nor a whole number of at least 0, nor a fraction; or one comes twice.
    """
    steps = [_parse_step(part.strip(), total) for part in text.split(",")]
    if len(set(steps)) < len(steps):
        raise EquinoiseError(f"a step comes twice in '{text}'" + (f" of {total} steps" if total else ""))
    return steps


def _parse_step(text: str, total: int | None) -> Step:
    if text == NOISE:
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    if total is None or not set(text) & set("./") or not text.isascii():
        raise EquinoiseError(f"'{text}' is not a step; steps are T, whole numbers or fractions, such as T,0,5,0.2")
    return step_at(text, total)


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
    """Check that every step exists among `total` denoiser calls (`TextToImage.calls`).

    Raises:
        EquinoiseError: one does not.
    """
    for step in steps:
        if step != NOISE and int(step) >= total:
            raise EquinoiseError(f"step {step} does not exist: {total} steps go from 0 to {total - 1}, and T")
