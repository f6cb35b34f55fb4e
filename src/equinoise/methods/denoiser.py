"""Hooks on the denoiser of a pipeline: what goes in as text, what its cross-attention gives, what comes out.

Under classifier-free guidance a pipeline calls its denoiser with 2n rows for n images, the unconditional ones first.
All hooks are gone at the end of their block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equinoise.models.base import Sampling, TextToImage
from equinoise.models.early import without_denoiser
from equinoise.models.pipeline import PipelineModel, require_pipeline

Part = Literal["all", "conditional", "unconditional"]
TEXT = "encoder_hidden_states"
CROSS_ATTENTION = ".attn2"
"""How the names of cross-attention modules end in diffusers' denoisers that have any."""


def rows_of(rows: int, n: int, part: Part) -> slice:
    """The rows of a call for n images that belong to a part; none are unconditional without guidance.

    >>> rows_of(8, 4, "conditional"), rows_of(4, 4, "conditional"), rows_of(4, 4, "unconditional")
    (slice(4, 8, None), slice(0, 4, None), slice(0, 0, None))
    """
    guided = rows - n
    return {"all": slice(0, rows), "conditional": slice(guided, rows), "unconditional": slice(0, guided)}[part]


@contextmanager
def text_changed(model: TextToImage, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace the text (rows, tokens, d) that the denoiser gets by `change` of it."""

    def before(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return given, {**named, TEXT: change(named[TEXT])}

    handle = denoiser(model).register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def output_changed(model: TextToImage, change: Callable[[Tensor, float], Tensor]) -> Iterator[None]:
    """Replace the prediction (rows, *shape) that the denoiser gives by `change` of it and of the time of the call."""

    def after(_: Any, given: tuple[Any, ...], named: dict[str, Any], made: Any) -> Any:
        time = given[1] if len(given) > 1 else named["timestep"]
        first = change(made[0], float(torch.as_tensor(time).flatten()[0]))
        if isinstance(made, tuple):
            return (first, *made[1:])
        made.sample = first
        return made

    handle = denoiser(model).register_forward_hook(after, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@dataclass(frozen=True)
class Place:
    """Where a cross-attention was called: the number of the denoiser call, from 0, and the name of the module."""

    call: int
    layer: str


@contextmanager
def attention_changed(model: TextToImage, change: Callable[[Place, Tensor], Tensor]) -> Iterator[None]:
    """Replace what each cross-attention gives, (rows, places of the image, d), by `change` of it."""
    calls = [-1]

    def begun(*_: Any) -> None:
        calls[0] += 1

    def after(layer: str) -> Callable[..., Tensor]:
        return lambda _module, _given, made: change(Place(calls[0], layer), made)

    module = denoiser(model)
    layers = {name: part for name, part in module.named_modules() if name.endswith(CROSS_ATTENTION)}
    handles = [module.register_forward_pre_hook(begun)]
    handles += [part.register_forward_hook(after(name)) for name, part in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def has_cross_attention(model: TextToImage) -> bool:
    """Whether text reaches the image by cross-attention modules of their own."""
    return any(name.endswith(CROSS_ATTENTION) for name, _ in denoiser(model).named_modules())


def denoiser(model: TextToImage) -> Any:
    """The module that is called at every step.

    Raises:
        EquinoiseError: the model is not a pipeline.
    """
    found = require_pipeline(model)
    return found.family.module(found.pipeline)


@torch.no_grad()
def first_prediction(model: TextToImage, prompts: Sequence[str], noise: Tensor, steps: int) -> Tensor:
    """What the denoiser gives at its first call without guidance, (n, *latent_shape): one call an image."""
    seen: list[Tensor] = []

    def keep(made: Tensor, _: float) -> Tensor:
        seen.append(made.detach())
        return made

    pipe: PipelineModel = require_pipeline(model)
    with output_changed(model, keep):
        pipe.generate(prompts, noise, Sampling(steps, 1.0), capture=(0,), decode=False)
    return pipe.family.from_pipeline(seen[0], pipe.latent_shape).float().cpu()


@torch.no_grad()
def embeddings(model: TextToImage, prompts: Sequence[str]) -> Tensor:
    """The text (n, tokens, d) that the denoiser gets for prompts, in single precision; no denoiser call is made."""
    seen: list[Tensor] = []

    def keep(text: Tensor) -> Tensor:
        seen.append(text.detach())
        return text

    pipe, noise = require_pipeline(model), torch.zeros(len(prompts), *model.latent_shape)
    with text_changed(model, keep), without_denoiser(denoiser(model)):
        pipe.generate(prompts, noise, Sampling(2, 1.0), capture=(0,), decode=False)
    return seen[0].float().cpu()
