"""Directions of the mixture that theory predicts: the best one in the noise, and those that estimators should find.

For z ~ N(0, I) the share of a class grows fastest along ∇_w P(class | z + w) = E[z·1{class}] (Stein's identity). On a
line with pattern e and the class between β_low and β_high in the noise that is (φ(β_low) − φ(β_high))·e; elsewhere it
is a mean over the grid of `formulas`. All directions are unit vectors of the latents' shape, (3, 8, 8).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from equinoise.errors import EquinoiseError
from equinoise.models.mixture.flow import Array, Block, Law
from equinoise.models.mixture.formulas import grid, noise_edges, on_a_line, planted
from equinoise.models.mixture.pictures import lifted
from equinoise.models.mixture.prompts import prompt_law
from equinoise.models.mixture.world import AXES, COORDINATES, SPREAD


def best_direction(prompt: str, axis: str, label: str, guidance: float = 1.0) -> Array:
    """d*: the direction in the noise along which the share of a class grows fastest from w = 0.

    Raises:
        EquinoiseError: the prompt or its subject has no such axis or class, or no direction favours the class, as in
            the middle of a scale.
    """
    block = planted(prompt, axis)
    if label not in AXES[axis].classes:
        raise EquinoiseError(f"axis '{axis}' has no class '{label}'; it has {', '.join(AXES[axis].classes)}")
    index = AXES[axis].classes.index(label)
    if on_a_line(block):
        low, high = noise_edges(prompt, axis, guidance, 0.0)[index]
        slope = np.array([stats.norm.pdf(low) - stats.norm.pdf(high)])
    else:
        z, read_as = grid(prompt, axis, None, guidance, 0.0)
        slope = (z * read_as[index]).mean(axis=1)
    if np.linalg.norm(slope) < 1e-6:
        raise EquinoiseError(f"no direction favours '{label}' for '{prompt}': its share is flat around the noise")
    return lifted(block.coordinates, slope)


def mean_difference(first: str, second: str) -> Array:
    """E[x | first] − E[x | second]: the direction that a difference of means estimates, at whatever step.

    The means of the latents are (1 − t) times those of the data, so the direction is the same at every step.
    """
    return lifted(COORDINATES, _gap(first, second))


def discriminant(first: str, second: str, t: float) -> Array:
    """Fisher's linear discriminant C_t⁻¹ Δμ of two prompts' latents at time t, C_t being the first prompt's covariance.

    The projection that separates the two best. It need not be the best direction for a shift of the noise.
    """
    gap = dict(zip(COORDINATES, _gap(first, second), strict=True))
    solved: dict[str, float] = {}
    for block in prompt_law(first):
        part = np.linalg.solve(_covariance(block, t), [gap[name] for name in block.coordinates])
        solved |= zip(block.coordinates, part, strict=True)
    return lifted(COORDINATES, np.array([solved[name] for name in COORDINATES]))


def detected_cosine(share: float, n: int, dimensions: int = 192) -> float:
    """Cosine to d* that a difference of means over n noises with detected labels should have.

    For two classes on a line with shares p and 1 − p: the means differ by φ(Φ⁻¹(p))/(p(1 − p)) along d*, and by chance
    with variance 1/(n p(1 − p)) along each of the d − 1 other dimensions, which gives

        1/√(1 + (d − 1) p(1 − p) / (n φ(Φ⁻¹(p))²)),

    in [0, 1]; it falls like √(n/d) where n is much smaller than d.
    """
    odds = share * (1 - share)
    return float(1 / np.sqrt(1 + (dimensions - 1) * odds / (n * stats.norm.pdf(stats.norm.ppf(share)) ** 2)))


def _gap(first: str, second: str) -> Array:
    return _mean(prompt_law(first)) - _mean(prompt_law(second))


def _mean(law: Law) -> Array:
    means = {name: m for block in law for name, m in zip(block.coordinates, block.weights @ block.means, strict=True)}
    return np.array([means[name] for name in COORDINATES])


def _covariance(block: Block, t: float) -> Array:
    """Covariance of one block's coordinates at time t: within and between components, and of the noise."""
    centred = block.means - block.weights @ block.means
    identity = np.eye(len(block.coordinates))
    within = SPREAD**2 * (identity + (block.stretch - 1) * np.outer(block.along, block.along))
    covariance: Array = (1 - t) ** 2 * (within + (centred.T * block.weights) @ centred) + t**2 * identity
    return covariance
