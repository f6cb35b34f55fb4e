"""What differs between families of pipelines: the denoiser, the layout of latents, the meaning of guidance.

Outside this module latents are (n, channels, height, width), in whatever layout a pipeline keeps them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import lcm
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from equinoise.errors import EquinoiseError
from equinoise.models.base import Guidance
from equinoise.quiet import quiet_libraries

NEEDED = ("latents", "callback_on_step_end", "num_inference_steps", "guidance_scale")
"""Arguments that a pipeline's call must take: the first sets the noise, the second captures steps."""


@dataclass(frozen=True)
class Family:
    """How the pipelines of a family take and give latents.

    Attributes:
        name: the usual name of the family.
        denoiser: the component that is called at every step.
        packed: whether the pipeline keeps latents as tokens of 2×2 latent pixels, (n, (H/2)(W/2), 4C), as Flux does.
        casts: whether the pipeline casts `latents=` itself; otherwise they must come in the denoiser's precision.
        half: the default precision on an accelerator.
        multiple: a number of pixels of which height and width are multiples, beside the size of a token.
        extra: arguments that every call of the pipeline gets.
        timing: arguments that the pipeline gives its scheduler beside the number of steps.
    """

    name: str
    denoiser: Literal["unet", "transformer"]
    packed: bool = False
    casts: bool = False
    half: str = "float16"
    multiple: int = 8
    extra: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def named(cls, class_name: str) -> Family:
        """The family of a pipeline class, by the name in `model_index.json`.

        Raises:
            EquinoiseError: the class is of no family that can be steered; the message says why, and which can.
        """
        if class_name in FAMILIES:
            return FAMILIES[class_name]
        raise _refusal(class_name)

    @classmethod
    def of(cls, pipeline: Any) -> Family:
        """The family of a live pipeline; a subclass belongs to the family of the class that it derives from.

        Raises:
            EquinoiseError: the pipeline is of no family, or cannot be steered.
        """
        kind = type(pipeline)
        family = next((FAMILIES[base.__name__] for base in kind.__mro__ if base.__name__ in FAMILIES), None)
        if family is None or _missing(kind):
            raise _refusal(kind.__name__, kind)
        _require_plain_noise(pipeline, family)
        return family

    def module(self, pipeline: Any) -> Any:
        """The denoiser of a pipeline."""
        return getattr(pipeline, self.denoiser)

    def latent_shape(self, pipeline: Any, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """(channels, height, width) of one image's latents, at `size` (height, width) in pixels or the default.

        Raises:
            EquinoiseError: the size does not come out even.
        """
        config, factor = self.module(pipeline).config, int(pipeline.vae_scale_factor)
        channels = int(config.in_channels) // (4 if self.packed else 1)
        if size is None:
            side = pipeline.default_sample_size if self.packed else config.sample_size
            height, width = (side, side) if isinstance(side, int) else side
            return channels, int(height), int(width)
        unit = lcm(self.multiple, factor * (2 if self.packed else int(config.get("patch_size") or 1)))
        if any(pixels < unit or pixels % unit for pixels in size):
            asked = "×".join(map(str, size))
            raise EquinoiseError(f"--size {asked}: height and width on this model are multiples of {unit} pixels")
        return channels, size[0] // factor, size[1] // factor

    def to_pipeline(self, noise: Tensor, pipeline: Any) -> Tensor:
        """Noise (n, C, H, W) as the argument `latents`: on the device, in the precision and layout of the pipeline."""
        dtype = torch.float32 if self.casts else self.module(pipeline).dtype
        moved = noise.to(pipeline._execution_device, dtype)
        return self.pack(moved)

    def pack(self, latents: Tensor) -> Tensor:
        """Latents (n, C, H, W) in the layout of the pipeline."""
        return pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2) if self.packed else latents

    def from_pipeline(self, latents: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Latents in the layout of a pipeline's callback → (n, *shape)."""
        if not self.packed:
            return latents
        channels, height, width = shape
        tokens = latents.transpose(1, 2).reshape(-1, 4 * channels, height // 2, width // 2)
        return pixel_shuffle(tokens, 2)

    def timesteps(self, scheduler: Any, steps: int) -> Tensor:
        """The times of so many steps, set on the scheduler as a call of the family's pipelines sets them.

        A flow's times are shifted by the size of the image; their number is not, so any shift will do here.
        """
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import retrieve_timesteps

        given: dict[str, Any] = dict(self.timing)
        if self.packed or scheduler.config.get("use_dynamic_shifting"):
            given["mu"] = 1.0
        if self.packed and not scheduler.config.get("use_flow_sigmas"):
            given["sigmas"] = np.linspace(1.0, 1 / steps, steps)
        times: Tensor = retrieve_timesteps(scheduler, steps, "cpu", **given)[0]
        return times

    def guidance(self, pipeline: Any) -> Guidance:
        """What a guidance scale does in a pipeline."""
        config = self.module(pipeline).config
        if self.packed:
            return "embedded" if config.get("guidance_embeds") else "none"
        return "embedded" if config.get("time_cond_proj_dim") else "classifier-free"


FAMILIES: Mapping[str, Family] = {
    "StableDiffusionPipeline": Family("Stable Diffusion 1 or 2", "unet"),
    "StableDiffusionXLPipeline": Family("Stable Diffusion XL", "unet"),
    "LatentConsistencyModelPipeline": Family("latent consistency", "unet", timing={"original_inference_steps": None}),
    "StableDiffusion3Pipeline": Family("Stable Diffusion 3", "transformer", casts=True),
    "FluxPipeline": Family("Flux", "transformer", packed=True, casts=True, half="bfloat16"),
    # binning would silently draw another size than was asked for
    "SanaPipeline": Family(
        "Sana", "transformer", casts=True, half="bfloat16", multiple=32, extra={"use_resolution_binning": False}
    ),
}
CAN = "Stable Diffusion 1, 2, XL or 3, latent consistency, Flux or Sana"

_OTHERS = {
    "fills masked images in": r"Inpaint|Fill",
    "starts from an image": r"Img2Img|Image2Image|InstructPix2Pix|Depth2Img|Upscale|Kontext|Edit",
    "needs a control image": r"Control|Adapter",
    "makes video": r"Video|Animat|Mochi|Wan|LTX|Latte|Allegro|Cosmos|CogVideo",
    "makes sound": r"Audio|Music|AceStep",
}


def _refusal(class_name: str, cls: type | None = None) -> EquinoiseError:
    why = next((what for what, names in _OTHERS.items() if re.search(names, class_name)), None)
    return EquinoiseError(f"{class_name} {why or _unfit(class_name, cls)}; use a text-to-image pipeline of {CAN}")


def _unfit(class_name: str, cls: type | None) -> str:
    """Why a pipeline that does make images from text cannot be steered."""
    with quiet_libraries():
        import diffusers

        cls = cls or getattr(diffusers, class_name, None)
    if cls is None:
        return "is not a pipeline of diffusers"
    missing = ", ".join(_missing(cls))
    return f"takes no {missing}" if missing else "lays its latents out in a way that is not known here"


def _missing(cls: type) -> list[str]:
    accepted = inspect.signature(cls.__call__).parameters
    return [name for name in NEEDED if name not in accepted]


def _require_plain_noise(pipeline: Any, family: Family) -> None:
    """Refuse a denoiser that takes more inputs than the noise, and a scheduler whose own noise no seed determines."""
    channels = family.latent_shape(pipeline)[0]
    expected = pipeline.vae.config.get("latent_channels", channels) if pipeline.vae is not None else channels
    if channels != expected:
        raise EquinoiseError(
            f"{type(pipeline).__name__} with {channels} channels in and {expected} out fills in or edits images; "
            f"use a text-to-image pipeline of {CAN}"
        )
    if family.denoiser == "transformer" and pipeline.scheduler.config.get("stochastic_sampling"):
        raise EquinoiseError(
            f"{type(pipeline).__name__} hands its scheduler no generator, so that stochastic_sampling goes by no seed; "
            "turn it off in the scheduler's config"
        )
