"""Train the CLIP of this world: a small `CLIPModel` that tells roles, scenes and every axis from pictures.

It detects through the very code that a real CLIP goes through. Half of the pictures it sees have been through
the autoencoder, since it will judge generated ones. It is shown the cells that the denoiser is kept from: it is the
instrument, and whether the denoiser can show them must not hang on whether the instrument can see them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from emoji_world.bank import load
from emoji_world.canvas import SIZE
from emoji_world.captions import draw_caption
from emoji_world.labels import IGNORED, SCENE_AXES, axis_prompts, label, truth
from emoji_world.tokenizer import MAX_LENGTH, make_tokenizer
from emoji_world.training import Schedule, train

BATCH = 64
MEAN, STD = 0.5, 0.25
CONTRAST = 0.25
HELD_OUT = 8


def clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """2.5 M parameters: 8×8 patches of a 64×64 picture, four layers."""
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        projection_dim=128,
        **ids,
    )
    vision = CLIPVisionConfig(
        image_size=SIZE,
        patch_size=8,
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        projection_dim=128,
    )
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128))


def image_processor() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy against several right answers, each equally right."""
    return -(F.log_softmax(logits, dim=1) * target / target.sum(1, keepdim=True)).sum(1).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, help="bank of the cells that the denoiser is not trained on")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3_600)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--warm-start", type=Path, help="folder of a CLIP to go on from, such as the packaged one")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    banks = [load(path) for path in (args.bank, args.held_out) if path]
    scenes_of = [scene for bank in banks for scene in bank.scenes]
    images = np.concatenate([bank.images for bank in banks])
    vae = AutoencoderTiny.from_pretrained(args.work / "vae").to(args.device)
    tokenizer = make_tokenizer()
    model = CLIPModel.from_pretrained(args.warm_start, dtype=torch.float32) if args.warm_start else clip(tokenizer)
    model.to(args.device)
    labels = {
        axis: torch.tensor([label(scene, axis) for scene in scenes_of])
        for axis in ("role", "gender", "tone", *SCENE_AXES)
    }

    def embed(texts: list[str]) -> Tensor:
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").to(args.device)
        return F.normalize(model.get_text_features(**tokens).pooler_output.float(), dim=-1)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((3, step))
        rows = _rows(rng, len(banks[0].images), len(images))
        pixels = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float().to(args.device) / 127.5 - 1
        scenes = [scenes_of[row] for row in rows]
        prompts = axis_prompts(rng)
        with torch.autocast(args.device, torch.bfloat16):
            pixels = through_autoencoder(vae, pixels, torch.Generator().manual_seed(step))
            pictures = model.get_image_features((pixels / 2 + 0.5 - MEAN) / STD).pooler_output.float()
            texts = embed([t for texts in prompts.values() for t in texts] + [draw_caption(rng, s) for s in scenes])
        logits = model.logit_scale.exp().clamp(max=100) * F.normalize(pictures, dim=-1) @ texts.T
        *per_axis, captions = logits.split([*(len(t) for t in prompts.values()), BATCH], dim=1)
        total = sum(
            F.cross_entropy(part, labels[axis][rows].to(args.device), ignore_index=IGNORED, reduction="sum") / BATCH
            for axis, part in zip(prompts, per_axis, strict=True)
        )
        match = truth(scenes, scenes).to(args.device)
        contrast = soft_cross_entropy(captions, match) + soft_cross_entropy(captions.T, match.T)
        return total + CONTRAST * contrast

    train(model, loss, Schedule(args.steps, args.learning_rate), args.work / "clip.safetensors", "clip")
    model.save_pretrained(args.work / "clip")
    tokenizer.save_pretrained(args.work / "clip")
    image_processor().save_pretrained(args.work / "clip")


def _rows(rng: np.random.Generator, trained: int, n: int) -> NDArray[np.int64]:
    """A batch of rows, a part of it from the second bank where there is one."""
    extra = HELD_OUT if n > trained else 0
    return np.concatenate(
        [rng.integers(trained, size=BATCH - extra), rng.integers(trained, max(n, trained + 1), size=extra)]
    )


@torch.no_grad()
def through_autoencoder(vae: AutoencoderTiny, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the batch encoded, slightly perturbed and decoded, as generated pictures are; a little noise on all."""
    half = len(pixels) // 2
    latents = vae.encode(pixels[:half]).latents
    strength = 0.15 * torch.rand((half, 1, 1, 1), generator=generator)
    latents = latents + (strength * torch.randn(latents.shape, generator=generator)).to(latents)
    decoded = vae.decode(latents).sample.float().clamp(-1, 1)
    pixels = torch.cat([decoded, pixels[half:]])
    return pixels + 0.03 * torch.randn(pixels.shape, generator=generator).to(pixels)


if __name__ == "__main__":
    main()
