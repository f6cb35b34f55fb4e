"""What a text-to-image model must give, and the noise that all of them start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NotRequired, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.no_picture import NoPicture

NOISE = "T"
"""The name of the step before the first denoiser call: the initial noise itself."""

Step = int | str
"""A captured step: `T`, or k for the latents after the (k + 1)-th denoiser call, as in the paper's code."""

Guidance = Literal["classifier-free", "embedded", "none"]
"""What a guidance scale does: two denoiser calls set against each other, an input of the denoiser, or nothing."""


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to load a model again in another process. None leaves the choice to the model.

    Attributes:
        name: `emoji`, `mixture`, a pipeline folder, or a hub name.
        device: cpu, cuda, cuda:1, mps; or `auto`, the first of cuda, mps and cpu that this machine has.
        dtype: float32, float16 or bfloat16.
        scheduler: a name such as DDIM, `DPMSolverMultistep+karras` or `Euler a`: see `schedulers`.
        revision: branch, tag or commit of a hub name.
        variant: of the weight files, such as fp16.
        offload: none, model or sequential: which parts of the model wait in the memory of the CPU until needed.
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
    """How images are sampled: number of denoising steps and guidance scale."""

    steps: int = 50
    guidance_scale: float = 7.5


class Adapter(TypedDict):
    """An active adapter: its name, and a hash of its tensors and scales."""

    name: str
    sha256: str


class Provenance(TypedDict):
    """What a model is, in JSON, for the records of runs, directions and plans.

    `weights` must be equal for a direction to be passed from one model to another. It is a hash of the denoiser's
    weights in memory, joined with the hashes of active adapters. `weights_rounded` is what that hash becomes where a
    model in single precision is loaded in a half precision. `scheduler_options` are the settings by which schedulers
    of one class differ, where they are not the class's own. `latent_shape` is that of one image.
    """

    name: str
    pipeline: str
    scheduler: str
    scheduler_options: NotRequired[dict[str, Any]]
    prediction_type: str
    dtype: str
    latent_shape: list[int]
    weights: str
    weights_rounded: NotRequired[dict[str, str]]
    guidance: NotRequired[Guidance]
    adapters: NotRequired[list[Adapter]]
    revision: NotRequired[str]
    variant: NotRequired[str]


@dataclass(frozen=True)
class Generated:
    """A generated batch of n images.

    Attributes:
        images: None where none were decoded.
        captured: step → latents (n, *latent_shape), single precision, on the CPU.
        timesteps: captured step → the scheduler's time at which that denoiser call was made, where it has one.
        predicted: step → the model's own prediction x̂₀ of the final latents (n, *latent_shape), single precision, on
            the CPU, as of that step's denoiser call. Steps at which the scheduler predicts none are missing.
        no_picture: for each image why it is no picture, `nan` or `filtered`; None where all are pictures for all that
            the model knows.
    """

    images: list[Image.Image] | None
    captured: Mapping[Step, Tensor]
    timesteps: Mapping[Step, float] = field(default_factory=dict)
    predicted: Mapping[int, Tensor] = field(default_factory=dict)
    no_picture: Sequence[NoPicture | None] | None = None


@dataclass(frozen=True, eq=False)
class HeldLatents:
    """Latents that an earlier run reached after a denoiser call, for a run that continues from there.

    Attributes:
        step: the number of that denoiser call, from 0.
        latents: (n, *latent_shape) of a batch, or (*latent_shape) of one image. An array of NumPy goes to another
            process by value; a tensor stays on its device.
    """

    step: int
    latents: NDArray[np.float32] | Tensor

    @property
    def tensor(self) -> Tensor:
        """The latents as a tensor, on the device that they are on."""
        return torch.as_tensor(self.latents)

    @classmethod
    def stack(cls, held: Sequence[HeldLatents]) -> HeldLatents | None:
        """The batch of single images that were all held after one step; None where there are no images."""
        return cls(held[0].step, torch.stack([one.tensor for one in held])) if held else None


class TextToImage(Protocol):
    """A text-to-image model whose initial noise can be set."""

    @property
    def name(self) -> str:
        """The name by which the model is loaded."""

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
    def provenance(self) -> Provenance:
        """What the model is: name, class, scheduler, and a hash of the denoiser's weights."""

    def require_total(self, steps: int) -> None:
        """Check that the model can take that many denoising steps.

        Raises:
            EquinoiseError: the model cannot.
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
        held: HeldLatents | None = None,
    ) -> Generated:
        """Images from the given noise (n, *latent_shape), one prompt each.

        Args:
            prompts: n texts.
            noise: the initial noise.
            sampling: number of steps and guidance scale.
            capture: steps whose latents come back.
            decode: whether images are decoded; without it the run ends after the last step of `capture` and `predict`.
            generators: one for each image, for schedulers that add noise of their own.
            predict: steps whose prediction of the final latents comes back.
            held: latents (n, *latent_shape) to continue from: the denoiser is first called after their step. Where
                the model is `resumable`, images are bit for bit those of the unbroken run.
        """

    @property
    def resumable(self) -> bool:
        """Whether a run can continue from latents alone."""

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """The images of final latents (n, *latent_shape); one that is no picture is black."""


def draw_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Initial noise (n, *shape), single precision on the CPU, from one generator for each image.

    The same seed gives the same tensor whatever batch, worker or device it is drawn for.
    """
    return draw(seeds, shape)[0]


def draw(seeds: Sequence[int], shape: tuple[int, ...]) -> tuple[Tensor, list[torch.Generator]]:
    """The noise of `draw_noise`, and each image's generator in the state after drawing it.

    A scheduler that adds noise during the run continues from that state, as in a pipeline that drew the latents itself.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]), generators


def default_sampling(model: TextToImage) -> Sampling:
    """The model's own number of steps and guidance scale.

    Raises:
        EquinoiseError: the model declares no guidance scale.
    """
    return Sampling(model.default_steps, model.default_guidance)


def step_at(fraction: Fraction | float | str, total: int) -> int:
    """The step at a fraction of a run: the denoiser call under way there. The only place where one becomes the other.

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
    """The steps that are captured by default: steps 0, 5, …, 45 of 50, as fractions of the total."""
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
        EquinoiseError: the shape is another.
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
