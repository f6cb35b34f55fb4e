"""A diffusers text-to-image pipeline behind the `TextToImage` interface; how families differ: `families.py`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.models.adapters import describe_adapters, hash_weights, identity
from equinoise.models.base import (
    NOISE,
    Generated,
    Held,
    Sampling,
    Step,
    TextToImage,
    default_sampling,
    require_noise,
    require_steps,
)
from equinoise.models.early import RESUMABLE, watch_predictions, without_denoiser
from equinoise.models.families import family_of


class PipelineModel:
    """A diffusers pipeline behind the `TextToImage` interface. The pipeline itself is left as it was."""

    def __init__(
        self,
        pipeline: Any,
        name: str,
        default_guidance: float | None = None,
        size: tuple[int, int] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Wrap a loaded pipeline; `size` (height, width) in pixels, `about` what the provenance says besides.

        Raises:
            EquinoiseError: the pipeline is of no family whose noise can be set and whose steps can be captured.
        """
        self.family = family_of(pipeline)
        self.pipeline = pipeline
        self.name = name
        self.latent_shape: tuple[int, ...] = self.family.latent_shape(pipeline, size)
        """(channels, height, width) of one image's latents."""
        self._accepted = inspect.signature(type(pipeline).__call__).parameters
        self._default_guidance = (
            self._accepted["guidance_scale"].default if default_guidance is None else default_guidance
        )
        self._about = dict(about or {})

    @property
    def default_guidance(self) -> float:
        """The model's own choice, else its pipeline's.

        Raises:
            EquinoiseError: neither declares one.
        """
        if not isinstance(self._default_guidance, int | float):
            raise EquinoiseError(f"{self.name} declares no guidance scale of its own; give --guidance-scale")
        return float(self._default_guidance)

    @property
    def default_steps(self) -> int:
        """What its pipeline declares: 50 for Stable Diffusion 1 to XL, 28 for 3 and Flux, 20 for Sana, 4 for LCM."""
        return int(self._accepted["num_inference_steps"].default)

    @cached_property
    def _weights(self) -> str:
        return hash_weights(self.family.module(self.pipeline))

    @property
    def provenance(self) -> dict[str, Any]:
        """Name, classes, scheduler settings, and hashes of the denoiser's weights and the adapters, as in memory.

        `weights` is what must be equal for a direction to be passed on; with adapters it holds their hashes too. The
        denoiser is hashed once, adapters every time, since a live pipeline may change them.
        """
        scheduler, adapters = self.pipeline.scheduler, describe_adapters(self.pipeline)
        prediction = "flow_prediction" if "FlowMatch" in type(scheduler).__name__ else "epsilon"
        return {
            "name": self.name,
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(scheduler).__name__,
            "prediction_type": scheduler.config.get("prediction_type", prediction),
            "dtype": str(self.family.module(self.pipeline).dtype).removeprefix("torch."),
            "latent_shape": list(self.latent_shape),
            "weights": identity(self._weights, adapters),
            "guidance": self.family.guidance(self.pipeline),
            **({"adapters": adapters} if adapters else {}),
            **self._about,
        }

    def require_total(self, steps: int) -> None:
        """Check that the scheduler has that many steps to take.

        Raises:
            EquinoiseError: it has not.
        """
        self.calls(steps)

    def calls(self, steps: int) -> int:
        """Denoiser calls of so many steps, which is how often the callback fires: Heun 11 for 6 steps, PNDM 7.

        Raises:
            EquinoiseError: the scheduler does not take that many steps.
        """
        most = int(self.pipeline.scheduler.config.num_train_timesteps)
        if not 1 <= steps <= most:
            raise EquinoiseError(f"--steps {steps}: {self.name} takes from 1 to {most} denoising steps")
        scheduler = deepcopy(self.pipeline.scheduler)
        # a flow's times are shifted by the size of the image, their number is not
        shifted = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}
        try:
            scheduler.set_timesteps(steps, **shifted)
        except (ValueError, AssertionError, IndexError) as error:
            reason = " ".join(str(error).split())[:160]
            raise EquinoiseError(f"--steps {steps}: {type(scheduler).__name__} takes others ({reason})") from error
        return len(scheduler.timesteps)

    @property
    def resumable(self) -> bool:
        """Whether the scheduler's step depends on the latents alone."""
        return type(self.pipeline.scheduler).__name__ in RESUMABLE

    def generate(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling | None = None,
        capture: Sequence[Step] = (),
        decode: bool = True,
        generators: list[torch.Generator] | None = None,
        predict: Sequence[int] = (),
        held: Held | None = None,
    ) -> Generated:
        """Run the pipeline's own call on the given noise; see `TextToImage.generate`.

        Raises:
            EquinoiseError: prompts and noise do not match, a captured step does not exist, or the scheduler cannot go
                on from held latents.
        """
        sampling = sampling or default_sampling(self)
        require_noise(noise, prompts, self)
        require_steps([*capture, *predict, *([held.step] if held else [])], self.calls(sampling.steps))
        if held and not self.resumable:
            raise EquinoiseError(f"{type(self.pipeline.scheduler).__name__} cannot go on from latents alone")
        captured: dict[Step, Tensor] = {NOISE: noise.float().cpu()} if NOISE in capture else {}
        timesteps: dict[Step, float] = {}
        predicted: dict[int, Tensor] = {}
        wanted = {int(step) for step in capture if step != NOISE}
        if not decode and not wanted and not predict:
            return Generated(None, captured)
        last: list[Tensor | None] = [None]

        def saw(found: Tensor | None) -> None:
            last[0] = found

        def keep(step: int, timestep: Any, latents: Tensor) -> None:
            if step in wanted:
                captured[step], timesteps[step] = self._plain(latents), float(timestep)
            if step in predict and last[0] is not None:
                predicted[step] = self._plain(last[0])

        stop_after = None if decode else max([*wanted, *predict])
        with contextlib.ExitStack() as during:
            if predict:
                during.enter_context(watch_predictions(self.pipeline.scheduler, saw))
            put = during.enter_context(self._put(held)) if held else None
            images = self._call(prompts, noise, sampling, _callback(keep, stop_after, put), decode, generators)
        return Generated(images, captured, timesteps, predicted)

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """The pipeline's own decoding, scaling and precision included: a run of one step, its denoiser left out."""
        brief = Sampling(1, self.default_guidance if self.family.packed else 1.0)
        with self._put(Held(0, latents)) as put:
            callback = _callback(lambda *_: None, None, put)
            images = self._call([""] * len(latents), torch.zeros_like(latents), brief, callback, True, None)
        return images or []

    def _call(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        callback: Callable[..., dict[str, Any]],
        decode: bool,
        generators: list[torch.Generator] | None,
    ) -> list[Image.Image] | None:
        arguments = {
            "prompt": list(prompts),
            "latents": self.family.to_pipeline(noise, self.pipeline),
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "callback_on_step_end": callback,
            "output_type": "pt" if decode else "latent",
            "generator": generators,
            "height": self.latent_shape[1] * int(self.pipeline.vae_scale_factor),
            "width": self.latent_shape[2] * int(self.pipeline.vae_scale_factor),
            **self.family.extra,
        }
        made = None
        with _silent(self.pipeline):
            try:
                made = self.pipeline(**arguments)
            except _Enough:
                self.pipeline.maybe_free_model_hooks()  # which the call would have done at its end
        return _pictures(made.images) if made is not None and decode else None

    @contextlib.contextmanager
    def _put(self, held: Held) -> Iterator[Callable[[int], dict[str, Any]]]:
        """No denoiser until after the step of the held latents, which then take the place of the run's own."""
        with without_denoiser(self.family.module(self.pipeline)) as back:

            def put(step: int) -> dict[str, Any]:
                if step != held.step:
                    return {}
                back()
                latents = self.family.to_pipeline(held.latents, self.pipeline)
                return {"latents": latents, "denoised": latents}  # the second is what latent consistency decodes

            yield put

    def _plain(self, latents: Tensor) -> Tensor:
        """Latents as the pipeline has them, as (n, *latent_shape) in fp32 on the CPU."""
        return self.family.from_pipeline(latents.detach(), self.latent_shape).float().cpu().clone()


