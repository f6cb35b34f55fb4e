"""A bank's pictures as latents, encoded once and kept beside what is trained on them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

NAME = "latents.safetensors"
BATCH = 64
TOLD_BY = 64
"""Pictures, evenly spread over a bank, whose digest distinguishes it from other banks."""


@torch.no_grad()
def encode(
    vae: AutoencoderTiny, images: NDArray[np.uint8], work: Path, device: str, full_precision: bool = False
) -> Tensor:
    """All pictures as latents (n, 8, 16, 16) in fp16; made once and kept in the folder.

    Raises:
        SystemExit: the folder has those of other pictures, whose rows would be taken for these.
    """
    cache, ours = work / NAME, digest(images)
    if not cache.exists():
        vae.to(device, memory_format=torch.channels_last)
        chunks = []
        for start in track(range(0, len(images), BATCH), description="encoding"):
            x = torch.from_numpy(images[start : start + BATCH]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            with torch.autocast(device, torch.bfloat16, enabled=not full_precision):
                chunks.append(vae.encode(x.contiguous(memory_format=torch.channels_last)).latents.half().cpu())
        partial = cache.with_suffix(".partial")
        save_file({"latents": torch.cat(chunks).contiguous()}, partial, metadata={"pictures": ours})
        partial.replace(cache)
    with safe_open(cache, "pt") as handle:
        theirs = (handle.metadata() or {}).get("pictures")
    if theirs != ours:
        raise SystemExit(f"{cache} is of other pictures than the bank has; remove it, or use another folder")
    return load_latents(work)


def load_latents(work: Path) -> Tensor:
    """What `encode` kept."""
    return load_file(work / NAME)["latents"]


def digest(images: NDArray[np.uint8]) -> str:
    """A digest of pictures (n, h, w, 3): of their number and of some of them."""
    some = np.ascontiguousarray(images[:: max(1, len(images) // TOLD_BY)])
    return sha256(repr(images.shape).encode() + some.tobytes()).hexdigest()[:16]


def spread(latents: Tensor) -> float:
    """Standard deviation of all latents: one over it is the scaling factor."""
    return latents.float().std().item()
