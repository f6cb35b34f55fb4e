"""The shares that an audit of the mixture should measure: of each class, under a shift of the noise.

**On a line.** Where the classes of an axis lie along one pattern e, alike in spread and independent of all else, the
coordinate y = e·x moves by itself, and a flow on a line preserves the order: y₀ = F⁻¹(Φ(e·z)), where
F = Σ πₖ Φ((· − μₖ)/s) is the distribution of the data. The detector's boundary b then lies at β = Φ⁻¹(F(b)) in the
noise, and for a unit direction d

    two classes:      share(w) = Φ(Φ⁻¹(p) + w·cos(d, d*)),   p = 1 − F(b), d* = e
    ordered classes:  share(w) = Φ(β_high − w·cos(d, e)) − Φ(β_low − w·cos(d, e))

p is close to the planted share, not equal: where classes overlap the detector errs on both sides of b. Under a guidance
scale g ≠ 1 no F is known, but the flow on the line still preserves the order, and β is found by following the velocity
from b at t = 0 back to t = 1.

**Elsewhere** (axes that depend on each other, classes off a line, a stretched component) shares are means over a grid:
midpoints of equal cells of probability in the few coordinates concerned, carried through the same flow.

A shift is w·d, an array of the latents' shape (3, 8, 8). Shares are over the clear images: the detector calls
an image unclear where its best class has a probability below `unclear_below`.
"""

from __future__ import annotations

from functools import cache
from math import inf

import numpy as np
from scipy import optimize, stats

from equinoise.errors import EquinoiseError
from equinoise.models.mixture import flow
from equinoise.models.mixture.detector import find_block
from equinoise.models.mixture.flow import Array, Block
from equinoise.models.mixture.pictures import along
from equinoise.models.mixture.prompts import PERSON, prompt_law, read, require_shown, uniform_law
from equinoise.models.mixture.world import AXES, SPREAD

CELLS = {1: 20_000, 2: 256, 3: 48}
"""Cells of the grid along each of one, two or three coordinates."""
STEPS, BACK_STEPS = 48, 512
CHUNK = 16_384
"""Nodes that are integrated together: their arrays then fit the cache of a core."""


def shares(
    prompt: str, axis: str, shift: Array | None = None, guidance: float = 1.0, unclear_below: float = 0.0
) -> dict[str, float]:
    """Share of each class under z + shift: by formula on a line, else by quadrature (errors of about 0.001).

    Raises:
        EquinoiseError: the prompt, or its subject, has no such axis.
    """
    exact = on_a_line(planted(prompt, axis))
    return (line_shares if exact else quadrature_shares)(prompt, axis, shift, guidance, unclear_below)


def line_shares(
    prompt: str, axis: str, shift: Array | None = None, guidance: float = 1.0, unclear_below: float = 0.0
) -> dict[str, float]:
    """As `shares`, by the formula.

    Raises:
        EquinoiseError: the classes do not lie on a line of their own, or as `shares`.
    """
    edges = noise_edges(prompt, axis, guidance, unclear_below) - along(shift, AXES[axis].coordinates)
    return _named(axis, stats.norm.cdf(edges[:, 1]) - stats.norm.cdf(edges[:, 0]))


def quadrature_shares(
    prompt: str,
    axis: str,
    shift: Array | None = None,
    guidance: float = 1.0,
    unclear_below: float = 0.0,
    cells: int | None = None,
) -> dict[str, float]:
    """As `shares`, as means over a grid of `cells` cells a coordinate (default: `CELLS`)."""
    _, read_as = grid(prompt, axis, shift, guidance, unclear_below, cells)
    return _named(axis, read_as.mean(axis=1))


def planted(prompt: str, axis: str) -> Block:
    """The independent block of a prompt's law with the coordinates of an axis.

    Raises:
        EquinoiseError: as `shares`.
    """
    require_shown(_subject(prompt), axis)
    return find_block(prompt_law(prompt), axis)


