"""A picture under construction: drawings are put on a background, and what is left visible of each has a box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 64
"""Places and sizes are given in units: 64 of them make a side."""

SIZE = 128
"""Pixels a side."""

Box = tuple[int, int, int, int]
# a drawing of which less is left than this is no object any more
VISIBLE, FEWEST = 0.4, 48


@dataclass
class Canvas:
    """An RGB picture of SIZE × SIZE pixels, and which drawing each of them belongs to (0: the background)."""

    image: Image.Image
    owner: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIZE, SIZE), np.uint8))
    labels: list[str] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)

    def put(self, drawing: Image.Image, label: str, side: float, left: float, top: float) -> None:
        """Paste a square drawing at a size and place, in units; what hangs over the edge is cut off."""
        wide, x, y = pixels_of(side), pixels_of(left), pixels_of(top)
        small = drawing.resize((wide, wide), Image.Resampling.LANCZOS)
        self.image.paste(small, (x, y), small)
        alpha = Image.new("L", (SIZE, SIZE))
        alpha.paste(small.getchannel("A"), (x, y))
        covered = np.asarray(alpha) > 127
        self.labels.append(label)
        self.pixels.append(int((np.asarray(small.getchannel("A")) > 127).sum()))
        self.owner[covered] = len(self.labels)

    def boxes(self) -> list[tuple[str, Box]]:
        """Label and (left, top, right, bottom) in pixels of the visible part of every object."""
        found = []
        for index, (label, pixels) in enumerate(zip(self.labels, self.pixels, strict=True)):
            rows, columns = np.nonzero(self.owner == index + 1)
            if len(rows) >= max(FEWEST, VISIBLE * pixels):
                box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
                found.append((label, box))
        return found


def pixels_of(units: float) -> int:
    """A length or place in pixels."""
    return round(units * SIZE / GRID)