def require_pipeline(model: TextToImage) -> PipelineModel:
    """The model, for those who need the parts of its pipeline.

    Raises:
        EquinoiseError: it has none.
    """
    if not isinstance(model, PipelineModel):
        raise EquinoiseError(f"{model.name} is not a diffusers pipeline; use emoji, a pipeline folder, or a hub name")
    return model


def _pictures(decoded: Tensor) -> list[Image.Image]:
    """Images from values in 0–1 (n, 3, height, width), by the formula of diffusers but rounded where the values are.

    Bytes are a quarter of what would have to leave an accelerator, and floats take a processor a millisecond an image.
    """
    pixels = (decoded.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image) for image in pixels]


class _Enough(Exception):  # noqa: N818
    """Ends a call of a pipeline that knows no interruption."""


def _callback(
    keep: Callable[[int, Any, Tensor], None],
    stop_after: int | None,
    put: Callable[[int], dict[str, Any]] | None = None,
) -> Callable[..., dict[str, Any]]:
    """A diffusers step callback. It fires after a denoiser call: index 0 follows the first one."""

    def on_step_end(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        keep(step, timestep, tensors["latents"])
        if step == stop_after:
            if not hasattr(type(pipeline), "interrupt"):
                raise _Enough
            pipeline._interrupt = True  # diffusers' own flag; it resets at the next call
        return put(step) if put else {}

    return on_step_end


@contextlib.contextmanager
def _silent(pipeline: Any) -> Iterator[None]:
    """No progress bar of diffusers for the length of a call."""
    shown = getattr(pipeline, "_progress_bar_config", {})
    pipeline.set_progress_bar_config(**{**shown, "disable": True})
    try:
        yield
    finally:
        pipeline.set_progress_bar_config(**shown)
