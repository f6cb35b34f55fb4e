"""Changes of the text that a denoiser gets: a linear map of every token, or something added to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equinoise.engine import Job
from equinoise.methods.base import NoFormError
from equinoise.methods.denoiser import Part, embeddings, rows_of, text_changed
from equinoise.models.base import Sampling, TextToImage
from equinoise.models.pipeline import require_pipeline

EVERY = ""
"""The drawn class of what is added to every image."""


@dataclass(frozen=True, eq=False)
class TextEdit:
    """e ← e·matrixᵀ + added[drawn class] for every token e of a part of the rows.

    Attributes:
        name: in words.
        part: which rows.
        matrix: (d, d); None leaves tokens as they are.
        added: drawn class, or `EVERY`, → (tokens, d).
    """

    name: str
    part: Part
    matrix: NDArray[np.float32] | None = None
    added: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @contextmanager
    def during(self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling) -> Iterator[Tensor]:
        """See `PipelineChange`."""
        with text_changed(model, lambda text: self.apply(text, [job.wanted for job in jobs])):
            yield noise

    def apply(self, text: Tensor, wanted: Sequence[str]) -> Tensor:
        """The text (rows, tokens, d) of images whose drawn classes these are, changed."""
        rows = rows_of(len(text), len(wanted), self.part)
        made = text[rows].float()
        if self.matrix is not None:
            made = made @ torch.from_numpy(self.matrix).to(made.device).T
        if self.added:
            more = [self.added[EVERY if EVERY in self.added else label] for label in wanted]
            made = made + torch.from_numpy(np.stack(more)).to(made.device).repeat(len(made) // len(more), 1, 1)
        changed = text.clone()
        changed[rows] = made.to(text.dtype)
        return changed


@dataclass(frozen=True, eq=False)
class Encoded:
    """Prompts as the denoiser gets them.

    Attributes:
        tokens: (n, tokens, d).
        ends: place of the end-of-text token of each.
    """

    tokens: NDArray[np.float64]
    ends: tuple[int, ...]

    @property
    def at_end(self) -> NDArray[np.float64]:
        """(n, d), the vectors of the end-of-text tokens."""
        return self.tokens[range(len(self.ends)), list(self.ends)]

    @property
    def last_word(self) -> NDArray[np.float64]:
        """(n, d), the vectors of the last tokens before the end."""
        return self.tokens[range(len(self.ends)), [end - 1 for end in self.ends]]


def encode(model: TextToImage, prompts: Sequence[str]) -> Encoded:
    """Prompts as the denoiser gets them, and where each ends, by the id of the end-of-text token.

    Raises:
        NoFormError: the model lays the tokens of several encoders side by side, or its tokenizer has no such token.
    """
    pipeline: Any = require_pipeline(model).pipeline
    tokens, end = embeddings(model, prompts).numpy().astype(np.float64), pipeline.tokenizer.eos_token_id
    ids = pipeline.tokenizer(list(prompts), padding="max_length", truncation=True, return_tensors="np").input_ids
    if ids.shape[1] != tokens.shape[1] or end is None:
        raise NoFormError(f"{type(pipeline).__name__}: its text is not that of one CLIP, for which this method is made")
    return Encoded(tokens, tuple(int(np.argmax(row == end)) for row in ids))


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1."""
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def class_differences(model: TextToImage, contrasts: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    """(m, d): for every two classes, in each group of prompts, the unit difference of their end-of-text vectors."""
    found = []
    for prompts in contrasts:
        ends = encode(model, list(prompts.values())).at_end
        found += [ends[i] - ends[j] for i in range(len(ends)) for j in range(i)]
    return unit_rows(np.array(found))
