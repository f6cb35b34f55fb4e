"""A diffusers text-to-image pipeline behind the `TextToImage` interface; how families differ: `families.py`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from equinoise.errors import EquinoiseError, reason_of
from equinoise.files import base_name
from equinoise.models.base import (
    NOISE,
    Generated,
    HeldLatents,
    Provenance,
    Sampling,
    Step,
    TextToImage,
    default_sampling,
    require_noise,
    require_steps,
)
from equinoise.models.decoding import Decoded, DecoderWatch, pictures
from equinoise.models.early import RESUMABLE, watch_predictions, without_denoiser
from equinoise.models.families import Family
from equinoise.models.identity import HALVES, active_adapters, hash_weights, identity
from equinoise.models.schedulers import dry_run, scheduler_options
from equinoise.quiet import quiet_libraries


class PipelineModel:
    """A diffusers pipeline behind the `TextToImage` interface. The pipeline itself is left as it was."""

    def __init__(
        self,
        pipeline: Any,
        name: str,
        default_guidance: float | None = None,
        size: tuple[int, int] | None = None,
        revision: str | None = None,
        variant: str | None = None,
    ) -> None:
        """Wrap a loaded pipeline.

        Args:
            pipeline: a text-to-image pipeline of diffusers.
            name: the name by which it was loaded.
            default_guidance: the guidance scale that is used when none is given; None takes the pipeline's own.
            size: (height, width) of the images in pixels.
            revision: of the hub name, for the provenance.
            variant: of the weight files, for the provenance.

        Raises:
            EquinoiseError: the pipeline is of no family whose noise can be set and whose steps can be captured.
        """
        self.family = Family.of(pipeline)
        self.pipeline = pipeline
        self.name = name
        self.latent_shape: tuple[int, ...] = self.family.latent_shape(pipeline, size)
        """(channels, height, width) of one image's latents."""
        self._accepted = inspect.signature(type(pipeline).__call__).parameters
        self._default_guidance = (
            self._accepted["guidance_scale"].default if default_guidance is None else default_guidance
        )
        self._revision, self._variant = revision, variant

    @property
    def default_guidance(self) -> float:
        """The guidance scale that the model states, else the default of its pipeline.

        Raises:
            EquinoiseError: neither declares one.
        """
        if not isinstance(self._default_guidance, int | float):
            raise EquinoiseError(f"{self.name} declares no guidance scale of its own; give --guidance-scale")
        return float(self._default_guidance)

    @property
    def default_steps(self) -> int:
        """The default of the pipeline: 50 for Stable Diffusion 1 to XL, 28 for 3 and Flux, 20 for Sana, 4 for LCM."""
        return int(self._accepted["num_inference_steps"].default)

    @cached_property
    def _weights(self) -> dict[str | None, str]:
        """The hash of the denoiser's weights as they are (None), and as rounded to each half precision."""
        module = self.family.module(self.pipeline)
        halves = HALVES if module.dtype == torch.float32 else {}
        kinds: list[tuple[str | None, torch.dtype | None]] = [(None, None), *halves.items()]
        return {name: hash_weights(module, dtype) for name, dtype in kinds}

    @property
    def provenance(self) -> Provenance:
        """Name, classes, scheduler settings, and hashes of the denoiser's weights and the adapters in memory.

        The denoiser is hashed once, adapters every time, since a live pipeline may change its adapters.
        """
        scheduler, adapters = self.pipeline.scheduler, active_adapters(self.pipeline)
        prediction = "flow_prediction" if "FlowMatch" in type(scheduler).__name__ else "epsilon"
        found: Provenance = {
            "name": base_name(self.name),
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(scheduler).__name__,
            "scheduler_options": scheduler_options(scheduler),
            "prediction_type": scheduler.config.get("prediction_type", prediction),
            "dtype": str(self.family.module(self.pipeline).dtype).removeprefix("torch."),
            "latent_shape": list(self.latent_shape),
            "weights": identity(self._weights[None], adapters),
            "guidance": self.family.guidance(self.pipeline),
        }
        rounded = {name: dtype for name, dtype in HALVES.items() if name in self._weights}
        if rounded:
            found["weights_rounded"] = {
                name: identity(self._weights[name], active_adapters(self.pipeline, dtype))
                for name, dtype in rounded.items()
            }
        if adapters:
            found["adapters"] = adapters
        if self._revision:
            found["revision"] = self._revision
        if self._variant:
            found["variant"] = self._variant
        return found

    def require_total(self, steps: int) -> None:
        """Check by a dry run without the denoiser that the scheduler can take that many steps.

        Raises:
            EquinoiseError: the scheduler cannot.
        """
        self.calls(steps)
        scheduler = self.pipeline.scheduler
        try:
            with quiet_libraries(importing=False):
                dry_run(scheduler, self.family, steps)
        except Exception as error:  # classes of diffusers raise whatever comes where a model's settings do not suit
            raise EquinoiseError(
                f"{type(scheduler).__name__} does not run with the settings of {self.name} ({reason_of(error)}); "
                "choose another with --scheduler"
            ) from error

    def calls(self, steps: int) -> int:
        """Denoiser calls of so many steps, each followed by the callback: Heun makes 11 for 6 steps, PNDM 7.

        Raises:
            EquinoiseError: the scheduler does not take that many steps.
        """
        most = int(self.pipeline.scheduler.config.num_train_timesteps)
        if not 1 <= steps <= most:
            raise EquinoiseError(f"--steps {steps}: {self.name} takes from 1 to {most} denoising steps")
        scheduler = deepcopy(self.pipeline.scheduler)
        try:
            with quiet_libraries(importing=False):
                return len(self.family.timesteps(scheduler, steps))
        except Exception as error:  # classes of diffusers raise whatever comes where they take no such number
            reason = reason_of(error)
            raise EquinoiseError(f"--steps {steps}: {type(scheduler).__name__} takes others ({reason})") from error

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
        held: HeldLatents | None = None,
    ) -> Generated:
        """Run the pipeline's own call on the given noise; see `TextToImage.generate`.

        Raises:
            EquinoiseError: prompts and noise do not match, a captured step does not exist, or the scheduler cannot
                continue from held latents.
        """
        sampling = sampling or default_sampling(self)
        require_noise(noise, prompts, self)
        require_steps([*capture, *predict, *([held.step] if held else [])], self.calls(sampling.steps))
        if held and not self.resumable:
            raise EquinoiseError(
                f"{type(self.pipeline.scheduler).__name__} cannot continue from latents alone; leave out held latents"
            )
        captured: dict[Step, Tensor] = {NOISE: noise.float().cpu()} if NOISE in capture else {}
        timesteps: dict[Step, float] = {}
        predicted: dict[int, Tensor] = {}
        wanted = {int(step) for step in capture if step != NOISE}
        if not decode and not wanted and not predict:
            return Generated(None, captured)
        last: list[Tensor | None] = [None]

        def saw(found: Tensor | None) -> None:
            last[0] = found

        def store(step: int, timestep: Any, latents: Tensor) -> None:
            if step in wanted:
                captured[step], timesteps[step] = self._plain(latents), float(timestep)
            if step in predict and last[0] is not None:
                predicted[step] = self._plain(last[0])

        stop_after = None if decode else max([*wanted, *predict])
        with contextlib.ExitStack() as during:
            if predict:
                during.enter_context(watch_predictions(self.pipeline.scheduler, saw))
            replaced = during.enter_context(self._continued(held)) if held else None
            callback = _callback(store, stop_after, replaced)
            made = self._call(prompts, noise, sampling, callback, decode, generators)
        if made is None:
            return Generated(None, captured, timesteps, predicted)
        return Generated(made.images, captured, timesteps, predicted, made.no_picture)

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """The pipeline's own decoding, with its scaling and precision: a run of one step without the denoiser.

        An image that is no picture is black.
        """
        brief = Sampling(1, self.default_guidance if self.family.packed else 1.0)
        with self._continued(HeldLatents(0, latents)) as replaced:
            callback = _callback(lambda *_: None, None, replaced)
            made = self._call([""] * len(latents), torch.zeros_like(latents), brief, callback, True, None)
        return made.blackened if made else []

    def _call(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        callback: Callable[..., dict[str, Tensor]],
        decode: bool,
        generators: list[torch.Generator] | None,
    ) -> Decoded | None:
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
        made, watch = None, DecoderWatch()
        with _silent(self.pipeline), watch.on(self.pipeline.vae):
            try:
                made = self.pipeline(**arguments)
            except _Enough:
                self.pipeline.maybe_free_model_hooks()  # which the call would have done at its end
        return pictures(made, watch) if made is not None and decode else None

    @contextlib.contextmanager
    def _continued(self, held: HeldLatents) -> Iterator[Callable[[int], dict[str, Tensor]]]:
        """Leave the denoiser out up to the step of the held latents, which then replace the latents of the run."""
        with without_denoiser(self.family.module(self.pipeline)) as back:

            def replaced(step: int) -> dict[str, Tensor]:
                if step != held.step:
                    return {}
                back()
                latents = self.family.to_pipeline(held.tensor, self.pipeline)
                return {"latents": latents, "denoised": latents}  # the second is what latent consistency decodes

            yield replaced

    def _plain(self, latents: Tensor) -> Tensor:
        """Latents in the pipeline's layout → (n, *latent_shape), single precision, on the CPU."""
        return self.family.from_pipeline(latents.detach(), self.latent_shape).float().cpu().clone()


