"""Sentence encoders: the mean over the tokens of a text model, scaled to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equinoise.encoders.base import SAFE, loading, token_mean, unit
from equinoise.encoders.truncation import TextLimit, own_limit
from equinoise.files import read_json

BATCH = 64


class SentenceEncoder:
    """A text model of transformers, pooled as its sentence-transformers files say (Reimers and Gurevych 2019).

    That is the mean over the tokens without padding, or the first token; without such files the mean. The vectors are
    scaled to length 1.
    """

    def __init__(self, model: Any, tokenizer: Any, longest: int | None = None, first_token: bool = False) -> None:
        """`longest`: tokens after which a text is cut; the tokenizer's own limit where it is None."""
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.longest = longest
        self.first_token = first_token

    @classmethod
    def from_pretrained(cls, name: str, device: str = "cpu") -> SentenceEncoder:
        """Load from a folder or a hub name; safetensors only.

        Raises:
            EquinoiseError: no such model, a model that generates text, or another pooling.
        """
        with loading("encoder", name):
            from transformers import AutoModel, AutoTokenizer

            first_token = _pooling(name)
            longest = (_extra(name, "sentence_bert_config.json") or {}).get("max_seq_length")
            model = AutoModel.from_pretrained(name, **SAFE).to(device)
            if model.config.is_encoder_decoder or not hasattr(model, "get_input_embeddings"):
                raise ValueError(f"{type(model).__name__} does not give one vector a token of a text")
            return cls(model, AutoTokenizer.from_pretrained(name, trust_remote_code=False), longest, first_token)

    @property
    def limit(self) -> TextLimit:
        """How much of a text is read."""
        return own_limit("the sentence encoder", self.tokenizer, self.longest)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        return np.concatenate([self._batch(list(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)])

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        states = self.model(**tokens).last_hidden_state
        return unit(states[:, 0] if self.first_token else token_mean(states, tokens["attention_mask"]))


def _pooling(name: str) -> bool:
    """Whether the vector of a text is that of its first token; otherwise it is the mean."""
    modules = [str(entry["type"]).rsplit(".", 1)[-1] for entry in _extra(name, "modules.json") or []]
    strange = set(modules) - {"Transformer", "Pooling", "Normalize"}
    if strange:
        raise ValueError(f"its vectors go through {', '.join(sorted(strange))}, which is not known here")
    pooling = _extra(name, "1_Pooling/config.json") or {}
    modes = {mode for mode, used in pooling.items() if mode.startswith("pooling_mode_") and used is True}
    if not modes <= {"pooling_mode_mean_tokens"} and modes != {"pooling_mode_cls_token"}:
        raise ValueError(f"its pooling is {', '.join(sorted(modes))}; only the mean or the first token is known here")
    return modes == {"pooling_mode_cls_token"}


def _extra(name: str, file: str) -> Any:
    """The content of a file of sentence-transformers beside the model; None where there is no such file."""
    from transformers.utils import cached_file

    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    return read_json(Path(path)) if path else None
