"""Latents ↔ coordinates ↔ pictures: a latent pixel is a block of 8 × 8 pixels of one colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.models.mixture.flow import Array
from equinoise.models.mixture.world import COORDINATES, LATENT_SHAPE, basis

ENLARGED = 8
FAINT = 0.25
"""The factor on noise beside the patterns in a picture: less than 1, so that people see the patterns."""
GREY, CONTRAST, KNEE = 127.5, 23.0, 0.1
"""Pixel = GREY + CONTRAST · asinh(value/KNEE), as sound is companded: fine steps around grey, and room for values from
−12 to 12, since guidance drives some of them far (a farmer past it from a scale of 3 on). Rounding to 8 bits moves a
coordinate by 0.02 s, s being the spread of a component, at a guidance scale of 1 and by 0.06 s at 2."""


def to_coordinates(latents: Array) -> tuple[Array, Array]:
    """Latents (n, 192) → coordinates (12, n), and the rest of the latents (n, 192)."""
    coordinates = np.stack([(latents * pattern).sum(axis=1) for pattern in basis()])
    return coordinates, latents - from_coordinates(coordinates)


def from_coordinates(coordinates: Array) -> Array:
    """Coordinates (12, n) → latents (n, 192) that have these coordinates and nothing else."""
    latents = np.zeros((coordinates.shape[1], basis().shape[1]))
    for values, pattern in zip(coordinates, basis(), strict=True):
        latents += values[:, None] * pattern
    return latents


def along(latents: Array | None, coordinates: Sequence[str]) -> Array:
    """The part of one image's latents (3, 8, 8) along some coordinates, in their order; zeros for None."""
    if latents is None:
        return np.zeros(len(coordinates))
    whole, _ = to_coordinates(np.reshape(latents, (1, -1)))
    part: Array = whole[[COORDINATES.index(name) for name in coordinates], 0]
    return part


def lifted(coordinates: Sequence[str], values: Array) -> Array:
    """The unit vector (3, 8, 8) in the direction of the given values along some coordinates."""
    whole = np.zeros((len(COORDINATES), 1))
    whole[[COORDINATES.index(name) for name in coordinates], 0] = values / np.linalg.norm(values)
    return from_coordinates(whole).reshape(LATENT_SHAPE)


def to_pictures(latents: Array) -> list[Image.Image]:
    """Latents (n, 192) → RGB pictures of 64 × 64 pixels."""
    coordinates, rest = to_coordinates(latents)
    values = from_coordinates(coordinates) + FAINT * rest
    pixels = np.clip(np.rint(GREY + CONTRAST * np.arcsinh(values / KNEE)), 0, 255).astype(np.uint8)
    shaped = pixels.reshape(-1, *LATENT_SHAPE).transpose(0, 2, 3, 1)
    return [Image.fromarray(row) for row in shaped.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)]


def from_pictures(images: Sequence[Image.Image]) -> Array:
    """RGB pictures → their coordinates (12, n).

    Raises:
        EquinoiseError: a picture is not the mixture's, which has 64 × 64 pixels in blocks of one colour.
    """
    colours, height, width = LATENT_SHAPE
    size = (ENLARGED * width, ENLARGED * height)
    refusal = EquinoiseError("the mixture's detector reads the mixture's own pictures only; give another --detector")
    if any(image.size != size for image in images):
        raise refusal
    pixels: NDArray[np.uint8] = np.stack([np.asarray(image.convert("RGB")) for image in images])
    blocks = pixels.reshape(-1, height, ENLARGED, width, ENLARGED, colours)
    if (blocks != blocks[:, :, :1, :, :1]).any():
        raise refusal
    flat = blocks[:, :, 0, :, 0].astype(np.float64).transpose(0, 3, 1, 2).reshape(len(images), -1)
    return to_coordinates(KNEE * np.sinh((flat - GREY) / CONTRAST))[0]
