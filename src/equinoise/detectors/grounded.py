"""Grounded captioning: Kosmos-2 names the objects in an image and their places (Peng et al. 2023, arXiv 2306.14824)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from equinoise.detectors.objects import Found, clipped

PROMPT = "<grounding>An image of"
"""The authors' prompt for a short caption with boxes."""
LONGEST = 64
"""Most new tokens: enough for a caption with five or six objects."""


class GroundedCaptioner:
    """A `Kosmos2ForConditionalGeneration` of transformers and its processor; decoding is greedy, so not random."""

    labels = None

    def __init__(self, model: Any, processor: Any, prompt: str = PROMPT, longest: int = LONGEST) -> None:
        self.model = model.eval()
        self.processor = processor
        self.prompt = prompt
        self.longest = longest

    @torch.inference_mode()
    def objects(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """The objects in each image's caption, in the order of the caption."""
        rgb = [image.convert("RGB") for image in images]
        inputs = self.processor(text=[self.prompt] * len(rgb), images=rgb, return_tensors="pt").to(self.model.device)
        tokens = self.model.generate(
            pixel_values=inputs["pixel_values"],
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            image_embeds=None,
            image_embeds_position_mask=inputs["image_embeds_position_mask"],
            max_new_tokens=self.longest,
            do_sample=False,
        )
        texts = self.processor.batch_decode(tokens, skip_special_tokens=True)
        return [read_caption(self.processor, text, image.size) for text, image in zip(texts, rgb, strict=True)]


def read_caption(processor: Any, text: str, size: tuple[int, int]) -> list[Found]:
    """The objects in a caption of Kosmos-2, with boxes in pixels of an image of `size` (width, height).

    Inverted boxes are left out, and so are objects without a phrase, which transformers calls `<patch_index_…>`. An
    object with two boxes in the caption comes twice.
    """
    _, entities = processor.post_process_generation(text)
    width, height = size
    found = []
    for phrase, _, boxes in entities:
        named = " ".join(phrase.split())
        if not named or "<" in named:
            continue
        for left, top, right, bottom in boxes:
            box = clipped((left * width, top * height, right * width, bottom * height), size)
            if box:
                found.append(Found(named, None, box))
    return found
