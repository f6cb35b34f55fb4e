"""What cross-attention gives over images: its mean for each step and layer, and its largest response to vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equinoise.methods.denoiser import Place, attention_changed, rows_of
from equinoise.models.base import draw_noise
from equinoise.runtime.model import Model

Vectors = Mapping[Place, NDArray[np.float64]]
"""Place → (d,)."""
Responses = Mapping[Place, Mapping[str, NDArray[np.float64]]]
"""Place → class → (n,)."""


def mean_outputs(model: Model, prompts: Sequence[str], seeds: Sequence[int]) -> Vectors:
    """Place → the mean output (d,) over images and their places, of conditional rows."""
    sums: dict[Place, NDArray[np.float64]] = {}

    def look(place: Place, outputs: Tensor) -> None:
        mean = outputs.float().mean(dim=1).sum(dim=0).cpu().numpy().astype(np.float64)
        sums[place] = sums.get(place, 0.0) + mean

    _watch(model, prompts, seeds, look)
    return {place: total / len(prompts) for place, total in sums.items()}


def largest_responses(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    vectors: Mapping[Place, Mapping[str, NDArray[np.float32]]],
) -> Responses:
    """Place → class → for each image the largest ⟨c, v⟩ among its places, of conditional rows."""
    found: dict[Place, dict[str, list[NDArray[np.float64]]]] = {}

    def look(place: Place, outputs: Tensor) -> None:
        for label, vector in vectors[place].items():
            largest = (outputs.float() @ torch.from_numpy(vector).to(outputs.device)).amax(dim=1)
            found.setdefault(place, {}).setdefault(label, []).append(largest.cpu().numpy().astype(np.float64))

    _watch(model, prompts, seeds, look)
    return {place: {label: np.concatenate(parts) for label, parts in rows.items()} for place, rows in found.items()}


def _watch(model: Model, prompts: Sequence[str], seeds: Sequence[int], look: Callable[[Place, Tensor], None]) -> None:
    """Runs of the prompts to the end, one seed each, in this process; `look` sees the conditional rows."""
    size = model.batch_size
    with _one_thread(model.spec.device), torch.no_grad():
        for start in range(0, len(prompts), size):
            batch = list(prompts[start : start + size])

            def seen(place: Place, outputs: Tensor, n: int = len(batch)) -> Tensor:
                look(place, outputs[rows_of(len(outputs), n, "conditional")])
                return outputs

            with attention_changed(model.backend, seen):
                noise = draw_noise(seeds[start : start + size], model.backend.latent_shape)
                last = model.calls - 1
                model.backend.generate(batch, noise, model.sampling, capture=(last,), decode=False)


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """As workers run, so that the numbers do not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device.startswith("cpu") else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
