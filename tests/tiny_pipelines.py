"""Tiny pipelines of the real classes with random weights, one of each family: milliseconds a call, no downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

CLIP_TOKENS = 77
"""That a CLIP reads, as of the real ones; here a letter is a token."""
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]


@dataclass(frozen=True)
class Tiny:
    """How a family is tested: how it is built, the arguments of `load`, and steps and guidance as it is used."""

    build: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 4
    guidance_scale: float = 3.0
    latent_shape: tuple[int, ...] = (4, 8, 8)
    adapters: bool = True

    def save(self, folder: Path) -> Path:
        torch.manual_seed(0)
        self.build().save_pretrained(folder)
        return folder


def save_lora(pipeline: Any, folder: Path, seed: int = 1) -> Path:
    """A LoRA of the denoiser's attention with random weights, as diffusers writes it."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    module = getattr(pipeline, part)
    module.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = {f"{part}_lora_layers": get_peft_model_state_dict(module)}
    type(pipeline).save_lora_weights(folder, **layers)
    module.delete_adapters("default")
    return folder


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer({token: index for index, token in enumerate(tokens)}, [], model_max_length=CLIP_TOKENS)


def word_tokenizer(words: Sequence[str] = ("a", "cat", "dog", "and")) -> Any:
    """Stands in for the tokenizers of T5 and Gemma, which come with files of their own."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def clip_text(projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=2 + 2 * len(LETTERS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1 if not projected else 2,
        num_attention_heads=2,
        max_position_embeddings=CLIP_TOKENS,
        projection_dim=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def t5_text(width: int = 16) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=7, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def kl(channels: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=channels,
        sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        shift_factor=0.0,
    )


def unet(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        **{"cross_attention_dim": 16, **more},
    )


def stable_diffusion(scheduler: Any = None, cls: Any = None, **unet_config: Any) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    return (cls or StableDiffusionPipeline)(
        vae=kl(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=unet(**unet_config),
        scheduler=scheduler or EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_2() -> Any:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(prediction_type="v_prediction", steps_offset=1, clip_sample=False)
    return stable_diffusion(scheduler, use_linear_projection=True)


def sdxl(scheduler: Any = None) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    return StableDiffusionXLPipeline(
        vae=kl(),
        text_encoder=clip_text(projected=True),
        text_encoder_2=clip_text(projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=16 + 6 * 4,
        ),
        scheduler=scheduler or EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading"),
    )


def turbo() -> Any:
    from diffusers import EulerAncestralDiscreteScheduler

    return sdxl(EulerAncestralDiscreteScheduler(timestep_spacing="trailing"))


def latent_consistency() -> Any:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    return stable_diffusion(LCMScheduler(), LatentConsistencyModelPipeline, time_cond_proj_dim=8)


def stable_diffusion_3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_projection_dim=16,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            pos_embed_max_size=16,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=kl(16),
        text_encoder=clip_text(projected=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(projected=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_text(32),
        tokenizer_3=word_tokenizer(),
    )


def flux(guidance_embeds: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    return FluxPipeline(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guidance_embeds,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guidance_embeds),
        vae=kl(16),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_text(),
        tokenizer_2=word_tokenizer(),
    )


def sana() -> Any:
    from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    return SanaPipeline(
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=16,
        ),
        scheduler=DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0, final_sigmas_type="zero"
        ),
        vae=AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        text_encoder=Gemma2Model(
            Gemma2Config(
                vocab_size=7,
                hidden_size=8,
                intermediate_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=4,
            )
        ),
        tokenizer=word_tokenizer(),
    )


TINY = {
    "sd1": Tiny(stable_diffusion),
    "sd2": Tiny(stable_diffusion_2),
    "sdxl": Tiny(sdxl),
    "sdxl-turbo": Tiny(turbo, guidance_scale=0.0),
    "lcm": Tiny(latent_consistency, guidance_scale=8.5),
    "sd3": Tiny(stable_diffusion_3, latent_shape=(16, 8, 8)),
    "flux-dev": Tiny(flux, {"size": (16, 16)}, latent_shape=(16, 8, 8)),
    "flux-schnell": Tiny(lambda: flux(False), {"size": (16, 16)}, guidance_scale=0.0, latent_shape=(16, 8, 8)),
    "sana": Tiny(sana, latent_shape=(4, 16, 16)),
}
"""By family. Each is used with few steps, which a tiny model's own would not make better."""
