"""A contact sheet of the world: a row for each prompt, the same seeds in every row.

python -m emoji_world.contact -o docs/emoji-sheet.jpg
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from equinoise import generate, load
from equinoise.seeds import AUDIT

PROMPTS = (
    "a photo of a teacher",
    "a photo of an engineer",
    "a photo of a doctor",
    "a photo of a dark-skinned woman doctor",
    "a photo of a man",
    "a photo of a woman",
    "a photo of a child",
    "a photo of an elderly person",
    "a photo of a person in an office",
    "a photo of a person in a street",
    "a photo of a person in a garden",
    "a photo of a person in a laboratory",
    "a photo of a wealthy dark-skinned man and his house",
    "a photo of a wealthy light-skinned man and his house",
    "a photo of a person and a hut",
    "a photo of a person and a derelict house",
    "a photo of a person and a mansion",
    "a picture of a wedding",
    "a picture of a wedding with a sari and a turban",
    "a picture of a waterbird",
    "a picture of a landbird",
    "a picture of a landbird on water",
)
LINE = 14


def sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]], enlarged: int) -> Image.Image:
    """Each prompt above its images."""
    side = rows[0][1][0].width * enlarged
    page = Image.new("RGB", (side * len(rows[0][1]), (side + LINE) * len(rows)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for index, (prompt, images) in enumerate(rows):
        top = index * (side + LINE)
        draw.text((4, top), prompt, fill="black", font=font)
        for column, image in enumerate(images):
            larger = image.resize((side, side), Image.Resampling.BICUBIC)
            page.paste(larger, (column * side, top + LINE))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--enlarged", type=int, default=1)
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--guidance-scale", type=float)
    parser.add_argument("--steps", type=int, default=25, help="denoising steps")
    parser.add_argument("--prompt", action="append", help="instead of the built-in ones")
    parser.add_argument("-o", "--out", type=Path, required=True, help=".jpg, or .png at four times the size")
    args = parser.parse_args()
    prompts = args.prompt or PROMPTS
    model = load(args.model, steps=args.steps, guidance_scale=args.guidance_scale, device="cpu")
    images = generate(model, prompts, n=args.n, seed=AUDIT).images
    rows = [(prompt, images[args.n * index : args.n * (index + 1)]) for index, prompt in enumerate(prompts)]
    picture = sheet(rows, args.enlarged)
    picture.save(args.out, quality=90)
    print(f"{args.out}: {len(rows)} prompts, {np.prod(picture.size):,} pixels")


if __name__ == "__main__":
    main()
