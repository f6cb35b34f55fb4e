"""Train the CLIP of this world: a small `CLIPModel` that recognises roles, scenes and the classes of every axis.

It is used through the code for any CLIP. Half of the pictures that it is trained on have been through the autoencoder,
as generated pictures have. It is also trained on the cells that are left out of the denoiser's training: whether the
denoiser can show those must be measured by a detector that knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from emoji_world.captions import sample_caption
from emoji_world.drawing.canvas import SIZE
from emoji_world.labels import IGNORED, SCENE_AXES, axis_prompts, facts, label, truth
from emoji_world.tokenizer import MAX_LENGTH, make_tokenizer
from emoji_world.training.bank import load, odds, sample_rows
from emoji_world.training.flags import flags
from emoji_world.training.loop import Schedule, train

MEAN, STD = 0.5, 0.25
CONTRAST = 0.25
# how much of a batch is of the cells that are left out of the denoiser's training
HELD_OUT = 1 / 8
# weight of the loss of classes by captions alone, and the scale of their cosines
CO_OCCURRENCE, SHARPNESS = 0.25, 10.0


def clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """2.6 M parameters: 8×8 patches of 16×16 pixels, four layers."""
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
        patch_size=SIZE // 8,
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
    parser = flags(__doc__, steps=3_600, batch=64, learning_rate=1e-3)
    parser.add_argument("--held-out", type=Path, help="bank of the cells that the denoiser is not trained on")
    parser.add_argument("--warm-start", type=Path, help="folder of a CLIP to go on from, such as the packaged one")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw captions ahead")
    args = parser.parse_args()
    banks = [load(args.bank), *([load([args.held_out])] if args.held_out else [])]
    scenes = [scene for bank in banks for scene in bank.scenes]
    images = torch.cat([torch.from_numpy(bank.images).to(args.device) for bank in banks])
    vae = AutoencoderTiny.from_pretrained(args.work / "vae").to(args.device)
    tokenizer = make_tokenizer()
    model = CLIPModel.from_pretrained(args.warm_start, dtype=torch.float32) if args.warm_start else clip(tokenizer)
    model.to(args.device)
    cumulative = odds(banks[0].scenes, args.emphasis)
    known = facts(scenes).to(args.device)
    axes = ("role", "gender", "tone", *SCENE_AXES)
    labels = {axis: torch.tensor([label(scene, axis) for scene in scenes], device=args.device) for axis in axes}

    def batch(step: int) -> tuple[int, Tensor, dict[str, int], Tensor]:
        rng = np.random.default_rng((3, step))
        rows = _rows(rng, args.batch, cumulative, len(scenes))
        prompts = axis_prompts(rng)
        texts = [text for texts in prompts.values() for text in texts] + [sample_caption(rng, scenes[r]) for r in rows]
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return step, torch.from_numpy(rows), {axis: len(texts) for axis, texts in prompts.items()}, tokens

    def loss(given: tuple[int, Tensor, dict[str, int], Tensor]) -> Tensor:
        step, rows, counts, tokens = given
        rows = rows.to(args.device)
        with torch.autocast(args.device, torch.bfloat16):
            pixels = images[rows].permute(0, 3, 1, 2).float() / 127.5 - 1
            pixels = through_autoencoder(vae, pixels, torch.Generator(args.device).manual_seed(step))
            pictures = _unit(model.get_image_features((pixels / 2 + 0.5 - MEAN) / STD).pooler_output)
            texts = _unit(model.get_text_features(tokens.to(args.device)).pooler_output)
        prompts, captions = torch.split(texts, [sum(counts.values()), args.batch])
        scale = model.logit_scale.exp().clamp(max=100)
        aims = {axis: labels[axis][rows] for axis in counts}
        total = _told(scale * pictures @ prompts.T, counts, aims)
        # the class from the caption alone, so that cosines of texts follow how often words and appearances go together
        total = total + CO_OCCURRENCE * _told(SHARPNESS * captions @ prompts.T, counts, aims)
        match = truth(known[rows], known[rows])
        logits = scale * pictures @ captions.T
        return total + CONTRAST * (soft_cross_entropy(logits, match) + soft_cross_entropy(logits.T, match.T))

    schedule = Schedule(args.steps, args.learning_rate, seconds=args.seconds)
    train(model, batch, loss, schedule, args.work / "clip.safetensors", "clip", args.workers)
    model.save_pretrained(args.work / "clip")
    tokenizer.save_pretrained(args.work / "clip")
    image_processor().save_pretrained(args.work / "clip")


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=-1)


def _told(logits: Tensor, counts: Mapping[str, int], aims: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the class of every axis, summed over the axes; a scene that lacks an axis counts 0 for it."""
    parts = torch.split(logits, list(counts.values()), dim=1)
    losses = [
        F.cross_entropy(part, aims[axis], ignore_index=IGNORED, reduction="sum") / len(part)
        for axis, part in zip(counts, parts, strict=True)
    ]
    return torch.stack(losses).sum()


def _rows(rng: np.random.Generator, n: int, cumulative: NDArray[np.float64], both: int) -> NDArray[np.int64]:
    """A batch of rows, a part of it from the second bank where there is one."""
    trained = len(cumulative)
    extra = round(HELD_OUT * n) if both > trained else 0
    return np.concatenate(
        [sample_rows(rng, cumulative, n - extra), rng.integers(trained, max(both, trained + 1), extra)]
    )


@torch.no_grad()
def through_autoencoder(vae: AutoencoderTiny, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the batch encoded, slightly perturbed and decoded, as generated pictures are; a little noise on all."""
    half = len(pixels) // 2
    latents = vae.encode(pixels[:half]).latents
    device = generator.device
    strength = 0.15 * torch.rand((half, 1, 1, 1), generator=generator, device=device)
    latents = latents + (strength * torch.randn(latents.shape, generator=generator, device=device)).to(latents)
    decoded = vae.decode(latents).sample.float().clamp(-1, 1)
    pixels = torch.cat([decoded, pixels[half:]])
    return pixels + 0.03 * torch.randn(pixels.shape, generator=generator, device=device)


if __name__ == "__main__":
    main()
