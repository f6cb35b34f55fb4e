"""Making a model fit into memory: offload to the CPU, decoding in parts, and the largest batch that fits."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch

from equinoise.errors import EquinoiseError
from equinoise.models.base import Sampling, TextToImage, draw
from equinoise.models.pipeline import PipelineModel

OFFLOADS = ("none", "model", "sequential")
ON_CPU = 16
"""The batch size of `auto` on a CPU, where larger batches are no faster."""
LARGEST = 64
"""The batch size that the search on an accelerator starts from."""


def place(pipeline: Any, device: str, offload: str) -> None:
    """Move a pipeline to a device, whole or with its idle parts in the memory of the CPU, by the methods of diffusers.

    On an accelerator the autoencoder decodes one image at a time; with offload also in tiles, where an image is larger
    than a tile. Both limit memory that otherwise grows with the batch and the image.

    Raises:
        EquinoiseError: no such offload, or offload on a CPU.
    """
    if offload not in OFFLOADS:
        raise EquinoiseError(f"no offload '{offload}'; use one of {', '.join(OFFLOADS)}")
    if offload == "none":
        pipeline.to(device)
    elif device == "cpu":
        raise EquinoiseError(f"--offload {offload} needs an accelerator: a CPU has nowhere to offload to; leave it out")
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    if device != "cpu":
        decode_in_parts(pipeline.vae, tiles=offload != "none")


def decode_in_parts(vae: Any, tiles: bool) -> None:
    """Let an autoencoder decode image by image, and in tiles if asked; one without these methods is left unchanged."""
    for able in ("enable_slicing", *(["enable_tiling"] if tiles else [])):
        if hasattr(vae, able):
            getattr(vae, able)()


def find_batch_size(model: TextToImage, sampling: Sampling) -> int:
    """The batch size of `auto`: 16 on a CPU, else the largest power of two up to 64 that fits, found by trying.

    Each try takes two denoising steps and decodes, where memory use peaks. The size that is found depends on what else
    is in the accelerator's memory at that time, and is part of the result like any batch size.

    Raises:
        EquinoiseError: not even one image fits.
    """
    if not isinstance(model, PipelineModel) or model.pipeline._execution_device.type == "cpu":
        return ON_CPU
    brief = Sampling(min(2, sampling.steps), sampling.guidance_scale)

    def attempt(size: int) -> None:
        noise, generators = draw(range(size), model.latent_shape)
        model.generate(["a photo"] * size, noise, brief, generators=generators)

    return halve_until_it_fits(attempt, LARGEST)


def halve_until_it_fits(attempt: Callable[[int], None], size: int) -> int:
    """The first of size, size/2, size/4, … at which the attempt does not run out of an accelerator's memory.

    Raises:
        EquinoiseError: not even at 1.
    """
    while size:
        try:
            attempt(size)
            return size
        except torch.OutOfMemoryError:
            size //= 2
        gc.collect()  # outside the handler: the traceback holds the tensors of the call that failed
        torch.cuda.empty_cache()
    raise EquinoiseError("not even one image fits the accelerator's memory; use --offload model, or a smaller --size")
