"""The interface of a detector, and its probabilities as a record keeps them."""

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
        """(n, classes), each row summing to at most 1; the rest to 1 is the probability of none of the classes.

        A row of zeros means that nothing was found. The probabilities are a detector's and say nothing of identity.
        """


def detect(
    detector: Detector, images: Sequence[Image.Image], axes: Sequence[Axis]
) -> list[dict[str, dict[str, float]]]:
    """Axis → class → probability for each image, rounded to six digits as in a record."""
    found: list[dict[str, dict[str, float]]] = [{} for _ in images]
    for axis in axes:
        for entry, row in zip(found, detector.probabilities(images, axis), strict=True):
            entry[axis.name] = {label: round(float(p), 6) for label, p in zip(axis.classes, row, strict=True)}
    return found