def on_a_line(block: Block) -> bool:
    """Whether a block of a law is a single coordinate, so that its flow preserves the order."""
    return len(block.coordinates) == 1


def noise_edges(prompt: str, axis: str, guidance: float, unclear_below: float) -> Array:
    """(classes, 2): the interval of the noise's coordinate in which each class is detected, for an axis on a line.

    Raises:
        EquinoiseError: as `line_shares`.
    """
    block = planted(prompt, axis)
    if not on_a_line(block):
        raise EquinoiseError(f"'{prompt}' has no formula on '{axis}'; use quadrature_shares")
    uniform = _judged(prompt, axis)
    edges = np.array([_edges(uniform, index, unclear_below) for index in range(len(uniform.means))])
    if guidance == 1:
        below = stats.norm.cdf((edges[..., None] - block.means[:, 0]) / SPREAD) @ block.weights
        z: Array = stats.norm.ppf(np.clip(below, 0, 1))
        return z
    finite = np.isfinite(edges)
    field = flow.guided(prompt_law(prompt), prompt_law(""), guidance, block.coordinates)
    edges[finite] = flow.integrate(field, edges[finite][None], np.linspace(0, 1, BACK_STEPS + 1))[0]
    return edges


def grid(
    prompt: str, axis: str, shift: Array | None, guidance: float, unclear_below: float, cells: int | None = None
) -> tuple[Array, Array]:
    """Nodes z (coordinates, n) before the shift, and (classes, n) whether the class is detected after the shift."""
    block, uniform = planted(prompt, axis), _judged(prompt, axis)
    z = _nodes(len(block.coordinates), cells or CELLS[len(block.coordinates)])
    field = flow.guided(prompt_law(prompt), prompt_law(""), guidance, block.coordinates)
    moved = z + along(shift, block.coordinates)[:, None]
    times = np.linspace(1, 0, STEPS + 1).tolist()
    parts = np.array_split(moved, -(-moved.shape[1] // CHUNK), axis=1)
    y = np.concatenate([flow.integrate(field, part, times) for part in parts], axis=1)
    posterior = flow.responsibilities(uniform, y[[block.coordinates.index(c) for c in uniform.coordinates]], 0.0)
    best = posterior.max(axis=0)
    read_as: Array = ((posterior == best) & (best >= unclear_below)).astype(np.float64)
    return z, read_as


def _subject(prompt: str) -> str:
    return read(prompt).subject if prompt.strip() else PERSON


def _judged(prompt: str, axis: str) -> Block:
    """The detector's prior for an axis, given the subject."""
    return find_block(uniform_law(_subject(prompt)), axis)


def _edges(uniform: Block, index: int, unclear_below: float) -> tuple[float, float]:
    """The interval on a line in which the detector reads a class: between midpoints, where it is not unclear."""
    neighbours = sorted(uniform.means[:, 0])
    own = uniform.means[index, 0]
    place = neighbours.index(own)

    def surplus(y: float) -> float:
        return float(flow.responsibilities(uniform, np.array([[y]]), 0.0)[index, 0]) - unclear_below

    def edge(other: int) -> float:
        if not 0 <= other < len(neighbours):
            return inf if other > 0 else -inf
        middle = (own + neighbours[other]) / 2
        return float(middle if surplus(middle) >= 0 else optimize.brentq(surplus, own, middle))

    return (edge(place - 1), edge(place + 1)) if surplus(own) > 0 else (own, own)


@cache
def _nodes(dimensions: int, cells: int) -> Array:
    line = stats.norm.ppf((np.arange(cells) + 0.5) / cells)
    return np.stack([axis.ravel() for axis in np.meshgrid(*[line] * dimensions, indexing="ij")])


def _named(axis: str, parts: Array) -> dict[str, float]:
    total = parts.sum()
    if total == 0:
        raise EquinoiseError(f"at this threshold no picture is clear on '{axis}', so there are no shares")
    return {name: float(part / total) for name, part in zip(AXES[axis].classes, parts, strict=True)}
