"""Train the denoiser and its text encoder together, on latents encoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from emoji_world.captions import sample_caption
from emoji_world.tokenizer import MAX_LENGTH, make_tokenizer
from emoji_world.training.autoencoder import LATENT_CHANNELS
from emoji_world.training.bank import load, odds, sample_rows
from emoji_world.training.expected import companions, expected_picture, same_captions
from emoji_world.training.flags import flags
from emoji_world.training.latents import encode, spread
from emoji_world.training.loop import Schedule, train
from emoji_world.training.tilt import read_tilts, tilt

CAPTION_DROPOUT = 0.1
SNR_CAP = 5.0
TRAIN_STEPS = 1000
COMPANIONS = 127  # pictures of the same captions that the target of each is averaged with
DECIDING = 0.68  # from this part of the training steps on classes are decided (√ᾱ < 0.26)
KNOWN_FROM = 0.115  # √ᾱ by which a noisy latent tells most of the picture (`training.gap`)
LEAST_KNOWN = 0.1


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
    """7.5 M parameters on 16×16×8 latents; attention at 8×8 and 4×4 only, which keeps a CPU step cheap."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
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
        num_train_timesteps=TRAIN_STEPS,
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


def sample_times(n: int, deciding: float, generator: torch.Generator) -> Tensor:
    """n of the 1,000 training steps: a share of them where classes are decided, the others anywhere."""
    anywhere = torch.rand(n, generator=generator, device=generator.device)
    late = torch.rand(n, generator=generator, device=generator.device) < deciding
    found = torch.where(late, DECIDING + (1 - DECIDING) * anywhere, anywhere)
    return (found * TRAIN_STEPS).long().clamp(max=TRAIN_STEPS - 1)


def loss_weights(kept: Tensor) -> Tensor:
    """The weight of the velocity's squared error, by ᾱ (steps,) of the training steps.

    In units of the noise-free picture the velocity's own weight is SNR + 1: capped, so that no step counts for more,
    and never near 0, as min-SNR's is at pure noise. There, where classes are decided, the best answer varies little: by
    1 − exp(−(√ᾱ / 0.115)²) of what pictures vary by, about. Errors count in proportion to that, up to tenfold.
    """
    capped = ((kept / (1 - kept)).clamp(max=SNR_CAP) + 1) * (1 - kept)
    known = 1 - torch.exp(-kept / KNOWN_FROM**2)
    return capped / known.clamp(min=LEAST_KNOWN)


def velocity(noisy: Tensor, picture: Tensor, kept: Tensor) -> Tensor:
    """v = √ᾱ ε − √(1 − ᾱ) x₀, with the noise ε = (x_t − √ᾱ x₀) / √(1 − ᾱ) between a picture and a noisy latent."""
    kept = kept.view(-1, 1, 1, 1)
    return (kept.sqrt() * noisy - picture) / (1 - kept).sqrt()


def picture(noisy: Tensor, velocity: Tensor, kept: Tensor) -> Tensor:
    """x₀ = √ᾱ x_t − √(1 − ᾱ) v: what `velocity` was made of."""
    kept = kept.view(-1, 1, 1, 1)
    return kept.sqrt() * noisy - (1 - kept).sqrt() * velocity


def main() -> None:
    parser = flags(__doc__, steps=5_150, batch=64, learning_rate=6e-4)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw captions ahead")
    parser.add_argument("--warm-start", type=Path, help="pipeline folder to go on from, such as the packaged one")
    parser.add_argument("--deciding", type=float, default=0.5, help="share of pictures with as much noise as decides")
    parser.add_argument("--tilt", type=Path, nargs="+", default=[], help="files of measure neutral: see training.tilt")
    parser.add_argument("--full-precision", action="store_true", help="faster on processors without bf16")
    parser.add_argument("--channels-last", action="store_true", help="faster on processors with AMX, slower without")
    args = parser.parse_args()
    bank = load(args.bank)
    vae = AutoencoderTiny.from_pretrained(args.work / "vae")
    latents = encode(vae, bank.images, args.work, args.device, args.full_precision).to(args.device)
    # another bank's latents spread a little otherwise: a denoiser that goes on keeps the scale it knows
    scale = vae.config.scaling_factor if args.warm_start else 1 / spread(latents)
    factors = tilt(bank.scenes, [read_tilts(path) for path in args.tilt])
    shares, groups = odds(bank.scenes, args.emphasis, factors), same_captions(bank.scenes, factors)
    tokenizer = make_tokenizer()
    model = packaged_denoiser(args.warm_start) if args.warm_start else new_denoiser(tokenizer)
    model.to(args.device)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model.unet.to(memory_format=layout)
    if args.device == "cpu":
        # plain matrix products are a fifth faster than the fused kernel on so few positions (CPU, bf16)
        model.unet.set_attn_processor(AttnProcessor())
    noise_schedule = scheduler()
    # what add_noise reads, on the device once
    noise_schedule.alphas_cumprod = alphas = noise_schedule.alphas_cumprod.to(args.device)
    weights = loss_weights(alphas)

    def batch(step: int) -> tuple[int, Tensor, Tensor]:
        rng = np.random.default_rng((2, step))
        rows = sample_rows(rng, shares, args.batch)
        captions = ["" if rng.random() < CAPTION_DROPOUT else sample_caption(rng, bank.scenes[row]) for row in rows]
        tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return step, torch.from_numpy(companions(rng, rows, groups, COMPANIONS)), tokens

    def loss(given: tuple[int, Tensor, Tensor]) -> Tensor:
        step, rows, tokens = given
        generator = torch.Generator(args.device).manual_seed(step)
        pictures = latents[rows.to(args.device)].float() * scale
        noise = torch.randn(pictures[:, 0].shape, generator=generator, device=args.device)
        t = sample_times(args.batch, args.deciding, generator)
        x = noise_schedule.add_noise(pictures[:, 0], noise, t)
        aim = velocity(x, expected_picture(x, pictures, alphas[t]), alphas[t])
        with torch.autocast(args.device, torch.bfloat16, enabled=not args.full_precision):
            context = model.text_encoder(tokens.to(args.device)).last_hidden_state
            predicted = model.unet(x.contiguous(memory_format=layout), t, context).sample
        error = (predicted.float() - aim).pow(2).mean(dim=(1, 2, 3))
        weighted: Tensor = (error * weights[t]).mean()
        return weighted

    schedule = Schedule(args.steps, args.learning_rate, seconds=args.seconds)
    train(model, batch, loss, schedule, args.work / "unet.safetensors", "denoiser", args.workers)


if __name__ == "__main__":
    main()
