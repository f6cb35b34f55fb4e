"""The encoders that a relation is measured in: the model's own, the detector's, and others by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equinoise.detectors.loading import detector_folder
from equinoise.encoders import ClipEncoder
from equinoise.errors import EquinoiseError
from equinoise.models.loading import MIXTURE
from equinoise.models.mixture import MixtureEncoder
from equinoise.session import Session
from equinoise.understanding.relations import Reads, Sees
from equinoise.understanding.wordings import REFERENCE

MIXTURE_REFERENCE = (
    "a person", "a doctor", "a teacher", "an engineer", "a farmer", "a building", "a woman", "a man", "light skin",
    "medium skin", "dark skin", "a hut", "a derelict house", "a house", "a mansion",
)  # fmt: skip
"""The mixture knows no other words."""


class PooledTexts:
    """A text encoder of a pipeline: its projected vectors where it has them, else pooled, else the mean over tokens."""

    def __init__(self, encoder: Any, tokenizer: Any) -> None:
        self.encoder = encoder
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        longest = min(int(self.tokenizer.model_max_length), 512)
        tokens = self.tokenizer(list(texts), padding=True, max_length=longest, truncation=True, return_tensors="pt")
        ids, mask = (tokens[key].to(self.encoder.device) for key in ("input_ids", "attention_mask"))
        found = self.encoder(input_ids=ids, attention_mask=mask)
        vectors = next((found[key] for key in ("text_embeds", "pooler_output") if found.get(key) is not None), None)
        if vectors is None:
            weights = mask[..., None].to(found.last_hidden_state.dtype)
            vectors = (found.last_hidden_state * weights).sum(dim=1) / weights.sum(dim=1)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
        return unit


def text_encoders(session: Session, names: Sequence[str] = ()) -> dict[str, Reads]:
    """The model's own text encoders, by their name in the pipeline, and those named."""
    if session.spec.name == MIXTURE:
        return {MIXTURE: MixtureEncoder(), **{name: open_encoder(name, session.spec.device) for name in names}}
    parts = session.model.pipeline.components  # type: ignore[attr-defined]
    own: dict[str, Reads] = {
        name: PooledTexts(part, parts[name.replace("text_encoder", "tokenizer")])
        for name, part in parts.items()
        if re.fullmatch(r"text_encoder(_\d+)?", name) and part is not None
    }
    return {**own, **{name: open_encoder(name, session.spec.device) for name in names}}


def vision_encoders(session: Session, names: Sequence[str] = ()) -> dict[str, Sees]:
    """The vision encoder of the session's detector, and those named that see."""
    if session.spec.name == MIXTURE:
        return {MIXTURE: MixtureEncoder()}
    own: Sees = ClipEncoder.from_pretrained(detector_folder(session.detector.name), session.spec.device)
    more = {name: open_encoder(name, session.spec.device) for name in names}
    return {session.detector.name: own, **{name: found for name, found in more.items() if hasattr(found, "images")}}


def open_encoder(name: str, device: str) -> Any:
    """An encoder by name."""
    return ClipEncoder.from_pretrained(detector_folder(name), device)


def reference_for(model: str, given: Sequence[str] | None) -> Sequence[str]:
    """The reference vocabulary: as given, else ours; the mixture has its own.

    Raises:
        EquinoiseError: a vocabulary for the mixture, which knows only its own words.
    """
    if model == MIXTURE:
        if given:
            raise EquinoiseError("the mixture knows only its own words; leave out --reference")
        return MIXTURE_REFERENCE
    return given or REFERENCE
