"""Train the denoiser and its text encoder together, on latents encoded once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from emoji_world.bank import load
from emoji_world.captions import draw_caption
from emoji_world.tokenizer import MAX_LENGTH, make_tokenizer
from emoji_world.training import Schedule, train

BATCH = 64
CAPTION_DROPOUT = 0.1
SNR_CAP = 5.0
MIN_WEIGHT = 0.15


class Denoiser(nn.Module):
    """What is trained: the UNet and the text encoder that conditions it."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet


def new_denoiser(tokenizer: CLIPTokenizer) -> Denoiser:
    return Denoiser(unet(), text_encoder(tokenizer))


def packaged_denoiser(folder: Path) -> Denoiser:
    """The denoiser of a pipeline folder, in fp32: what training goes on from."""
    return Denoiser(
        UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32),
        CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32),
    )


def unet() -> UNet2DConditionModel:
    """7.4 M parameters on 16×16×4 latents; attention at 8×8 and 4×4 only, which keeps a CPU step cheap."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 96, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=128,
        attention_head_dim=2,
        norm_num_groups=16,
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            projection_dim=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule with nothing left of the picture at its end, and the velocity as output.

    Where a little of the picture is left, its mean colour is: the model then learns tone from what pure noise lacks,
    and generated skin keeps to the middle of the range.
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


@torch.no_grad()
def encode(vae: AutoencoderTiny, images: np.ndarray, cache: Path) -> Tensor:
    """All pictures as latents (n, 4, 16, 16) in fp16, kept in a file."""
    if not cache.exists():
        vae.to(memory_format=torch.channels_last)
        chunks = []
        for start in track(range(0, len(images), 64), description="encoding"):
            x = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
            with torch.autocast("cpu", torch.bfloat16):
                chunks.append(vae.encode(x.contiguous(memory_format=torch.channels_last)).latents.half())
        partial = cache.with_suffix(".partial")
        save_file({"latents": torch.cat(chunks).contiguous()}, partial)
        partial.replace(cache)
    return load_file(cache)["latents"]


def weights_of(kinds: Sequence[str], emphasis: str) -> NDArray[np.float64]:
    """How often each picture is drawn; kinds that are hard to learn can be drawn more often.

    Within a kind all pictures are drawn alike, so that the planted shares stay what they are.
    """
    factors = {name: float(value) for name, value in (part.split("=") for part in emphasis.split(",") if part)}
    weights = np.array([factors.get(kind, 1.0) for kind in kinds])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder with vae/; checkpoints and results go there")
    parser.add_argument("--steps", type=int, default=5_150)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--emphasis", default="", help="kinds of scene to draw more often, such as bird=2.5")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--warm-start", type=Path, help="pipeline folder to go on from, such as the packaged one")
    parser.add_argument("--channels-last", action="store_true", help="faster on processors with AMX, slower without")
    args = parser.parse_args()
    bank = load(args.bank)
    latents = encode(AutoencoderTiny.from_pretrained(args.work / "vae"), bank.images, args.work / "latents.safetensors")
    scale = 1 / latents.float().std().item()
    odds = np.cumsum(weights_of([scene.kind for scene in bank.scenes], args.emphasis))
    tokenizer = make_tokenizer()
    model = packaged_denoiser(args.warm_start) if args.warm_start else new_denoiser(tokenizer)
    model.to(args.device)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model.unet.to(memory_format=layout)
    # plain matrix products are a fifth faster than the fused kernel on so few positions (CPU, bf16)
    model.unet.set_attn_processor(AttnProcessor())
    noise_schedule = scheduler()
    alphas = noise_schedule.alphas_cumprod
    # min-SNR of the noise-free picture, for an output that is the velocity; the pure-noise step decides the class
    weights = ((alphas / (1 - alphas)).clamp(max=SNR_CAP) * (1 - alphas)).clamp(min=MIN_WEIGHT)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((2, step))
        generator = torch.Generator().manual_seed(step)
        rows = np.searchsorted(odds, rng.random(BATCH))
        captions = ["" if rng.random() < CAPTION_DROPOUT else draw_caption(rng, bank.scenes[row]) for row in rows]
        tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        x0 = latents[rows].float() * scale
        noise = torch.randn(x0.shape, generator=generator)
        t = torch.randint(len(alphas), (BATCH,), generator=generator)
        x, aim = noise_schedule.add_noise(x0, noise, t), noise_schedule.get_velocity(x0, noise, t)
        with torch.autocast(args.device, torch.bfloat16):
            context = model.text_encoder(tokens.to(args.device)).last_hidden_state
            laid_out = x.to(args.device).contiguous(memory_format=layout)
            predicted = model.unet(laid_out, t.to(args.device), context).sample
        error = (predicted.float() - aim.to(args.device)).pow(2).mean(dim=(1, 2, 3))
        weighted: Tensor = (error * weights[t].to(args.device)).mean()
        return weighted

    train(model, loss, Schedule(args.steps, args.learning_rate), args.work / "unet.safetensors", "denoiser")


if __name__ == "__main__":
    main()
