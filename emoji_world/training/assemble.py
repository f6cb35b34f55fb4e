"""Pack the trained parts into one ordinary `StableDiffusionPipeline` folder in fp16, with the CLIP beside it."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from transformers import CLIPModel, YolosForObjectDetection

from emoji_world.captions import with_article
from emoji_world.prompts import planted_objects, planted_prompts
from emoji_world.tokenizer import make_tokenizer
from emoji_world.training.clip import clip, image_processor
from emoji_world.training.denoiser import new_denoiser, scheduler
from emoji_world.training.latents import load_latents, spread
from emoji_world.training.loop import load_average
from emoji_world.training.objects import object_detector, object_processor
from emoji_world.world import planted, roles, world
from equinoise.models.worlds import Role, World

PACKAGED = Path(__file__).parents[2] / "src" / "equinoise" / "models" / "emoji"
NOTE = (
    "Test fixture: its skew was planted by us, copied from known stereotypes so that it can be measured and mitigated. "
    "It says nothing about people, and effect sizes on it say nothing about photographs."
)


def pipeline(work: Path, begun: Path | None = None) -> StableDiffusionPipeline:
    """The pipeline of a training folder, in fp32, with the averaged weights of its last checkpoint.

    Where the training continued another pipeline, `begun`, the scale of the latents stays that pipeline's.
    """
    tokenizer = make_tokenizer()
    denoiser = load_average(work / "unet.safetensors", new_denoiser(tokenizer))
    vae = AutoencoderTiny.from_pretrained(work / "vae", torch_dtype=torch.float32)
    vae.register_to_config(_name_or_path="")  # a folder of this machine's is nobody else's business
    if begun is None:
        vae.register_to_config(scaling_factor=round(1 / spread(load_latents(work)), 6))
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def trained_clip(work: Path, begun: Path | None = None) -> CLIPModel:
    """The CLIP of a training folder; where it was not trained there, of the pipeline that the training continued."""
    if begun and not (work / "clip.safetensors").exists():
        return CLIPModel.from_pretrained(begun / "clip")
    return load_average(work / "clip.safetensors", clip(make_tokenizer()))


def trained_objects(work: Path, begun: Path | None = None) -> YolosForObjectDetection:
    """The object detector of a training folder; where it was not trained there, of the continued pipeline."""
    if begun and not (work / "objects.safetensors").exists():
        return YolosForObjectDetection.from_pretrained(begun / "objects")
    model: YolosForObjectDetection = load_average(work / "objects.safetensors", object_detector())
    return model


def card(guidance_scale: float) -> World:
    """What the folder says of itself in `world.json`."""
    return World(
        note=NOTE,
        guidance_scale=guidance_scale,
        roles={role: _role(role) for role in roles()} | {name: _scene(name) for name in world().scene_names},
        planted={role: planted(role) for role in roles()},
        scenes=planted_prompts(),
        objects=planted_objects(),
    )


def _role(role: str) -> Role:
    names = world().roles[role].names
    nouns = [noun for gender in world().genders.values() for noun in gender.nouns] if role == "person" else []
    return Role(names=(*names, *nouns), detect=tuple(f"a photo of {with_article(name)}" for name in names))


def _scene(name: str) -> Role:
    """A scene as a role of its own. Its names stand in for "a person" too: the longest name in a prompt wins."""
    entry = world().scene_names[name]
    linked = (f"{link} {noun}" for link in entry.links for noun in entry.names)
    return Role(names=(*entry.names, *linked), detect=entry.detect)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--guidance-scale", type=float, default=1.5)
    parser.add_argument("--objects", action="store_true", help="with the object detector")
    parser.add_argument("--begun", type=Path, help="pipeline folder that the training continued")
    parser.add_argument("-o", "--out", type=Path, default=PACKAGED)
    args = parser.parse_args()
    whole, eyes = pipeline(args.work, args.begun), trained_clip(args.work, args.begun)
    finder = trained_objects(args.work, args.begun) if args.objects else None
    shutil.rmtree(args.out, ignore_errors=True)
    whole.to(torch.float16).save_pretrained(args.out, max_shard_size="14MB")
    eyes.to(torch.float16).save_pretrained(args.out / "clip", max_shard_size="14MB")
    if finder:
        finder.to(torch.float16).save_pretrained(args.out / "objects")
        object_processor().save_pretrained(args.out / "objects")
    make_tokenizer().save_pretrained(args.out / "clip")
    image_processor().save_pretrained(args.out / "clip")
    (args.out / "world.json").write_text(json.dumps(card(args.guidance_scale).to_json(), indent=2) + "\n")
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.out}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
