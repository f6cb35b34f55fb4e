"""Tiny Stable Diffusions of the real classes whose images are, all or in part, none: flagged, or not finite."""

from __future__ import annotations

from typing import Any

import torch
from tiny_pipelines import stable_diffusion

STEPS, GUIDANCE = 3, 1.0
SEEDS = range(64)


def latents(pipeline: Any, prompt: str) -> torch.Tensor:
    """The final latents of the first seeds."""
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    found: torch.Tensor = pipeline(
        [prompt] * len(SEEDS), num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generators,
        output_type="latent",
    ).images  # fmt: skip
    return found


def checked(prompt: str, part: float) -> Any:
    """A pipeline whose real safety checker flags about a `part` of the images, and replaces them by black ones."""
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    torch.manual_seed(0)
    bare = stable_diffusion()
    bare.set_progress_bar_config(disable=True)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config={**sizes, "image_size": 16, "patch_size": 4}, text_config=sizes, projection_dim=16)
    ).eval()
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    with torch.no_grad():
        decoded = bare.vae.decode(latents(bare, prompt) / bare.vae.config.scaling_factor).sample
        shown = processor(bare.image_processor.postprocess(decoded), return_tensors="pt").pixel_values
        seen = checker.visual_projection(checker.vision_model(shown)[1])
        away = torch.pca_lowrank(torch.nn.functional.normalize(seen), 1)[2][:, 0]
        checker.concept_embeds[0] = away
        cosines = torch.nn.functional.cosine_similarity(seen, away[None])
        checker.concept_embeds_weights.fill_(2.0)  # no cosine is that large
        checker.special_care_embeds_weights.fill_(2.0)
        checker.concept_embeds_weights[0] = -2.0 if part == 1 else cosines.quantile(1 - part)
    return StableDiffusionPipeline(
        **{**bare.components, "safety_checker": checker, "feature_extractor": processor}, requires_safety_checker=True
    )


def overflowing(prompt: str, part: float) -> Any:
    """A pipeline whose decoder gives numbers that are not finite for about a `part` of the images; NaN for all at 1.

    Below 1 the last layer of the decoder overflows, and the pipeline clamps its infinities into a plausible picture.
    """
    torch.manual_seed(0)
    pipeline = stable_diffusion()
    pipeline.set_progress_bar_config(disable=True)
    last = pipeline.vae.decoder.conv_out
    with torch.no_grad():
        if part == 1:
            last.bias.fill_(float("nan"))
            return pipeline
        last.bias.zero_()
        decoded = pipeline.vae.decode(latents(pipeline, prompt) / pipeline.vae.config.scaling_factor).sample
        largest = decoded.abs().flatten(1).amax(1)
        last.weight.mul_(torch.finfo(torch.float32).max / largest.quantile(1 - part))
    return pipeline
