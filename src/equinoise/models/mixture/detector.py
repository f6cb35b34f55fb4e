"""The mixture's own detector: from a picture to the exact posterior over an axis's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError
from equinoise.models.mixture.flow import Array, Block, Law, log_density, responsibilities
from equinoise.models.mixture.pictures import from_pictures
from equinoise.models.mixture.prompts import require_axis, uniform_law
from equinoise.models.mixture.world import AXES, COORDINATES, SUBJECTS

ROLE = "role"


class MixtureDetector:
    """P(class | picture) under a prior with equal shares of all subjects, and of all classes of the axes they show.

        P(c | x) = Σ_s P(s | x) · P(c | x, s),   P(c | x, s) = 1/classes where subject s does not show the axis

    A building has no gender, so its picture gets one half for each gender and is unclear.
    """

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> Array:
        """(n, classes), each row summing to 1.

        Raises:
            EquinoiseError: this world has no such axis, or the pictures are not the mixture's.
        """
        y = from_pictures(images)
        if axis.name == ROLE and set(axis.classes) <= set(SUBJECTS):
            known, found = tuple(SUBJECTS), subjects(y)
        else:
            require_axis(axis.name)
            known, found = AXES[axis.name].classes, classes(y, axis.name)
        if set(axis.classes) != set(known):
            raise EquinoiseError(f"axis '{axis.name}' of the mixture has the classes {', '.join(known)} and no others")
        return found[[known.index(name) for name in axis.classes]].T


def subjects(y: Array) -> Array:
    """P(s | y): (subjects, n) for coordinates y (12, n)."""
    laws = [uniform_law(name) for name in SUBJECTS]
    logs = np.stack([sum((log_density(b, _part(b, y), 0.0) for b in law), np.zeros(y.shape[1])) for law in laws])
    weights = np.exp(logs - logs.max(axis=0))
    result: Array = weights / weights.sum(axis=0)
    return result


def classes(y: Array, axis: str) -> Array:
    """P(c | y): (classes, n) for coordinates y (12, n)."""
    return sum((p * shown(name, y, axis) for name, p in zip(SUBJECTS, subjects(y), strict=True)), np.zeros(1))


def shown(subject: str, y: Array, axis: str) -> Array:
    """P(c | y, s): (classes, n) for coordinates y (12, n)."""
    if axis not in SUBJECTS[subject].axes:
        number = len(AXES[axis].classes)
        return np.full((number, y.shape[1]), 1 / number)
    block = find_block(uniform_law(subject), axis)
    return responsibilities(block, _part(block, y), 0.0)


def find_block(law: Law, axis: str) -> Block:
    """The block of a law with the coordinates of an axis."""
    return next(block for block in law if AXES[axis].coordinates[0] in block.coordinates)


def _part(block: Block, y: Array) -> Array:
    part: Array = y[[COORDINATES.index(name) for name in block.coordinates]]
    return part
