"""Weak guidance: the drawn class is added to the part of the text that means least."""

from __future__ import annotations

import numpy as np

from equinoise.methods.base import Brief, Method, Prepared, Setup
from equinoise.methods.text import TextEdit, encode


def prepare_weak_guidance(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """The attribute's direction, scaled by the strength, is added to the tokens from the end of the text on.

    Those are the padding, which says least of the concept. The direction is the mean difference of the end-of-text
    vectors of prompts that name the drawn class and of those that name any. The paper gives no code; this is its
    description.

    Set-up: differences of embeddings; no image is made.
    """
    model, labels = brief.model.backend, brief.axis.classes
    ends = np.array([encode(model, [prompts[label] for label in labels]).at_end for prompts in brief.contrasts])
    towards = (ends - ends.mean(axis=1, keepdims=True)).mean(axis=0)
    concept = encode(model, [brief.concept])
    padding = np.arange(concept.tokens.shape[1]) >= concept.ends[0]
    added = {
        label: (float(strength or 0.0) * np.outer(padding, vector)).astype(np.float32)
        for label, vector in zip(labels, towards, strict=True)
    }
    return Prepared(
        lambda seeds: [brief.job(seed) for seed in seeds], TextEdit(WEAK_GUIDANCE.title, "conditional", None, added)
    )


WEAK_GUIDANCE = Method(
    name="weak-guidance",
    title="weak guidance",
    source="Kim et al. 2024, arXiv 2408.12692",
    changes="text",
    published=1.0,
    strengths=(1.0, 4.0, 16.0),
    prepare=prepare_weak_guidance,
)
