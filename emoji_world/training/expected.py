"""The expected picture behind a noisy latent: a training target for the denoiser with less variance.

The best answer by least squares is the mean over all pictures that a noisy latent may have come from. One of them says
little about it where noise is strong, and that is where a network learns with what odds classes come. So pictures of
the same captions stand beside it, each weighed by how probably the latent came from it: the same mean with less
variance (Xu, Tong and Jaakkola, "Stable Target Field for Reduced Variance Score Estimation in Diffusion Models",
ICLR 2023, arXiv 2302.00670). The latent's own picture was drawn like its companions, so that the target is unbiased
however few they are: it is the picture's conditional expectation, given the latent and who was drawn.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoji_world.scenes import Scene
from emoji_world.training.bank import cumulative, sample_rows


@dataclass(frozen=True)
class Group:
    """Rows of the bank whose captions say the same, and their cumulative odds."""

    rows: NDArray[np.int64]
    odds: NDArray[np.float64]


def same_captions(scenes: Sequence[Scene], factors: NDArray[np.float64]) -> list[Group]:
    """For each scene those that have the same captions, sampled by their factors (n,); one group for all of them."""
    found: dict[Hashable, list[int]] = {}
    keys = [_said(scene) for scene in scenes]
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    groups = {key: Group(np.array(rows), cumulative(factors[rows])) for key, rows in found.items()}
    return [groups[key] for key in keys]


def _said(scene: Scene) -> Hashable:
    """What captions that say the same share: kind, role (a caption without one is of a plain person), named classes."""
    named = tuple(sorted((axis, scene.shows[axis]) for axis in scene.names))
    return scene.kind, scene.shows.get("role"), named


def companions(
    rng: np.random.Generator, rows: NDArray[np.int64], groups: Sequence[Group], count: int
) -> NDArray[np.int64]:
    """(len(rows), count + 1): each row, then `count` sampled with replacement from those of the same captions."""
    drawn = [group.rows[sample_rows(rng, group.odds, count)] for group in (groups[row] for row in rows)]
    return np.concatenate([rows[:, None], np.array(drawn, np.int64).reshape(len(rows), count)], axis=1)


def expected_picture(noisy: Tensor, pictures: Tensor, kept: Tensor) -> Tensor:
    """E[x₀ | x_t] among candidates, by Bayes: noisy (n, c, h, w), pictures (n, k, c, h, w), kept = ᾱ_t (n,).

    Where nothing of the picture is left (ᾱ = 0) that is the candidates' mean, where no noise is, the nearest of them.
    """
    scale = kept.sqrt().view(-1, 1, 1, 1, 1)
    distances = (noisy[:, None] - scale * pictures).pow(2).flatten(2).sum(2)
    odds = torch.softmax(-distances / (2 * (1 - kept)[:, None]), dim=1)
    return torch.einsum("nk,nkchw->nchw", odds, pictures)
