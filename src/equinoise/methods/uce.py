"""UCE: the text's way into cross-attention is edited in closed form until the classes come in the target's shares."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from equinoise.methods.base import Brief, Method, Prepared, Setup
from equinoise.methods.text import TextEdit, encode

PRESERVED = 0.5
"""λ of the closed form."""
IMAGES, MOST = 10, 30
"""Images by which the shares are seen in each of at most so many rounds, as in the authors' code."""
CLOSE = 0.05
WORDS = {"woman": "female", "man": "male"}
"""Class → the authors' word; other classes go by their own names."""


def prepare_uce(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """W′ = (λW + v*cᵀ)(λI + ccᵀ)⁻¹ for the keys and values of every cross-attention, with λ = 0.5.

    c is the embedding of the concept's last word, and v* = W·c*, where each round adds (wanted − seen)·c_class for
    every class to c*: so its authors' code does it, which ends once the seen shares are the wanted ones. As v* is a
    multiple of W, W′x = W·A·x with A = (λI + c*cᵀ)(λI + ccᵀ)⁻¹ for every layer: A is applied to the text, which leaves
    the weights as they are. The strength is the step: how much of (wanted − seen) is added.

    Set-up: rounds of images until the shares that are seen are the wanted ones.
    """
    labels = brief.axis.classes
    concept = encode(brief.model.backend, [brief.concept]).last_word[0]
    named = encode(brief.model.backend, [WORDS.get(label, label) for label in labels]).last_word
    wanted = np.array([brief.target[label] for label in labels])
    moved, edit = concept, _edit(concept, concept)
    for turn in range(MOST):
        seen = _seen(brief, setup, edit, turn)
        if np.abs(wanted - seen).max() < CLOSE:
            break
        moved = moved + float(strength or 0.0) * (wanted - seen) @ named
        edit = _edit(concept, moved)
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds], edit, shown={"rounds": turn + 1})


UNIFIED_CONCEPT_EDITING = Method(
    name="uce",
    title="UCE",
    source="Gandikota et al. 2024, arXiv 2308.14761",
    changes="attention",
    published=1.0,
    strengths=(0.1, 0.3, 1.0),
    prepare=prepare_uce,
)


def _edit(concept: NDArray[np.float64], moved: NDArray[np.float64]) -> TextEdit:
    return TextEdit("edited cross-attention", "all", edited_text(concept, moved).astype(np.float32))


def edited_text(concept: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """A = (λI + c*cᵀ)(λI + ccᵀ)⁻¹ for c and c*, both (d,); the identity where they are equal."""
    return np.eye(len(concept)) + np.outer(moved - concept, concept) / (PRESERVED + concept @ concept)


def _seen(brief: Brief, setup: Setup, edit: TextEdit, turn: int) -> NDArray[np.float64]:
    jobs = [brief.job(seed) for seed in brief.pilots(IMAGES, turn * IMAGES)]
    counts = Counter(record.labels[brief.axis.name] for record in setup.make(f"round {turn + 1}", jobs, edit))
    found = np.array([counts[label] for label in brief.axis.classes], np.float64)
    return np.asarray(found / max(found.sum(), 1), np.float64)
