"""Zero-shot detection: an image is compared with each class's prompts in a CLIP's shared space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.encoders import ClipEncoder, SiglipEncoder


class ZeroShotDetector:
    """Class probabilities by softmax over scaled cosines (Radford et al. 2021, section 3.1.4), prompts averaged."""

    def __init__(self, encoder: ClipEncoder | SiglipEncoder) -> None:
        self.encoder = encoder
        self._prompts: dict[tuple[tuple[str, ...], ...], NDArray[np.float32]] = {}

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes), each row summing to 1. They are a detector's, not a person's, and say nothing of identity."""
        cosines = self.encoder.images(images) @ self._class_vectors(axis).T
        logits = self.encoder.scale * cosines.astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
        return result

    def _class_vectors(self, axis: Axis) -> NDArray[np.float32]:
        """(classes, d): the mean over a class's prompts, scaled to length 1."""
        key = tuple(axis.detect[label] for label in axis.classes)
        if key not in self._prompts:
            means = np.stack([self.encoder.texts(axis.detect[label]).mean(axis=0) for label in axis.classes])
            self._prompts[key] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return self._prompts[key]
