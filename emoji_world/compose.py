"""Pictures: a drawing placed on a background, with its box known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from emoji_world.art import sprite
from emoji_world.world import Person

SIZE = 64


@dataclass(frozen=True)
class Composition:
    """A picture, 64×64 RGB, and the box of the person in it (left, top, right, bottom in pixels)."""

    image: Image.Image
    box: tuple[int, int, int, int]


def compose(rng: np.random.Generator, person: Person) -> Composition:
    """The person on a random background, at a random size and place, mirrored half of the time."""
    drawing = sprite(person)
    if rng.random() < 0.5:
        drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side = int(rng.integers(50, SIZE + 1))
    drawing = drawing.resize((side, side), Image.Resampling.LANCZOS)
    left, top = (int(v) for v in rng.integers(0, SIZE - side + 1, size=2))
    image = background(rng)
    image.paste(drawing, (left, top), drawing)
    return Composition(image, (left, top, left + side, top + side))


def background(rng: np.random.Generator) -> Image.Image:
    """A soft vertical gradient of one hue, sometimes with a horizon or a disc. Never a skin colour's saturation."""
    top, bottom = _pastel(rng), _pastel(rng)
    ramp = np.linspace(0, 1, SIZE)[:, None, None]
    pixels = np.broadcast_to(top * (1 - ramp) + bottom * ramp, (SIZE, SIZE, 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    kind = rng.integers(3)
    if kind == 1:
        horizon = int(rng.integers(30, 56))
        draw.rectangle((0, horizon, SIZE, SIZE), fill=_fill(_pastel(rng)))
    elif kind == 2:
        x, y, radius = (int(v) for v in rng.integers((0, 0, 6), (SIZE, 32, 16)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_fill(_pastel(rng)))
    return image


def _pastel(rng: np.random.Generator) -> NDArray[np.float64]:
    """A light colour in the blue-green-violet half of the wheel, or a grey: far from every skin tone."""
    hue = rng.uniform(0.30, 0.85)
    saturation, value = rng.uniform(0.05, 0.45), rng.uniform(0.70, 1.0)
    offsets = np.array([5.0, 3.0, 1.0])
    k = (offsets + hue * 6) % 6
    rgb: NDArray[np.float64] = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return rgb * 255


def _fill(colour: NDArray[np.float64]) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in colour)
    return r, g, b
