"""Any diffusers pipeline that takes `latents=` and a UNet's plain latents: Stable Diffusion 1, 2 and XL alike."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.models.base import NOISE, Generated, Sampling, Step, TextToImage, require_noise, require_steps


class PipelineModel:
    """A diffusers pipeline behind the `TextToImage` interface. The pipeline itself is left as it was."""

    def __init__(self, pipeline: Any, name: str, default_guidance: float | None = None) -> None:
        """Wrap a loaded pipeline.

        Raises:
            EquinoiseError: the pipeline takes no initial latents, or has no UNet that gives their shape.
        """
        accepted = inspect.signature(type(pipeline).__call__).parameters
        missing = {"latents", "callback_on_step_end", "num_inference_steps", "guidance_scale"} - set(accepted)
        if missing or not hasattr(pipeline, "unet"):
            what = f"takes no {', '.join(sorted(missing))}" if missing else "has no UNet"
            raise EquinoiseError(f"{type(pipeline).__name__} {what}; use a Stable Diffusion 1, 2 or XL pipeline")
        self.pipeline = pipeline
        self.name = name
        self._default_guidance = accepted["guidance_scale"].default if default_guidance is None else default_guidance
        pipeline.set_progress_bar_config(disable=True)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of one image's latents."""
        config = self.pipeline.unet.config
        size = config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return (int(config.in_channels), int(height), int(width))

    @property
    def default_guidance(self) -> float:
        """The model's own choice, else its pipeline's.

        Raises:
            EquinoiseError: neither declares one.
        """
        if not isinstance(self._default_guidance, int | float):
            raise EquinoiseError(f"{self.name} declares no guidance scale of its own; give --guidance-scale")
        return float(self._default_guidance)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Name, classes, scheduler settings, and the hash of the denoiser's weights as they are in memory."""
        scheduler = self.pipeline.scheduler
        return {
            "name": self.name,
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(scheduler).__name__,
            "prediction_type": scheduler.config.get("prediction_type", "epsilon"),
            "dtype": str(self.pipeline.unet.dtype).removeprefix("torch."),
            "latent_shape": list(self.latent_shape),
            "weights": _hash(self.pipeline.unet),
        }

    def require_total(self, steps: int) -> None:
        """Check that the scheduler has that many steps to take.

        Raises:
            EquinoiseError: it has not.
        """
        most = int(self.pipeline.scheduler.config.num_train_timesteps)
        if not 1 <= steps <= most:
            raise EquinoiseError(f"--steps {steps}: {self.name} takes from 1 to {most} denoising steps")

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        capture: Sequence[Step] = (),
        decode: bool = True,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Run the pipeline's own call on the given noise; see `TextToImage.generate`.

        Raises:
            EquinoiseError: prompts and noise do not match, or a captured step does not exist.
        """
        require_noise(noise, prompts, self)
        require_steps(capture, sampling.steps)
        self.require_total(sampling.steps)
        captured: dict[Step, Tensor] = {NOISE: noise.float().cpu()} if NOISE in capture else {}
        wanted = {int(step) for step in capture if step != NOISE}
        if not decode and not wanted:
            return Generated(None, captured)
        result = self.pipeline(
            prompt=list(prompts),
            latents=noise.to(self.pipeline.unet.device, self.pipeline.unet.dtype),
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
            callback_on_step_end=_capturing(captured, wanted, None if decode else max(wanted)),
            output_type="pil" if decode else "latent",
            generator=generators,
        )
        return Generated(list(result.images) if decode else None, captured)


def require_pipeline(model: TextToImage) -> PipelineModel:
    """The model, for those who need the parts of its pipeline.

    Raises:
        EquinoiseError: it has none.
    """
    if not isinstance(model, PipelineModel):
        raise EquinoiseError(f"{model.name} is not a diffusers pipeline; use emoji, a pipeline folder, or a hub name")
    return model


def _capturing(captured: dict[Step, Tensor], wanted: set[int], stop_after: int | None) -> Callable[..., dict[str, Any]]:
    """A diffusers step callback. It fires after a denoiser call: index 0 follows the first one."""

    def on_step_end(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step in wanted:
            captured[step] = tensors["latents"].detach().float().cpu().clone()
        if step == stop_after:
            pipeline._interrupt = True  # diffusers' own flag; it resets at the next call
        return {}

    return on_step_end


def _hash(module: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