def require_pipeline(model: TextToImage) -> PipelineModel:
    """The model, where the parts of its pipeline are needed.

    Raises:
        EquinoiseError: the model is not a pipeline.
    """
    if not isinstance(model, PipelineModel):
        raise EquinoiseError(f"{model.name} is not a diffusers pipeline; use emoji, a pipeline folder, or a hub name")
    return model


class _Enough(Exception):  # noqa: N818
    """Ends a call of a pipeline that cannot be interrupted."""


def _callback(
    store: Callable[[int, Any, Tensor], None],
    stop_after: int | None,
    replaced: Callable[[int], dict[str, Tensor]] | None = None,
) -> Callable[..., dict[str, Tensor]]:
    """A step callback for diffusers, which calls it after each denoiser call: index 0 follows the first."""

    def on_step_end(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        store(step, timestep, tensors["latents"])
        if step == stop_after:
            if not hasattr(type(pipeline), "interrupt"):
                raise _Enough
            pipeline._interrupt = True  # diffusers' own flag; it resets at the next call
        return replaced(step) if replaced else {}

    return on_step_end


@contextlib.contextmanager
def _silent(pipeline: Any) -> Iterator[None]:
    """Hide the progress bar and the notices of diffusers during a call; what these warn of is said elsewhere, once."""
    shown = getattr(pipeline, "_progress_bar_config", {})
    pipeline.set_progress_bar_config(**{**shown, "disable": True})
    try:
        with quiet_libraries(importing=False):
            yield
    finally:
        pipeline.set_progress_bar_config(**shown)
