"""The interface of a detector, and its probabilities as a record keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.no_picture import NoPicture, why_no_picture


class Detector(Protocol):
    """Reads pictures: image → probabilities over an axis's classes."""

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes), each row summing to at most 1; the rest to 1 is the probability of none of the classes.

        A row of zeros means that nothing was found. The probabilities are a detector's and say nothing of identity.
        """


@dataclass(frozen=True)
class Reading:
    """What was read off one image.

    Attributes:
        detections: axis → class → probability, rounded to six digits as in a record; 0 throughout for no picture.
        no_picture: why the image is no picture; None for a picture.
    """

    detections: dict[str, dict[str, float]] = field(default_factory=dict)
    no_picture: NoPicture | None = None


def read(
    detector: Detector | None,
    images: Sequence[Image.Image],
    axes: Sequence[Axis],
    known: Sequence[NoPicture | None] | None = None,
) -> list[Reading]:
    """What is seen on each axis; every reading of an image passes here, so that no image without a picture has a class.

    Args:
        detector: None where there is no axis.
        images: the images.
        axes: what is read off them.
        known: for each image the reason why it is no picture, where that is known already.
    """
    reasons = [why_no_picture(image, reason) for image, reason in zip(images, known or repeat(None), strict=False)]
    found = [Reading(no_picture=reason) for reason in reasons]
    if detector is None:
        return found
    for axis in axes:
        # of all images, since the last bits of a probability depend on which others are in the batch
        for entry, row in zip(found, detector.probabilities(images, axis), strict=True):
            seen = [0.0] * len(row) if entry.no_picture else [round(float(p), 6) for p in row]
            entry.detections[axis.name] = dict(zip(axis.classes, seen, strict=True))
    return found


def detect(
    detector: Detector, images: Sequence[Image.Image], axes: Sequence[Axis]
) -> list[dict[str, dict[str, float]]]:
    """Axis → class → probability for each image; see `read`."""
    return [found.detections for found in read(detector, images, axes)]
