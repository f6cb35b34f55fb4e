"""The text encoders of a diffusers pipeline: the vectors that the model itself makes of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equinoise.encoders.base import token_mean, unit
from equinoise.encoders.truncation import TextLimit, own_limit, text_encoders
from equinoise.errors import EquinoiseError

POOLINGS = ("pooled", "tokens", "authors")
BATCH = 32
LONGEST = 512
"""Tokens after which a text is cut if the tokenizer has no limit."""


class TextEncoder:
    """One text encoder of a pipeline with its tokenizer.

    Three ways (poolings) to one vector for each text:

    - `pooled`: the projected vector where the model has one, else its pooled state, else as `tokens`.
    - `tokens`: the mean of the last states over the tokens, without padding.
    - `authors`: as in the scripts of Lopez Olmos et al. (2024), for comparison. They take the cosine over the *tokens*
      of each of the d features, padding included, and average the d numbers. With the columns of the (tokens, d) states
      scaled to length 1/√d, laid side by side, that is a dot product again. A short text is padding for the most part.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        pooling: str = "pooled",
        offloaded_to: Callable[[], torch.device] | None = None,
    ) -> None:
        """`name` of the component, such as `text_encoder_2`; `offloaded_to` gives the device of an offloaded encoder.

        Raises:
            EquinoiseError: no such pooling.
        """
        if pooling not in POOLINGS:
            raise EquinoiseError(f"no pooling '{pooling}'; use one of {', '.join(POOLINGS)}")
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.pooling = pooling
        self._offloaded_to = offloaded_to

    @classmethod
    def of(cls, pipeline: Any, pooling: str = "pooled") -> tuple[TextEncoder, ...]:
        """Every text encoder of the pipeline, in order. The pipeline is not changed, whether offloaded or not.

        Raises:
            EquinoiseError: the pipeline has no text encoder with a tokenizer.
        """
        place = partial(getattr, pipeline, "_execution_device")  # takes milliseconds: asked where it is needed
        found = tuple(cls(name, model, tokens, pooling, place) for name, model, tokens in text_encoders(pipeline))
        if not found:
            kind = type(pipeline).__name__
            raise EquinoiseError(f"{kind} holds no text encoder with a tokenizer of its own; give another encoder")
        return found

    @property
    def limit(self) -> TextLimit:
        """How much of a text is read."""
        return own_limit(self.name, self.tokenizer, LONGEST)

    @torch.no_grad()  # tensors made in inference mode would stay in the user's offloaded pipeline
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors; (n, tokens · d) for `authors`."""
        return np.concatenate([self._batch(list(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)])

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        authors = self.pooling == "authors"
        tokens = self.tokenizer(
            texts,
            padding="max_length" if authors else True,
            max_length=self.limit.tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self._device)
        if authors:
            return unit(_columns(self.model(tokens.input_ids).last_hidden_state.float()))
        found = self.model(tokens.input_ids, attention_mask=tokens.attention_mask)
        return unit(self._pooled(found, tokens.attention_mask))

    @property
    def _device(self) -> torch.device:
        place: torch.device = self.model.device
        return self._offloaded_to() if place.type == "meta" and self._offloaded_to else place

    def _pooled(self, found: Any, mask: Tensor) -> Tensor:
        for field in ("text_embeds", "pooler_output") if self.pooling == "pooled" else ():
            vectors: Tensor | None = getattr(found, field, None)
            if vectors is not None:
                return vectors
        return token_mean(found.last_hidden_state.float(), mask)


def _columns(states: Tensor) -> Tensor:
    """(n, tokens · d): the states (n, tokens, d) with each feature's column over the tokens scaled to length 1."""
    return torch.nn.functional.normalize(states, dim=1).flatten(1)
