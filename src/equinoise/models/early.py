"""Early in a run of a pipeline: its prediction x̂₀ of the final image, and continuing from held latents.

Nothing here depends on the family of the pipeline. x̂₀ is what the scheduler computes from the model's output at a step.
A run continues from step k by taking the steps up to k without the denoiser and then replacing the latents.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

RESUMABLE = frozenset(
    {
        "DDIMScheduler",
        "DDPMScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "FlowMatchEulerDiscreteScheduler",
        "LCMScheduler",
    }
)
"""Schedulers whose step depends on the latents alone. Others (DPM++, UniPC, PNDM, Heun) use earlier outputs too."""


@contextlib.contextmanager
def watch_predictions(scheduler: Any, saw: Callable[[Tensor | None], None]) -> Iterator[None]:
    """Call `saw` after each step of a run: with x̂₀, or with None where the scheduler predicts no image."""
    step = scheduler.step

    @functools.wraps(step)  # pipelines read its signature
    def watched(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        as_dict = kwargs.pop("return_dict", True)
        made = step(model_output, timestep, sample, *args, return_dict=True, **kwargs)
        saw(predicted_original(scheduler, made, model_output, sample))
        return made if as_dict else made.to_tuple()

    scheduler.step = watched
    try:
        yield
    finally:
        del scheduler.step


def predicted_original(scheduler: Any, made: Any, model_output: Tensor, sample: Tensor) -> Tensor | None:
    """x̂₀ after a step, as the scheduler itself computes it from an epsilon, v, sample or flow prediction.

    DDIM, DDPM, Euler and LCM return it; DPM++ and UniPC keep it as their last converted output; of a rectified flow,
    whose model predicts v = ε − x₀, it is x_t − σ_t·v (Liu et al. 2023). None for others: PNDM, Heun, DEIS, …
    """
    for name in ("pred_original_sample", "denoised"):
        if isinstance(found := getattr(made, name, None), Tensor):
            return found
    if type(scheduler).__name__ == "FlowMatchEulerDiscreteScheduler":
        sigma = scheduler.sigmas[scheduler.step_index - 1].to(sample.device)
        flowed: Tensor = sample.float() - sigma * model_output.float()
        return flowed
    config = scheduler.config
    if str(config.get("algorithm_type", "")).endswith("++") or config.get("predict_x0"):
        last: Tensor = scheduler.model_outputs[-1]
        return last
    return None


@contextlib.contextmanager
def without_denoiser(denoiser: Any) -> Iterator[Callable[[], None]]:
    """Let the denoiser return zeros at no cost, until the function that this context yields is called."""
    own = denoiser.__dict__.get("forward")

    def nothing(*args: Any, **kwargs: Any) -> tuple[Tensor]:
        given: Tensor = args[0] if args else kwargs["hidden_states"]
        return (torch.zeros_like(given),)

    def back() -> None:
        denoiser.__dict__.pop("forward", None)
        if own is not None:
            denoiser.forward = own

    denoiser.forward = nothing
    try:
        yield back
    finally:
        back()
