"""A pipeline of the classes and sizes of SDXL with random weights: as slow and as large, and its images are noise."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TEXT = (768, 1280)
VOCABULARY = 49408


def random_sdxl(device: str, dtype: str) -> Any:
    """2.6 billion parameters in the denoiser; made on the device, in its dtype."""
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        with torch.device(device):
            parts = {"unet": unet(), "vae": _autoencoder(), **_texts()}
    finally:
        torch.set_default_dtype(before)
    scheduler = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
    )
    pipe = StableDiffusionXLPipeline(**parts, **_tokenizers(), scheduler=scheduler, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def unet() -> Any:
    """The denoiser."""
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=sum(TEXT),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=TEXT[1] + 6 * 256,
    )


def _autoencoder() -> Any:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=1024,
        scaling_factor=0.13025,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        force_upcast=False,
    )


def _texts() -> dict[str, CLIPTextModel | CLIPTextModelWithProjection]:
    first = CLIPTextConfig(
        hidden_size=TEXT[0],
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=4 * TEXT[0],
        vocab_size=VOCABULARY,
    )
    second = CLIPTextConfig(
        hidden_size=TEXT[1],
        projection_dim=TEXT[1],
        num_hidden_layers=32,
        num_attention_heads=20,
        intermediate_size=4 * TEXT[1],
        vocab_size=VOCABULARY,
    )
    return {"text_encoder": CLIPTextModel(first), "text_encoder_2": CLIPTextModelWithProjection(second)}


def _tokenizers() -> dict[str, CLIPTokenizer]:
    """Letters only: what the prompt says makes no difference to the time."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    made = CLIPTokenizer({token: i for i, token in enumerate(tokens)}, [], model_max_length=77)
    return {"tokenizer": made, "tokenizer_2": made}
