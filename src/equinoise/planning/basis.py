"""The basis of a plan: orthonormal directions, the positions of seeds along them, and candidate shifts within them."""

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
AT_ONCE = 512
"""Seeds whose noise is held in memory together."""

LEAST_NEW = 0.15
"""A direction with a smaller part at right angles to the earlier ones is left out: pilots could not tell it apart."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What a plan may shift along.

    Attributes:
        directions: m orthonormal ones, each at right angles to those before it.
        lines: (L, m) unit vectors in their coordinates: where the directions as given point, and the coordinate axes.
    """

    directions: tuple[Direction, ...]
    lines: Array

    @classmethod
    def spanning(cls, directions: Sequence[Direction]) -> Basis:
        """Orthonormal directions by Gram–Schmidt in the order given, without those that the earlier ones nearly span.

        Raises:
            EquinoiseError: there is no direction.
        """
        if not directions:
            raise EquinoiseError("a plan needs a direction; give --direction FILE, or let it collect")
        found: list[Direction] = []
        for direction in directions:
            inside = [direction.cosine(other) for other in found]
            if 1 - sum(cosine**2 for cosine in inside) > LEAST_NEW**2:
                found.append(direction.orthogonal_to(found) if found else 1.0 * direction)
        rows = np.array([[direction.cosine(other) for other in found] for direction in directions])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        lines: list[Array] = list(np.eye(len(found)))
        for row in rows:
            if all(abs(row @ line) < 0.99 for line in lines):
                lines.append(row)
        return cls(tuple(found), np.stack(lines))

    @property
    def matrix(self) -> Array:
        """(m, size of the latents): the directions, a row each."""
        return np.stack([d.vector.ravel() for d in self.directions]).astype(np.float64)

    def positions(self, seeds: Sequence[int]) -> Array:
        """(n, m): the noise of each seed projected on the directions; standard normal over seeds."""
        shape, matrix = self.directions[0].vector.shape, self.matrix
        parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
        rows = [draw_noise(part, shape).flatten(1).double().numpy() @ matrix.T for part in parts]
        return np.concatenate(rows) if rows else np.zeros((0, len(matrix)))

    def intervention(self, weights: Array) -> Intervention:
        """The shift by weights (m,) as an intervention; directions with weight 0 are left out."""
        pairs = zip(self.directions, weights, strict=True)
        return Intervention(tuple(Shift(d, float(w)) for d, w in pairs if w))

    def grid(self, longest: float, most: int = 200) -> Array:
        """(J, m) shifts of a length up to `longest`: none, along each line both ways, and sums of two lines.

        At most about `most`, evenly spaced; the shortest come first.
        """
        rows = [np.zeros(self.lines.shape[1])]
        along = np.linspace(0, longest, max(4, most // (4 * len(self.lines))))[1:]
        rows += [sign * w * line for line in self.lines for w in along for sign in (1, -1)]
        pairs = [(a, b) for i, a in enumerate(self.lines) for b in self.lines[i + 1 :]]
        if pairs:
            each = max(4.0, (most - len(rows)) / len(pairs)) ** 0.5
            steps = np.linspace(-longest, longest, 2 * max(1, round(each / 2)) + 1)
            rows += [x * a + y * b for a, b in pairs for x, y in product(steps, steps) if x and y]
        found = np.unique(np.round([row for row in rows if np.linalg.norm(row) <= longest * 1.001], 3) + 0.0, axis=0)
        return found[np.argsort((found**2).sum(1), kind="stable")]

    @staticmethod
    def neighbours(weights: Array, spacing: float) -> Array:
        """Of shifts (k, m): the shifts themselves, and those half a spacing away along each coordinate, both ways."""
        m = weights.shape[1]
        offsets = np.concatenate([np.zeros((1, m)), *(sign * np.eye(m) for sign in (0.5, -0.5))])
        moved = (weights[:, None] + spacing * offsets).reshape(-1, m)
        found: Array = np.unique(np.round(moved, 3) + 0.0, axis=0)
        return found
