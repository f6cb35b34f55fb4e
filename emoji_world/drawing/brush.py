"""A brush that draws in units of the grid, larger than the picture and then shrunk: smooth edges at any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from emoji_world.drawing.canvas import GRID, SIZE

Colour = tuple[int, int, int]
FINE = 2 * SIZE // GRID
"""Pixels a unit while drawing: twice as many as in the picture."""


class Brush:
    """Shapes on an unfinished picture. Corners are (left, top, right, bottom) in units; lengths may be fractions."""

    def __init__(self, ground: Colour | NDArray[np.float64]) -> None:
        """Begin on one colour, or on a colour a row (GRID, 3)."""
        rows = np.broadcast_to(np.asarray(ground, float), (GRID, 3))
        narrow = Image.fromarray(rows[:, None].round().astype(np.uint8))
        self._image = narrow.resize((GRID * FINE, GRID * FINE), Image.Resampling.BICUBIC)
        self._draw = ImageDraw.Draw(self._image)

    def done(self) -> Image.Image:
        """The picture, at its size."""
        return self._image.resize((SIZE, SIZE), Image.Resampling.BOX)

    def rectangle(self, box: Sequence[float], fill: Colour, outline: Colour | None = None, width: float = 0) -> None:
        """Filled, the right and lower ends included."""
        left, top, right, bottom = box
        ends = self._places((left, top, right + 1, bottom + 1))
        self._draw.rectangle((*ends[:2], ends[2] - 1, ends[3] - 1), fill, outline, round(width * FINE))

    def ellipse(self, box: Sequence[float], fill: Colour) -> None:
        """Filled."""
        self._draw.ellipse(self._places(box), fill)

    def arc(self, box: Sequence[float], start: float, end: float, fill: Colour) -> None:
        """Part of an ellipse's edge, one unit wide; degrees clockwise from the right."""
        self._draw.arc(self._places(box), start, end, fill, FINE)

    def line(self, ends: Sequence[float], fill: Colour, width: float = 1) -> None:
        """From one place to another."""
        self._draw.line(self._places(ends), fill, round(width * FINE))

    def _places(self, units: Sequence[float]) -> list[int]:
        return [round(unit * FINE) for unit in units]
