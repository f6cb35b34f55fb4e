"""Train the autoencoder: `AutoencoderTiny`, 128×128×3 → 16×16×8 and back."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor

from emoji_world.training.bank import load
from emoji_world.training.loop import Schedule, train

LATENT_CHANNELS = 8
# generated latents are never quite those of a picture, so the decoder is shown none without a little noise
NOISE = 0.05


def autoencoder() -> AutoencoderTiny:
    """1.1 M parameters, no normalisation (one would first have to learn colour), a factor of 8 a side."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48, 48),
        decoder_block_out_channels=(48, 48, 48, 48),
        num_encoder_blocks=(1, 2, 2, 2),
        num_decoder_blocks=(3, 3, 2, 1),
        latent_channels=LATENT_CHANNELS,
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
    parser.add_argument("--seconds", type=float, help="of the first part, by the clock")
    parser.add_argument("--decoder-seconds", type=float)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--warm-start", type=Path, help="vae/ folder of an earlier run")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    images = torch.from_numpy(load(args.bank).images).to(args.device)
    begun = args.warm_start and AutoencoderTiny.from_pretrained(args.warm_start, torch_dtype=torch.float32)
    model = (begun or autoencoder()).to(args.device, memory_format=torch.channels_last)

    first = 1 if args.steps else 4

    def batch(step: int) -> tuple[int, NDArray[np.int64]]:
        return step, np.random.default_rng((first, step)).integers(len(images), size=args.batch)

    def loss(given: tuple[int, NDArray[np.int64]]) -> Tensor:
        step, rows = given
        generator = torch.Generator(args.device).manual_seed(step)
        x = images[torch.from_numpy(rows).to(args.device)].permute(0, 3, 1, 2).float() / 127.5 - 1
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(args.device, torch.bfloat16):
            with torch.set_grad_enabled(model.encoder.training):
                latents = model.encode(x).latents
            noise = torch.randn(latents.shape, generator=generator, device=args.device)
            decoded = model.decode(latents + NOISE * noise.to(latents)).sample
        # a weak pull keeps the latents from growing or vanishing
        pull: Tensor = (latents.float().pow(2).mean() - 1).abs()
        return reconstruction_loss(decoded.float(), x) + 0.001 * pull

    if args.steps:
        whole = Schedule(args.steps, args.learning_rate, seconds=args.seconds)
        train(model, batch, loss, whole, args.work / "autoencoder.safetensors", "autoencoder")
        centre(model, images)
        model.save_pretrained(args.work / "vae")  # the encoder is final: the denoiser's training can start
    model.encoder.eval()
    decoder = Schedule(args.decoder_steps, 5e-4, seconds=args.decoder_seconds)
    train(model.decoder, batch, loss, decoder, args.work / "decoder.safetensors", "decoder")
    model.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
