"""The end of a pipeline's run: what it decodes becomes pictures, or is found to be none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from equinoise.no_picture import NoPicture

FLAGS = ("nsfw_content_detected", "nsfw_detected", "watermark_detected")
"""Where the outputs of pipelines say which images a safety checker replaced by black ones: those of Stable Diffusion
and latent consistency, and of DeepFloyd."""


@dataclass(frozen=True)
class Decoded:
    """Images of a call, and for each why it is no picture; None for a picture."""

    images: list[Image.Image]
    no_picture: list[NoPicture | None]

    @property
    def blackened(self) -> list[Image.Image]:
        """The images, with a black one in place of each that is no picture."""
        return [
            Image.new(image.mode, image.size) if reason else image
            for image, reason in zip(self.images, self.no_picture, strict=True)
        ]


class DecoderWatch:
    """Whether the numbers of each image were finite, as seen by the decoder of a pipeline during a call."""

    def __init__(self) -> None:
        self._finite: Tensor | None = None

    @contextlib.contextmanager
    def on(self, vae: Any) -> Iterator[None]:
        """Watch the decoder: the pipeline clamps what the decoder returns, and a safety checker may black it out."""
        vae = getattr(vae, "_orig_mod", vae)  # of a compiled one, whose attributes are those of the original
        decode = getattr(vae, "decode", None)
        if decode is None:
            yield
            return
        own = vae.__dict__.get("decode")

        def watched(latents: Tensor, *args: Any, **kwargs: Any) -> Any:
            made = decode(latents, *args, **kwargs)
            self._finite = _finite(latents) & _finite(made[0])
            return made

        vae.decode = watched
        try:
            yield
        finally:
            vae.__dict__.pop("decode", None)
            if own is not None:
                vae.decode = own

    def finite(self, decoded: Tensor) -> list[bool]:
        """(n,) of images as the pipeline returned them, after the decoder."""
        here = _finite(decoded)
        seen = self._finite
        both = here & seen.to(here.device) if seen is not None and len(seen) == len(here) else here
        found: list[bool] = both.tolist()
        return found


def _finite(values: Tensor) -> Tensor:
    return torch.isfinite(values).flatten(1).all(1)


def pictures(output: Any, watch: DecoderWatch) -> Decoded:
    """The images of a pipeline's output, whose values (n, 3, height, width) lie in 0–1.

    Rounded by the formula of diffusers but on their device: bytes are a quarter of what would otherwise leave an
    accelerator, and rounding floats on a CPU takes a millisecond for each image. An image with a value that is not
    finite is black, since what a cast makes of such a value depends on the machine.
    """
    decoded: Tensor = output.images
    finite, flagged = watch.finite(decoded), _flagged(output, len(decoded))
    values = (decoded.float() * 255).round()
    if not all(finite):
        values[~torch.tensor(finite, device=values.device)] = 0
    pixels = values.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    reasons: list[NoPicture | None] = [
        "nan" if not known else "filtered" if blanked else None for known, blanked in zip(finite, flagged, strict=True)
    ]
    return Decoded([Image.fromarray(image) for image in pixels], reasons)


def _flagged(output: Any, n: int) -> list[bool]:
    """(n,) whether a safety checker flagged an image; a checker of the user's own may say one thing of all."""
    found = [False] * n
    for name in FLAGS:
        flags = getattr(output, name, None)
        each: Sequence[Any] = flags if isinstance(flags, list | tuple) else [flags] * n
        found = [before or bool(flag) for before, flag in zip(found, [*each, *[False] * n], strict=False)]
    return found
