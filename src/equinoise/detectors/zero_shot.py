"""Zero-shot detection: an image is compared with each class's prompts in the shared space of a CLIP or a SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import is_not

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.encoders import ClipEncoder, SiglipEncoder
from equinoise.encoders.truncation import TextLimit, warn_of_cut
from equinoise.errors import EquinoiseError


class ZeroShotDetector:
    """Class probabilities by softmax over scaled cosines (Radford et al. 2021, section 3.1.4), prompts averaged.

    A SigLIP scores each pair of text and image by a sigmoid σ(z), independently. Given that exactly one class is shown,
    such scores make the class probabilities the softmax of z again, and the learnt bias cancels. With `none` they are
    taken given that *at most* one is shown:

        P(c) = exp(z_c) / (1 + Σ exp(z_k)),   P(none) = 1 / (1 + Σ exp(z_k))

    The rest of a row to 1 is then the probability of none of the classes.
    """

    def __init__(self, encoder: ClipEncoder | SiglipEncoder, none: bool = False) -> None:
        """`none`: whether "none of the classes" is a possible answer.

        Raises:
            EquinoiseError: `none` with a CLIP, which has no such score.
        """
        if none and not isinstance(encoder, SiglipEncoder):
            raise EquinoiseError("none=yes needs a SigLIP: a CLIP only says which of the classes fits best")
        self.encoder = encoder
        self.none = none
        self._prompts: dict[tuple[tuple[str, ...], ...], NDArray[np.float32]] = {}
        self._last: tuple[list[Image.Image], NDArray[np.float32]] | None = None

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes), each row summing to 1, or less with `none`."""
        cosines = self._image_vectors(images) @ self._class_vectors(axis).T
        logits = self.encoder.scale * cosines.astype(np.float64)
        if self.none and isinstance(self.encoder, SiglipEncoder):
            none = np.full((len(logits), 1), -self.encoder.bias)
            return _softmax(np.hstack([logits, none]))[:, :-1]
        return _softmax(logits)

    def _image_vectors(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d). The last images are kept in memory, since several axes are read off the same images in turn."""
        if self._last is None or len(self._last[0]) != len(images) or any(map(is_not, self._last[0], images)):
            self._last = list(images), self.encoder.images(images)
        return self._last[1]

    def _class_vectors(self, axis: Axis) -> NDArray[np.float32]:
        """(classes, d): the mean over a class's prompts, scaled to length 1."""
        key = tuple(axis.detect[label] for label in axis.classes)
        if key not in self._prompts:
            warn_of_cut_classes(self.encoder.limit, [axis])
            means = np.stack([self.encoder.texts(axis.detect[label]).mean(axis=0) for label in axis.classes])
            self._prompts[key] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return self._prompts[key]


def warn_of_cut_classes(limit: TextLimit, axes: Sequence[Axis]) -> None:
    """Warn of prompts of classes that the detector does not read to their end, and of those that become one."""
    for axis in axes:
        prompts = [prompt for label in axis.classes for prompt in axis.detect[label]]
        warn_of_cut(
            prompts,
            [replace(limit, encoder="the detector")],
            f"detector's prompt of axis {axis.name}",
            "stand for one class",
        )


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result
