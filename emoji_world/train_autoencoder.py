"""Train the autoencoder: `AutoencoderTiny`, 64×64×3 → 16×16×4 and back."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from emoji_world.bank import load
from emoji_world.training import Schedule, train

BATCH = 16


def autoencoder() -> AutoencoderTiny:
    """0.3 M parameters, no normalisation (one would first have to learn colour), a factor of 4 a side."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(1, 2, 2),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=4,
        upsampling_scaling_factor=2,
    )


def reconstruction_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """L1 of pixels and of their horizontal and vertical differences: right colours and crisp edges."""
    edges = sum((decoded.diff(dim=d) - images.diff(dim=d)).abs().mean() for d in (2, 3))
    loss: Tensor = (decoded - images).abs().mean() + 0.5 * edges
    return loss


@torch.no_grad()
def centre(model: AutoencoderTiny, images: Tensor) -> None:
    """Move the mean of every latent channel to 0, in the weights: noise that starts a picture has mean 0 too."""
    sample = images[:2048].permute(0, 3, 1, 2).float() / 127.5 - 1
    mean = torch.cat([model.encode(part).latents for part in torch.split(sample, 256)]).mean(dim=(0, 2, 3))
    model.encoder.layers[-1].bias -= mean
    first = model.decoder.layers[0]
    first.bias += first.weight.sum(dim=(2, 3)) @ mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the result")
    parser.add_argument("--steps", type=int, default=9_000, help="0: the decoder alone, the latents stay what they are")
    parser.add_argument("--decoder-steps", type=int, default=2_500)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warm-start", type=Path, help="vae/ folder of an earlier run")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    images = torch.from_numpy(load(args.bank).images)
    begun = args.warm_start and AutoencoderTiny.from_pretrained(args.warm_start, torch_dtype=torch.float32)
    model = begun or autoencoder()

    def pixels(seed: int, step: int) -> Tensor:
        rows = np.random.default_rng((seed, step)).integers(len(images), size=BATCH)
        x = images[rows].permute(0, 3, 1, 2).to(args.device).float() / 127.5 - 1
        laid_out: Tensor = x.contiguous(memory_format=torch.channels_last)
        return laid_out

    def whole(step: int) -> Tensor:
        x = pixels(1, step)
        with torch.autocast(args.device, torch.bfloat16):
            latents = model.encode(x).latents
            decoded = model.decode(latents).sample
        # a weak pull keeps the latents from growing or vanishing
        pull: Tensor = (latents.float().pow(2).mean() - 1).abs()
        return reconstruction_loss(decoded.float(), x) + 0.001 * pull

    def decoder_only(step: int) -> Tensor:
        x = pixels(4, step)
        with torch.autocast(args.device, torch.bfloat16):
            with torch.no_grad():
                latents = model.encode(x).latents
            # generated latents are never quite those of a picture
            noise = 0.02 * torch.randn(latents.shape, generator=torch.Generator().manual_seed(step))
            decoded = model.decode(latents + noise.to(latents)).sample
        return reconstruction_loss(decoded.float(), x)

    model.to(args.device, memory_format=torch.channels_last)
    if args.steps:
        whole_schedule = Schedule(args.steps, args.learning_rate)
        train(model, whole, whole_schedule, args.work / "autoencoder.safetensors", "autoencoder")
        centre(model.cpu(), images)
        model.save_pretrained(args.work / "vae")  # the encoder is final: the denoiser's training can start
    model.to(args.device, memory_format=torch.channels_last)
    decoder = Schedule(args.decoder_steps, 5e-4)
    train(model.decoder, decoder_only, decoder, args.work / "decoder.safetensors", "decoder")
    model.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
