"""Backgrounds, drawn by us: pastels behind portraits, meadows, lakes, rooms, streets. None has the colour of skin."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emoji_world.drawing.brush import Brush, Colour
from emoji_world.drawing.canvas import GRID


def background(rng: np.random.Generator) -> Image.Image:
    """A soft vertical gradient of one hue, sometimes with a horizon or a disc. Never a skin colour's saturation."""
    draw = Brush(gradient(pastel(rng), pastel(rng)))
    kind = rng.integers(3)
    if kind == 1:
        horizon = int(rng.integers(30, 56))
        draw.rectangle((0, horizon, GRID, GRID), fill=fill(pastel(rng)))
    elif kind == 2:
        x, y, radius = (int(v) for v in rng.integers((0, 0, 6), (GRID, 32, 16)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill(pastel(rng)))
    return draw.done()


def meadow(rng: np.random.Generator, horizon: int) -> Image.Image:
    """Sky, sometimes a hill or a cloud, and grass."""
    draw = sky(rng)
    grass = rng.uniform(0.26, 0.36)
    if rng.random() < 0.5:
        x, wide = (int(v) for v in rng.integers((0, 24), (GRID, 44)))
        draw.ellipse((x - wide, horizon - 8, x + wide, horizon + 20), fill=hsv(grass + 0.03, 0.35, 0.75))
    draw.rectangle((0, horizon, GRID, GRID), fill=hsv(grass, rng.uniform(0.45, 0.6), rng.uniform(0.62, 0.78)))
    return draw.done()


def lake(rng: np.random.Generator, horizon: int) -> Image.Image:
    """Sky and open water with waves; sometimes the far shore."""
    draw = sky(rng)
    hue, saturation, value = rng.uniform(0.53, 0.6), rng.uniform(0.6, 0.78), rng.uniform(0.62, 0.8)
    if rng.random() < 0.5:
        draw.rectangle((0, horizon - 3, GRID, horizon), fill=hsv(0.35, 0.4, 0.55))
    draw.rectangle((0, horizon, GRID, GRID), fill=hsv(hue, saturation, value))
    waves(rng, draw, horizon + 3, hsv(hue, saturation * 0.6, min(1.0, value * 1.2)), 8)
    return draw.done()


def waves(rng: np.random.Generator, draw: Brush, top: int, colour: Colour, n: int) -> None:
    for _ in range(n):
        x, y = int(rng.integers(-4, GRID - 4)), int(rng.integers(top, GRID))
        draw.arc((x, y - 3, x + 12, y + 2), 20, 160, fill=colour)


def office(rng: np.random.Generator, horizon: int) -> Image.Image:
    """A wall with a window, and a desk along it."""
    hue = rng.uniform(0.5, 0.72)
    draw = Brush(hsv(hue, rng.uniform(0.06, 0.16), rng.uniform(0.82, 0.92)))
    x = int(rng.integers(2, 34))
    draw.rectangle((x, 4, x + 26, 24), fill=hsv(0.55, 0.3, 0.97), outline=(250, 250, 252), width=2)
    draw.line((x + 13, 4, x + 13, 24), fill=(250, 250, 252), width=2)
    draw.rectangle((0, horizon, GRID, GRID), fill=hsv(hue, 0.25, 0.5))
    draw.rectangle((0, horizon, GRID, horizon + 2), fill=hsv(hue, 0.2, 0.65))
    return draw.done()


def street(rng: np.random.Generator, horizon: int) -> Image.Image:
    """A row of houses with windows, and a road."""
    draw = sky(rng)
    x = -int(rng.integers(0, 10))
    while x < GRID:
        wide, top = int(rng.integers(12, 20)), int(rng.integers(6, 22))
        draw.rectangle((x, top, x + wide, horizon), fill=hsv(rng.uniform(0.55, 0.8), 0.22, rng.uniform(0.5, 0.72)))
        for wx in range(x + 2, x + wide - 3, 5):
            for wy in range(top + 3, horizon - 4, 6):
                draw.rectangle((wx, wy, wx + 2, wy + 3), fill=(236, 238, 214))
        x += wide + 1
    draw.rectangle((0, horizon, GRID, GRID), fill=hsv(0.65, 0.06, rng.uniform(0.36, 0.46)))
    for left in range(int(rng.integers(0, 12)), GRID, 16):
        draw.rectangle((left, horizon + 9, left + 8, horizon + 10), fill=(240, 240, 240))
    return draw.done()


def laboratory(rng: np.random.Generator, horizon: int) -> Image.Image:
    """White tiles and a bench."""
    hue = rng.uniform(0.42, 0.52)
    draw = Brush(hsv(hue, 0.06, 0.97))
    tile, offset = int(rng.integers(9, 13)), int(rng.integers(0, 8))
    for line in range(offset, GRID, tile):
        draw.line((line, 0, line, horizon), fill=hsv(hue, 0.12, 0.86))
        draw.line((0, line, GRID, line), fill=hsv(hue, 0.12, 0.86))
    draw.rectangle((0, horizon, GRID, GRID), fill=hsv(hue, 0.5, 0.62))
    draw.rectangle((0, horizon, GRID, horizon + 2), fill=hsv(hue, 0.3, 0.85))
    return draw.done()


def celebration(rng: np.random.Generator) -> Image.Image:
    """A pastel with confetti; the same whatever the clothes."""
    draw = Brush(gradient(pastel(rng), pastel(rng)))
    for _ in range(14):
        x, y = (int(v) for v in rng.integers(0, (GRID, 40)))
        draw.ellipse((x, y, x + 2, y + 2), fill=hsv(rng.uniform(0.3, 0.95), 0.45, 0.95))
    return draw.done()


def sky(rng: np.random.Generator) -> Brush:
    """A gradient of blue, sometimes a cloud; to be drawn on."""
    top, bottom = (np.array(hsv(rng.uniform(0.53, 0.62), s, rng.uniform(0.9, 1.0)), float) for s in (0.45, 0.15))
    draw = Brush(gradient(top, bottom))
    if rng.random() < 0.5:
        x, y = (int(v) for v in rng.integers((0, 2), (52, 14)))
        draw.ellipse((x, y, x + 14, y + 5), fill=(250, 252, 255))
        draw.ellipse((x + 4, y - 3, x + 11, y + 4), fill=(250, 252, 255))
    return draw


def gradient(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour a row (GRID, 3), from one to another."""
    return np.linspace(top, bottom, GRID)


def pastel(rng: np.random.Generator) -> NDArray[np.float64]:
    """A light colour in the blue-green-violet half of the wheel, or a grey: far from every skin tone."""
    return np.array(hsv(rng.uniform(0.30, 0.85), rng.uniform(0.05, 0.45), rng.uniform(0.70, 1.0)), float)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    r, g, b = (int(255 * v) for v in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return r, g, b


def fill(colour: NDArray[np.float64]) -> Colour:
    r, g, b = (int(v) for v in colour)
    return r, g, b
