"""Guidance over part of the run: only while the noise level lies in an interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

from torch import Tensor

from equinoise.engine import Job
from equinoise.methods.base import Brief, Method, NoFormError, Prepared, Setup
from equinoise.methods.denoiser import output_changed, rows_of
from equinoise.models.base import Sampling, TextToImage
from equinoise.models.pipeline import require_pipeline

LOW = 0.28
"""Noise level below which there is no guidance, in units of the data's standard deviation."""


def prepare_guidance_interval(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """Guidance only at noise levels σ in (0.28, high]; the strength is `high`.

    Which class an image shows is decided at high noise levels, and guidance there is what amplifies the common one.
    5.42 and 0.28 are what the authors use on SDXL.

    Set-up: none.

    Raises:
        NoFormError: the model has no classifier-free guidance.
    """
    pipe = require_pipeline(brief.model.backend)
    if pipe.family.guidance(pipe.pipeline) != "classifier-free":
        raise NoFormError(f"{GUIDANCE_INTERVAL.title}: needs classifier-free guidance")
    return Prepared(
        lambda seeds: [brief.job(seed) for seed in seeds], GuidedPart(LOW, inf if strength is None else strength)
    )


GUIDANCE_INTERVAL = Method(
    name="guidance-interval",
    title="guidance over part of the run",
    source="Kynkäänniemi et al. 2024, arXiv 2404.07724",
    changes="guidance",
    published=5.42,
    strengths=(0.5, 2.0, 5.42),
    prepare=prepare_guidance_interval,
)


@dataclass(frozen=True)
class GuidedPart:
    """Guidance only at noise levels in (low, high]: elsewhere the unconditional prediction is the conditional one."""

    low: float
    high: float

    @property
    def name(self) -> str:
        """In words."""
        return f"guidance for {self.low:g} < σ ≤ {self.high:g}"

    @contextmanager
    def during(self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling) -> Iterator[Tensor]:
        """See `PipelineChange`."""
        scheduler = require_pipeline(model).pipeline.scheduler

        def change(made: Tensor, time: float) -> Tensor:
            if len(made) == len(jobs) or self.low < noise_level(scheduler, time) <= self.high:
                return made
            changed = made.clone()
            changed[rows_of(len(made), len(jobs), "unconditional")] = made[rows_of(len(made), len(jobs), "conditional")]
            return changed

        with output_changed(model, change):
            yield noise


def noise_level(scheduler: Any, time: float) -> float:
    """σ at a time of the scheduler: √((1 − ᾱ)/ᾱ), or t/(1 − t) of a flow; infinite for pure noise."""
    cumulative = getattr(scheduler, "alphas_cumprod", None)
    if cumulative is None:
        part = time / scheduler.config.num_train_timesteps
        return part / (1 - part) if part < 1 else inf
    kept = float(cumulative[round(time)])
    return sqrt((1 - kept) / kept) if kept > 0 else inf
