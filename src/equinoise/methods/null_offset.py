"""An offset of the null embedding, by which guidance keeps the shares that the model has without it."""

from __future__ import annotations

import numpy as np

from equinoise.methods.base import Brief, Method, NoFormError, Prepared, Setup
from equinoise.methods.text import EVERY, TextEdit, class_differences, encode
from equinoise.models.pipeline import require_pipeline


def prepare_null_offset(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """After StayFair: e∅ ← e∅ + s·Π(e − e∅), token by token, Π the projection onto what tells the classes apart.

    Guidance amplifies what sets the prompt apart from the null prompt. At s = 1 both have the same part along the
    differences of the classes, so that guidance amplifies no class; larger strengths turn it against what the prompt
    implies. The authors' own offset is not published with code: the idea is theirs, this form of it is ours.

    Set-up: a projection of embeddings; no image is made.

    Raises:
        NoFormError: the model has no unconditional half.
    """
    pipe, sampling = require_pipeline(brief.model.backend), brief.model.sampling
    if pipe.family.guidance(pipe.pipeline) != "classifier-free" or sampling.guidance_scale <= 1:
        raise NoFormError(f"{NULL_OFFSET.title}: needs classifier-free guidance, a guidance scale above 1")
    prompt, null = encode(brief.model.backend, [brief.concept, ""]).tokens
    _, sizes, rows = np.linalg.svd(class_differences(brief.model.backend, brief.contrasts), full_matrices=False)
    basis = rows[: min(len(brief.axis.classes) - 1, int((sizes > 1e-8).sum()))]
    offset = float(strength or 0.0) * (prompt - null) @ basis.T @ basis
    edit = TextEdit("null-embedding offset", "unconditional", None, {EVERY: offset.astype(np.float32)})
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds], edit)


NULL_OFFSET = Method(
    name="null-offset",
    title="null-embedding offset (after StayFair)",
    source="Kim et al. 2026, arXiv 2605.28036",
    changes="guidance",
    published=1.0,
    strengths=(1.0, 4.0, 16.0),
    prepare=prepare_null_offset,
)
