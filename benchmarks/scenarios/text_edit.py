"""A concept with one direction projected out of its text embedding, beside a shift of the noise or without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from equinoise.axes import Axis
from equinoise.detectors import load_detector, read_label
from equinoise.models.base import draw_noise
from equinoise.models.pipeline import require_pipeline
from equinoise.run import Record, RunFolder
from equinoise.runtime.model import Model
from equinoise.steering.intervention import Intervention


def without(
    model: Model,
    concept: str,
    ends: Sequence[str],
    change: Intervention,
    seeds: Sequence[int],
    axes: Sequence[Axis],
    run: RunFolder,
) -> list[Record]:
    """One image a seed, the difference of the two `ends` projected out of the concept (Chuang et al. 2023, section 3).

    Every token loses its part along the difference, since every token reaches the denoiser.
    """
    backend, sampling = require_pipeline(model.backend), model.sampling
    told, (one, other) = hidden(backend.pipeline, [concept]), hidden(backend.pipeline, ends)
    apart = (one - other).mean(dim=0)
    apart = apart / apart.norm()
    told = told - (told @ apart)[..., None] * apart
    empty, size = hidden(backend.pipeline, [""]), model.batch_size
    left = [seed for seed in seeds if str(seed) not in run.records]
    backend.pipeline.set_progress_bar_config(disable=True)
    for start in range(0, len(left), size):
        part = left[start : start + size]
        images = backend.pipeline(
            prompt_embeds=told.expand(len(part), -1, -1),
            negative_prompt_embeds=empty.expand(len(part), -1, -1),
            latents=backend.family.to_pipeline(change.apply(draw_noise(part, model.latent_shape)), backend.pipeline),
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
        ).images
        for record, image in zip(_read(model, concept, part, images, axes), images, strict=True):
            run.add(record, image)
    return [run.records[str(seed)] for seed in seeds]


@torch.no_grad()
def hidden(pipeline: Any, prompts: Sequence[str]) -> torch.Tensor:
    """The hidden states of each prompt that the denoiser is conditioned on (n, tokens, d)."""
    length = pipeline.tokenizer.model_max_length
    tokens = pipeline.tokenizer(
        list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    states: torch.Tensor = pipeline.text_encoder(tokens.input_ids).last_hidden_state
    return states


def _read(
    model: Model, concept: str, seeds: Sequence[int], images: Sequence[Image.Image], axes: Sequence[Axis]
) -> list[Record]:
    spec = model.detector.spec
    detector = load_detector(spec)
    found = [(axis, detector.probabilities(images, axis)) for axis in model.detector.read_axes(axes)]
    made = []
    for index, seed in enumerate(seeds):
        detections = {a.name: dict(zip(a.classes, map(float, p[index]), strict=True)) for a, p in found}
        labels = {name: read_label(row, spec.threshold(name)) for name, row in detections.items()}
        made.append(Record(str(seed), concept, seed, detections=detections, labels=labels))
    return made
