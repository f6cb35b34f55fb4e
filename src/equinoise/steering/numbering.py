"""The number by which a plan chooses for an image of a pipeline call: its seed, wherever that can be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Generators = torch.Generator | Sequence[torch.Generator] | None
"""What diffusers takes: none, one for the whole batch, or one an image."""


@dataclass(frozen=True)
class Number:
    """The number of an image; `counted`: whether it is only a running number, since no seed is known."""

    value: int
    counted: bool


def number_images(generators: Generators, n: int, count: Callable[[], int]) -> list[Number]:
    """A number for each of n images, before noise is drawn from their generators.

    - An image with a generator of its own: the generator's `initial_seed()`.
    - Images that share a generator: that seed plus their place among them, so that the same call gives the same
      numbers again, and place 0 has the number of an image with that seed alone.
    - An image without a generator, or with one that was drawn from before, whose seed no longer says what it will
      draw: the next of `count`.
    """
    each = list(generators) if isinstance(generators, Sequence) else [generators] * n
    fresh = {id(g): g is not None and _fresh(g) for g in each}
    drawn: Counter[int] = Counter()
    numbers = []
    for g in each:
        if g is None or not fresh[id(g)]:
            numbers.append(Number(count(), True))
        else:
            numbers.append(Number(g.initial_seed() + drawn[id(g)], False))
            drawn[id(g)] += 1
    return numbers


def _fresh(generator: torch.Generator) -> bool:
    """Whether nothing was drawn from it since it was seeded."""
    new = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    return torch.equal(generator.get_state(), new.get_state())
