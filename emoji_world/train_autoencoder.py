"""Train the autoencoder: `AutoencoderTiny`, 64×64×3 → 16×16×4 and back."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn import functional as F

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
    return (decoded - images).abs().mean() + 0.5 * edges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the result")
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    images = torch.from_numpy(load(args.bank).images)
    model = autoencoder().to(args.device, memory_format=torch.channels_last)

    def loss(step: int) -> Tensor:
        rows = np.random.default_rng((1, step)).integers(len(images), size=BATCH)
        x = (images[rows].permute(0, 3, 1, 2).to(args.device).float() / 127.5 - 1).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast(args.device, torch.bfloat16):
            latents = model.encode(x).latents
            decoded = model.decode(latents).sample
        # latents are kept near unit scale, as the noise schedule expects of them
        spread = latents.float().pow(2).mean()
        return reconstruction_loss(decoded.float(), x) + 0.001 * (spread - 1).abs()

    train(model, loss, Schedule(args.steps, 2e-3), args.work / "autoencoder.safetensors", "autoencoder")
    model.save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
