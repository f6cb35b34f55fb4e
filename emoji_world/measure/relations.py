"""Whether the encoders' cosines follow the captions: concept and attribute against the planted shares.

For two classes: the difference of the concept's cosines with both, over all roles, against the planted share. For
houses: every concept's cosine with each kind of house, less the mean over the concepts, against the planted share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from emoji_world.captions import with_article
from emoji_world.prompts import PROMPTS, called, planted_share
from emoji_world.world import classes, planted, roles, world
from equinoise.detectors.loading import detector_folder
from equinoise.encoders import ClipEncoder
from equinoise.models import load_model
from equinoise.models.pipeline import require_pipeline
from equinoise.results.base import Value
from equinoise.statistics import spearman

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class RelationCorrelation(Value):
    """Spearman's correlation of cosines and planted shares in an encoder, over so many pairs."""

    encoder: str
    relation: str
    pairs: int
    spearman: float | None


def relations() -> list[RelationCorrelation]:
    """Spearman's correlation of cosine and planted share, for each encoder."""
    encoders: dict[str, Encode] = {
        "CLIP's text encoder": ClipEncoder.from_pretrained(detector_folder("emoji")).texts,
        "the pipeline's text encoder": _pipeline_texts,
    }
    measured = {
        "role: woman − man": _gender, "role: darkest − lightest tone": _tone, "people and kinds of house": _houses,
    }  # fmt: skip
    found = []
    for name, encode in encoders.items():
        for relation, measure in measured.items():
            cosines, shares = measure(encode)
            correlation = spearman(cosines, shares)
            found.append(RelationCorrelation(encoder=name, relation=relation, pairs=len(cosines), spearman=correlation))
    return found


def _gender(encode: Encode) -> tuple[list[float], list[float]]:
    people = [role for role in roles() if role != "person"]
    concepts = encode([f"a photo of {with_article(called(role))}" for role in people])
    woman, man = encode(["a photo of a woman", "a photo of a man"])
    return (concepts @ (woman - man)).tolist(), [planted(role)["gender"]["woman"] for role in people]


def _tone(encode: Encode) -> tuple[list[float], list[float]]:
    people = [role for role in roles() if role != "person"]
    concepts = encode([f"a photo of {with_article(called(role))}" for role in people])
    light, dark = encode(["a photo of a light-skinned person", "a photo of a dark-skinned person"])
    return (concepts @ (dark - light)).tolist(), [planted(role)["tone"]["dark"] for role in people]


def _houses(encode: Encode) -> tuple[list[float], list[float]]:
    homes = [prompt for prompt in PROMPTS if prompt.kind == "home"]
    concepts = encode([prompt.text for prompt in homes])
    attributes = encode([f"a photo of {with_article(world().words.house[name][0])}" for name in classes("house")])
    cosines = concepts @ attributes.T
    cosines = cosines - cosines.mean(axis=0)
    shares = np.array([list(planted_share(prompt, "house").values()) for prompt in homes])
    return cosines.ravel().tolist(), (shares - shares.mean(axis=0)).ravel().tolist()


def _pipeline_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """(n, d) unit vectors: the mean over the tokens before the padding."""
    pipeline = require_pipeline(load_model("emoji")).pipeline
    tokens = pipeline.tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        states = pipeline.text_encoder(tokens.input_ids).last_hidden_state
    # the mask of the tokenizer counts the end of the text, and no padding after it
    mask = tokens.attention_mask[..., None]
    means = (states * mask).sum(1) / mask.sum(1)
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=-1).numpy()
    return vectors
