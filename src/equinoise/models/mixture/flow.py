"""The exact velocity of a Gaussian mixture under the rectified flow, and its integration.

Data x₀ ~ Σₖ πₖ N(μₖ, Σ) with Σ = s²(I + (a − 1) q qᵀ), noise ε ~ N(0, I), and x_t = (1 − t) x₀ + t ε (Lipman et al.
2023; Liu et al. 2023). At t = 1 that is N(0, I) exactly, so no error hides in the start. With
C = (1 − t)² Σ + t² I and the responsibilities rₖ(x) ∝ πₖ N(x; (1 − t) μₖ, C),

    E[ε | x, k]  = t C⁻¹ (x − (1 − t) μₖ)
    E[x₀ | x, k] = μₖ + (1 − t) Σ C⁻¹ (x − (1 − t) μₖ)
    v(x, t)      = E[ε − x₀ | x] = (t I − (1 − t) Σ) C⁻¹ (x − (1 − t) μ̄) − μ̄,   μ̄ = Σₖ rₖ μₖ

C⁻¹ = (I − κ q qᵀ)/c by Sherman–Morrison, c = (1 − t)² s² + t², e = (1 − t)² s² (a − 1), κ = e/(c + e).

Coordinates that are independent of each other move independently, so a law is a tuple of blocks, each with its own
mixture. Arrays hold coordinates first, (coordinates, n): every operation is then one on whole rows of images, element
by element, and an image's bits do not depend on its companions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from equinoise.models.mixture.world import SPREAD

Array = NDArray[np.float64]
Velocity = Callable[[Array, float], Array]
"""(coordinates (c, n), time) → velocity (c, n)."""


@dataclass(frozen=True, eq=False)
class Block:
    """A mixture over coordinates that are independent of all others.

    Attributes:
        coordinates: names, a of them.
        weights: (k,) positive, summing to 1.
        means: (k, a).
        along: (a,) q: a unit vector, or zero where the block is isotropic.
        stretch: a: the variance along q in units of s².
    """

    coordinates: tuple[str, ...]
    weights: Array
    means: Array
    along: Array
    stretch: float = 1.0


Law = tuple[Block, ...]


def responsibilities(block: Block, y: Array, t: float) -> Array:
    """rₖ(y): (k, n) posterior of the components at time t, for coordinates y (a, n)."""
    logits = _logits(block, y, t)
    weights = np.exp(logits - logits.max(axis=0))
    result: Array = weights / weights.sum(axis=0)
    return result


def log_density(block: Block, y: Array, t: float) -> Array:
    """log p_t(y): (n,) in nats, for coordinates y (a, n)."""
    c, _ = _scales(block, t)
    quadratic = _product(y, _solved(block, y, t))
    extra = (1 - t) ** 2 * SPREAD**2 * (block.stretch - 1)
    log_determinant = len(y) * np.log(c) + np.log1p(extra / c)
    logits = _logits(block, y, t)
    top = logits.max(axis=0)
    summed = np.log(np.exp(logits - top).sum(axis=0)) + top
    result: Array = summed - (quadratic + log_determinant + len(y) * np.log(2 * np.pi)) / 2
    return result


def velocity(block: Block, y: Array, t: float) -> Array:
    """v(y, t): (a, n), as in the module's formula."""
    r = responsibilities(block, y, t)
    mean = np.stack([(r * column[:, None]).sum(axis=0) for column in block.means.T])
    solved = _solved(block, y - (1 - t) * mean, t)
    stretched = solved + (block.stretch - 1) * block.along[:, None] * _product(solved, block.along[:, None])
    result: Array = t * solved - (1 - t) * SPREAD**2 * stretched - mean
    return result


def guided(law: Law, unconditional: Law, guidance: float, coordinates: Sequence[str]) -> Velocity:
    """v_u + g (v_c − v_u) over the given coordinates (classifier-free guidance, Ho & Salimans 2022)."""
    conditional, free = over(law, coordinates), over(unconditional, coordinates)
    if guidance == 1:
        return conditional

    def mixed(y: Array, t: float) -> Array:
        base = free(y, t)
        return base + guidance * (conditional(y, t) - base)

    return mixed


def over(law: Law, coordinates: Sequence[str]) -> Velocity:
    """The velocity over some coordinates, which must contain each block of the law completely or not at all."""
    blocks = [block for block in law if set(block.coordinates) & set(coordinates)]
    if {name for block in blocks for name in block.coordinates} != set(coordinates):
        raise ValueError(f"{', '.join(coordinates)} cut through a block of the law")
    places = [[list(coordinates).index(name) for name in block.coordinates] for block in blocks]

    def moved(y: Array, t: float) -> Array:
        result = np.empty_like(y)
        for block, rows in zip(blocks, places, strict=True):
            result[rows] = velocity(block, y[rows], t)
        return result

    return moved


def integrate(field: Velocity, y: Array, times: Iterable[float]) -> Array:
    """Follow dy/dt = field(y, t) through the given times by one Runge–Kutta step of order 4 between neighbours.

    Order 4, since an Euler (or DDIM) step is biased by the step's own length: at 50 of them the shares would be the
    sampler's as much as the mixture's.
    """
    for t, then in pairwise(times):
        h, middle = then - t, (t + then) / 2
        k1 = field(y, t)
        k2 = field(y + h / 2 * k1, middle)
        k3 = field(y + h / 2 * k2, middle)
        k4 = field(y + h * k3, then)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def free_scale(t: float) -> float:
    """√c: the exact factor on coordinates of a single component at 0, from t = 1 to t."""
    return float(np.sqrt((1 - t) ** 2 * SPREAD**2 + t**2))


def free_velocity(y: Array, t: float) -> Array:
    """The velocity at time t of coordinates of a single component at 0, of any shape."""
    return (t - (1 - t) * SPREAD**2) / free_scale(t) ** 2 * y


def _logits(block: Block, y: Array, t: float) -> Array:
    """Log responsibilities (k, n), without −yᵀC⁻¹y/2 and the determinant, which all components share."""
    solved = _solved(block, block.means.T, t)
    offsets = np.log(block.weights) - (1 - t) ** 2 * _product(block.means.T, solved) / 2
    result: Array = offsets[:, None] + (1 - t) * _product(y[:, None, :], solved[:, :, None])
    return result


def _solved(block: Block, y: Array, t: float) -> Array:
    """C⁻¹ y, columnwise."""
    c, shrink = _scales(block, t)
    along = block.along[:, None]
    result: Array = (y - shrink * along * _product(y, along)) / c
    return result


def _scales(block: Block, t: float) -> tuple[float, float]:
    c = (1 - t) ** 2 * SPREAD**2 + t**2
    extra = (1 - t) ** 2 * SPREAD**2 * (block.stretch - 1)
    return c, extra / (c + extra)


def _product(first: Array, second: Array) -> Array:
    """Inner product over the first dimension; sums in a fixed order, which a BLAS does not promise."""
    result: Array = (first * second).sum(axis=0)
    return result
