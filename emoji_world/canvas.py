"""A picture under construction: drawings are put on a background, and what is left visible of each has a box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 64
Box = tuple[int, int, int, int]
# a drawing of which less is left than this is no object any more
VISIBLE = 0.4


@dataclass
class Canvas:
    """An RGB picture, 64×64, and which drawing each of its pixels belongs to (0: the background)."""

    image: Image.Image
    owner: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIZE, SIZE), np.uint8))
    labels: list[str] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)

    def put(self, drawing: Image.Image, label: str, side: int, left: int, top: int) -> None:
        """Paste a square drawing at a size and place; what hangs over the edge is cut off."""
        small = drawing.resize((side, side), Image.Resampling.LANCZOS)
        self.image.paste(small, (left, top), small)
        alpha = Image.new("L", (SIZE, SIZE))
        alpha.paste(small.getchannel("A"), (left, top))
        covered = np.asarray(alpha) > 127
        self.labels.append(label)
        self.pixels.append(int((np.asarray(small.getchannel("A")) > 127).sum()))
        self.owner[covered] = len(self.labels)

    def boxes(self) -> list[tuple[str, Box]]:
        """Label and (left, top, right, bottom) of the visible part of every object."""
        found = []
        for index, (label, pixels) in enumerate(zip(self.labels, self.pixels, strict=True)):
            rows, columns = np.nonzero(self.owner == index + 1)
            if len(rows) >= max(12, VISIBLE * pixels):
                box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
                found.append((label, box))
        return found
