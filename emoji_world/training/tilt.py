"""Classes that a prompt shows too rarely are sampled more often: a correction of its shares by measured ones.

A denoiser whose answers lack contrast shows common classes too often, and the middle of an ordered axis. Its shares
follow the odds of the pictures it learns from, so pictures of a neutral prompt that show a class are drawn in
proportion to planted / shown. Measurements of one training after another multiply. Each log ratio is shrunk by how
much of all their spread is chance (James and Stein's estimate with the mean square of them all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoji_world.measure.neutral import NeutralShare
from emoji_world.prompts import Prompt, all_prompts, is_asked
from emoji_world.scenes import Scene
from emoji_world.tables import read_rows

Tilts = Mapping[tuple[str, str, str], float]
"""Prompt, axis and class → the logarithm of the factor by which its pictures are sampled more often."""
RARE = 0.01  # a share is taken to be at least this: none of 256 images is no share of 0


def read_tilts(path: Path) -> Tilts:
    """From what `measure neutral` wrote of images at guidance 1, where shares are those of the pictures."""
    rows = [row for row in read_rows(path, NeutralShare) if row.guidance == 1 and row.planted > 0]
    if not rows:
        raise ValueError(f"{path} has nothing measured at guidance 1; see python -m emoji_world.measure neutral")
    ratios = np.log([row.planted / max(row.shown, RARE) for row in rows])
    variances = np.array([_log_error(row) ** 2 for row in rows])
    spread = max(0.0, float(np.mean(ratios**2 - variances)))
    shrunk = ratios * spread / (spread + variances) if spread else 0 * ratios
    return {(row.prompt, row.axis, row.label): float(r) for row, r in zip(rows, shrunk, strict=True)}


def _log_error(row: NeutralShare) -> float:
    """The standard error of the logarithm of a share, by its interval of 95%."""
    low, high = (max(end, RARE) for end in row.ends)
    return float(np.log(high / low)) / (2 * 1.96)


def tilt(scenes: Sequence[Scene], measured: Sequence[Tilts]) -> NDArray[np.float64]:
    """A factor for each scene; those of one prompt have a mean of 1, and where no prompt asks for a scene it is 1."""
    factors = np.ones(len(scenes))
    for prompt in all_prompts() if measured else ():
        rows = [row for row, scene in enumerate(scenes) if is_asked(prompt, scene)]
        found = np.exp([sum(_of(tilts, prompt, scenes[row]) for tilts in measured) for row in rows])
        factors[rows] = found / found.mean()
    return factors


def _of(tilts: Tilts, prompt: Prompt, scene: Scene) -> float:
    return sum(tilts.get((prompt.text, axis, scene.shows.get(axis, "")), 0.0) for axis in prompt.axes)
