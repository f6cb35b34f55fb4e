"""Fair Diffusion: semantic guidance (SEGA) away from one class and towards the other, by a coin for each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equinoise.engine import Job
from equinoise.methods.base import Brief, Method, NoFormError, Prepared, Setup
from equinoise.models.base import Sampling, TextToImage, step_at
from equinoise.models.pipeline import require_pipeline
from equinoise.quiet import quiet_libraries

THRESHOLD, MOMENTUM, BETA, WARM_UP = 0.95, 0.5, 0.6, 0.1
"""The authors' settings; the warm-up is 5 of 50 steps."""
WORDS = {"woman": "female person", "man": "male person"}
"""Class → the authors' text; other classes go by the axis's own prompt."""
ROWS = 2
"""Rows of the denoiser for each row of a plain run: prompt, null prompt, and a prompt for each class."""


def prepare_fair_diffusion(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """Diffusers' `SemanticStableDiffusionPipeline` with the authors' settings; the strength is the edit's scale.

    A call of that pipeline has one direction for all its images. So a batch whose images have drawn both classes is
    made once for each, and every image is taken from the call of its class: the batch, and with it every bit, stays
    as it is whatever its companions drew.

    Set-up: none.

    Raises:
        NoFormError: more than two classes, or a pipeline that is not Stable Diffusion 1 or 2 with guidance.
    """
    classes = brief.require_two(FAIR_DIFFUSION.title)
    kind, sampling = type(brief.model.pipeline).__name__, brief.model.sampling
    if kind != "StableDiffusionPipeline" or sampling.guidance_scale <= 1:
        raise NoFormError(
            f"{FAIR_DIFFUSION.title}: diffusers has it for Stable Diffusion 1 and 2, with guidance above 1"
        )
    texts = tuple(WORDS.get(label) or brief.axis.generate.get(label, (label,))[0] for label in classes)
    change = SemanticGuidance(classes, texts, float(strength or 0.0))
    cost = float(ROWS * brief.model.calls)

    def jobs(seeds: Sequence[int]) -> list[Job]:
        return sorted((brief.job(seed) for seed in seeds), key=lambda job: job.wanted)  # batches of one class

    return Prepared(jobs, change, calls=lambda _: cost)


FAIR_DIFFUSION = Method(
    name="fair-diffusion",
    title="Fair Diffusion (SEGA)",
    source="Friedrich et al. 2023, arXiv 2302.10893; Brack et al. 2023, arXiv 2301.12247",
    changes="guidance",
    published=4.0,
    strengths=(2.0, 4.0, 8.0),
    prepare=prepare_fair_diffusion,
)


@dataclass(frozen=True)
class SemanticGuidance:
    """Each image is guided towards the text of its drawn class and away from that of the other."""

    classes: tuple[str, str]
    texts: tuple[str, ...]
    scale: float
    name: str = "semantic guidance"

    @contextmanager
    def during(self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling) -> Iterator[Tensor]:
        """See `PipelineChange`."""
        pipe = require_pipeline(model)
        plain, pipe.pipeline = pipe.pipeline, _semantic(pipe.pipeline, self, [job.wanted for job in jobs])
        try:
            yield noise
        finally:
            pipe.pipeline = plain


def _semantic(plain: Any, change: SemanticGuidance, wanted: Sequence[str]) -> Any:
    """The semantic pipeline on the components of a plain one, called as the plain one is."""
    with quiet_libraries():
        from diffusers import SemanticStableDiffusionPipeline

    class Semantic(SemanticStableDiffusionPipeline):  # type: ignore[misc]
        def __call__(self, *, callback_on_step_end: Any, generator: Any, **asked: Any) -> Any:
            made = {label: self._towards(label, generator, asked) for label in dict.fromkeys(wanted)}
            rows = [made[label].images[row] for row, label in enumerate(wanted)]
            first = next(iter(made.values()))
            first.images = torch.stack(rows)
            return first

        def _towards(self, label: str, generator: Any, asked: dict[str, Any]) -> Any:
            return super().__call__(
                **asked,
                generator=[one.clone_state() for one in generator] if generator else None,
                editing_prompt=list(change.texts),
                reverse_editing_direction=[name != label for name in change.classes],
                edit_guidance_scale=change.scale,
                edit_warmup_steps=step_at(WARM_UP, asked["num_inference_steps"]),
                edit_threshold=THRESHOLD,
                edit_momentum_scale=MOMENTUM,
                edit_mom_beta=BETA,
            )

    parts = {name: part for name, part in plain.components.items() if name != "image_encoder"}
    with quiet_libraries():
        return Semantic(**parts, requires_safety_checker=plain.config.get("requires_safety_checker", False))
