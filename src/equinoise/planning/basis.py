"""The span of some directions: orthonormal axes of it, positions of seeds in it, and candidate shifts within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from equinoise.directions.direction import Direction
from equinoise.errors import EquinoiseError
from equinoise.models.base import draw_noise
from equinoise.steering.intervention import Intervention, Shift

Array = NDArray[np.float64]
PART = 512
"""Seeds whose noise is held at once."""

ALIKE = 0.15
"""A direction with less than this at right angles to the earlier ones adds nothing that few pilots could show."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What a plan may shift along.

    Attributes:
        directions: m orthonormal ones, each at right angles to those before it.
        lines: (L, m) unit vectors in their coordinates: where the directions as given point, and the axes themselves.
    """

    directions: tuple[Direction, ...]
    lines: Array

    def positions(self, seeds: Sequence[int]) -> Array:
        """u (n, m): what the noise of each seed has along the directions; standard normal over seeds."""
        shape = self.directions[0].vector.shape
        basis = np.stack([d.vector.ravel() for d in self.directions]).astype(np.float64)
        parts = [seeds[start : start + PART] for start in range(0, len(seeds), PART)]
        rows = [draw_noise(part, shape).flatten(1).double().numpy() @ basis.T for part in parts]
        return np.concatenate(rows) if rows else np.zeros((0, len(basis)))

    def intervention(self, weights: Array) -> Intervention:
        """The shift by weights (m,) as an intervention; directions with weight 0 are left out."""
        pairs = zip(self.directions, weights, strict=True)
        return Intervention(tuple(Shift(d, float(w)) for d, w in pairs if w))


def orthonormal_basis(directions: Sequence[Direction]) -> Basis:
    """Orthonormal directions by Gram and Schmidt in the order given; those that hardly leave the others' span drop out.

    Raises:
        EquinoiseError: there is none.
    """
    if not directions:
        raise EquinoiseError("a plan needs a direction; give --direction FILE, or let it collect")
    found: list[Direction] = []
    for direction in directions:
        inside = [direction.cosine(other) for other in found]
        if 1 - sum(cosine**2 for cosine in inside) > ALIKE**2:
            found.append(direction.orthogonal_to(found) if found else 1.0 * direction)
    rows = np.array([[direction.cosine(other) for other in found] for direction in directions])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    lines: list[Array] = list(np.eye(len(found)))
    for row in rows:
        if all(abs(row @ line) < 0.99 for line in lines):
            lines.append(row)
    return Basis(tuple(found), np.stack(lines))


def shift_grid(lines: Array, farthest: float, most: int = 200) -> Array:
    """(J, m) shifts up to a length of `farthest`: nothing, along each line both ways, and sums of two lines.

    At most about `most`, evenly spaced; the cheapest come first.
    """
    rows = [np.zeros(lines.shape[1])]
    along = np.linspace(0, farthest, max(4, most // (4 * len(lines))))[1:]
    rows += [sign * w * line for line in lines for w in along for sign in (1, -1)]
    pairs = [(a, b) for i, a in enumerate(lines) for b in lines[i + 1 :]]
    if pairs:
        each = max(4.0, (most - len(rows)) / len(pairs)) ** 0.5
        steps = np.linspace(-farthest, farthest, 2 * max(1, round(each / 2)) + 1)
        rows += [x * a + y * b for a, b in pairs for x, y in product(steps, steps) if x and y]
    found = np.unique(np.round([row for row in rows if np.linalg.norm(row) <= farthest * 1.001], 3) + 0.0, axis=0)
    return found[np.argsort((found**2).sum(1), kind="stable")]


def around(weights: Array, spacing: float) -> Array:
    """Neighbours of some shifts (k, m): half a spacing away along each axis, both ways, and the shifts themselves."""
    offsets = np.concatenate([np.zeros((1, weights.shape[1])), *(s * np.eye(weights.shape[1]) for s in (0.5, -0.5))])
    found: Array = np.unique(
        np.round((weights[:, None] + spacing * offsets).reshape(-1, weights.shape[1]), 3) + 0.0, axis=0
    )
    return found
