"""How near is the denoiser to the best prediction, by noise level?

For one of the planted prompts, on pictures of a bank whose captions say the same: the best answer to a noisy latent by
least squares is the mean of all these pictures, each weighed by how probably the latent came from it (its own left out,
which no network can know). Along the line between the mean pictures of an axis's first and last class, a slope below 1
of the network's answers on the best ones says that it keeps classes less apart than it should there, and that rare ones
will come too rarely.

    python -m emoji_world.training.gap --bank WORK/asked.safetensors --work WORK --prompt "a photo of a farmer"

WORK has vae/, and latents.safetensors of this very bank, which is made where it is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from rich.console import Console
from rich.table import Table
from scipy import stats
from torch import Tensor

from emoji_world.prompts import all_prompts, is_asked
from emoji_world.tokenizer import make_tokenizer
from emoji_world.training.bank import load
from emoji_world.training.denoiser import packaged_denoiser, picture, scheduler
from emoji_world.training.expected import expected_picture
from emoji_world.training.latents import encode
from emoji_world.world import classes
from equinoise.models.worlds import EMOJI

LEVELS = (960, 920, 880, 840, 800, 760, 720, 680, 640, 600, 520, 440)
"""Training steps of the noise levels, of 1,000."""
PART = 32


@torch.inference_mode()
def answers(
    unet: Callable[..., Any], words: Tensor, pictures: Tensor, rows: Tensor, step: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The network's answers and the best ones, (n, c, h, w) each, to some rows (n,) of the pictures made noisy.

    `words` (1, length, width) is the encoded prompt that all pictures (all, c, h, w) are of.
    """
    kept = scheduler().alphas_cumprod[step]
    generator = torch.Generator().manual_seed(seed)
    said, best = [], []
    for part in torch.split(rows, PART):
        own = pictures[part]
        noisy = kept.sqrt() * own + (1 - kept).sqrt() * torch.randn(own.shape, generator=generator)
        velocity = unet(noisy, step, words.expand(len(part), -1, -1)).sample
        said.append(picture(noisy, velocity, kept))
        best += [
            expected_picture(one[None], torch.cat([pictures[:row], pictures[row + 1 :]])[None], kept[None])
            for one, row in zip(noisy, part.tolist(), strict=True)
        ]
    return torch.cat(said), torch.cat(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder with vae/ and the bank's latents")
    parser.add_argument("--model", type=Path, default=EMOJI, help="pipeline folder; default the packaged one")
    parser.add_argument("--prompt", default="a photo of a farmer")
    parser.add_argument("--axis", default="tone")
    parser.add_argument("-n", type=int, default=192, help="pictures made noisy")
    args = parser.parse_args()
    prompt = next((found for found in all_prompts() if found.text == args.prompt), None)
    if prompt is None or args.axis not in prompt.axes:
        parser.error(f"no planted prompt '{args.prompt}' leaves {args.axis} open; see python -m emoji_world.prompts")
    bank = load(args.bank)
    vae = AutoencoderTiny.from_pretrained(args.work / "vae")
    latents = encode(vae, bank.images, args.work, "cpu")
    asked = [row for row, scene in enumerate(bank.scenes) if is_asked(prompt, scene)]
    pictures = latents[asked].float() * vae.config.scaling_factor
    names = classes(args.axis)
    shown = np.array([names.index(bank.scenes[row].shows[args.axis]) for row in asked])
    ends = [pictures[torch.from_numpy(shown == end)].mean(0) for end in (len(names) - 1, 0)]
    line = torch.nn.functional.normalize((ends[0] - ends[1]).flatten(), dim=0)
    model = packaged_denoiser(args.model).eval()
    tokens = make_tokenizer()([prompt.text], padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.inference_mode():
        words = model.text_encoder(tokens).last_hidden_state
    rows = torch.randint(len(pictures), (args.n,), generator=torch.Generator().manual_seed(0))
    table = Table("step", "√ᾱ", "error, of the best answers' variance", f"slope along {args.axis}")
    for step in LEVELS:
        said, best = answers(model.unet, words, pictures, rows, step)
        error = (said - best).pow(2).sum() / (best - best.mean(0)).pow(2).sum()
        slope = stats.linregress((best.flatten(1) @ line).numpy(), (said.flatten(1) @ line).numpy()).slope
        root = float(scheduler().alphas_cumprod[step] ** 0.5)
        table.add_row(str(step), f"{root:.3f}", f"{error:.2f}", f"{slope:.2f}")
    table.caption = f"{args.prompt}: {args.n} of {len(pictures)} pictures"
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
