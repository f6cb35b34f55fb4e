"""What a detector must give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis


class Detector(Protocol):
    """Reads pictures: image → probabilities over an axis's classes."""

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes), each row summing to at most 1; what it lacks is of no class, and 0 throughout is nothing seen.

        They are a detector's, not a person's, and say nothing of identity.
        """


def detect(
    detector: Detector, images: Sequence[Image.Image], axes: Sequence[Axis]
) -> list[dict[str, dict[str, float]]]:
    """Axis → class → probability of each image, to six digits: what a record keeps."""
    found: list[dict[str, dict[str, float]]] = [{} for _ in images]
    for axis in axes:
        for entry, row in zip(found, detector.probabilities(images, axis), strict=True):
            entry[axis.name] = {label: round(float(p), 6) for label, p in zip(axis.classes, row, strict=True)}
    return found
