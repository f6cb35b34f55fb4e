"""Noise-level guidance: the initial noise is refined along what sets the drawn class's prompt apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from equinoise.engine import Job
from equinoise.methods.base import Brief, Method, Prepared, Setup
from equinoise.methods.denoiser import first_prediction
from equinoise.models.base import Sampling, TextToImage

LONGEST = 0.5
"""The length to which a step is cut, as the authors do."""


def prepare_noise_guidance(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """z ← z − g/‖g‖·min(‖g‖, 0.5), scaled back to length √d; g is the first prediction under the class's prompt less
    that under the concept. The strength is the number of such steps, each of two denoiser calls.

    The authors guide by the prompt against the null prompt; guiding by a class is the same step. Where a model
    predicts v, g is the difference of v, which points as that of ε does and does not vanish at pure noise.

    Set-up: none.
    """
    steps = int(strength or 0)
    extra = 2 * steps
    whole = brief.model.calls
    refined = Refined(steps, brief.prompts)
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds], refined, calls=lambda _: whole + extra)


NOISE_GUIDANCE = Method(
    name="noise-guidance",
    title="noise-level guidance",
    source="Mannering et al. 2025, arXiv 2509.13936",
    changes="noise",
    published=20.0,
    strengths=(2.0, 5.0, 10.0),
    prepare=prepare_noise_guidance,
)


@dataclass(frozen=True)
class Refined:
    """So many steps of refinement towards the prompt of each image's drawn class."""

    steps: int
    prompts: Mapping[str, str]

    @property
    def name(self) -> str:
        """In words."""
        return f"noise refined {self.steps} times"

    @contextmanager
    def during(self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling) -> Iterator[Tensor]:
        """See `PipelineChange`."""
        towards, neutral = [self.prompts[job.wanted] for job in jobs], [job.prompt for job in jobs]
        for _ in range(self.steps):
            gap = first_prediction(model, towards, noise, sampling.steps)
            gap -= first_prediction(model, neutral, noise, sampling.steps)
            noise = refine(noise, gap)
        yield noise


def refine(noise: Tensor, gap: Tensor) -> Tensor:
    """One step of noise (n, *shape) against a gap of the same shape, scaled back to length √d."""
    length = torch.linalg.vector_norm(gap.flatten(1), dim=1).clamp(min=1e-12)
    moved = noise - gap * _beside(length.clamp(max=LONGEST) / length, gap)
    size = torch.linalg.vector_norm(moved.flatten(1), dim=1)
    return moved * _beside(sqrt(moved[0].numel()) / size, moved)


def _beside(factors: Tensor, like: Tensor) -> Tensor:
    """Factors (n,) to multiply n rows with."""
    return factors.view(-1, *[1] * (like.ndim - 1))
