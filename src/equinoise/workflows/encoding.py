"""The encoders that a relation is measured in: the model's own, the detector's, and others by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from equinoise.detectors import DetectorSpec
from equinoise.detectors.declaring import CLASSIFIER, declare
from equinoise.detectors.loading import detector_folder
from equinoise.detectors.skin_colour import NAME as SKIN_COLOUR
from equinoise.encoders import Encoder, TextEncoder, load_dual, load_encoder
from equinoise.errors import EquinoiseError
from equinoise.models.loading import MIXTURE
from equinoise.models.mixture import MixtureEncoder
from equinoise.models.pipeline import require_pipeline
from equinoise.understanding.relations import Reads, Sees
from equinoise.understanding.wordings import REFERENCE
from equinoise.workflows.settings import Session

MIXTURE_REFERENCE = (
    "a person", "a doctor", "a teacher", "an engineer", "a farmer", "a building", "a woman", "a man", "light skin",
    "medium skin", "dark skin", "a hut", "a derelict house", "a house", "a mansion",
)  # fmt: skip
"""The mixture knows no other words."""


@dataclass(frozen=True)
class Encoders:
    """By name, in order; the first of each kind is the one that counts."""

    text: dict[str, Reads]
    vision: dict[str, Sees]


def encoders_of(session: Session, names: Sequence[str], poolings: Sequence[str], images: bool) -> Encoders:
    """The model's own text encoders in each pooling, its detector's image encoder if `images`, and those named.

    Raises:
        EquinoiseError: one cannot be loaded, or images are to be encoded and nothing here encodes them.
    """
    more = {name: open_encoder(name, session.spec.device) for name in names}
    seeing = {name: cast(Sees, found) for name, found in more.items() if hasattr(found, "images")}
    vision = {**_own_vision(session.detector), **seeing} if images else {}
    if images and not vision:
        raise EquinoiseError(
            f"detector '{session.detector.name}' has no image encoder; add one with --encoder, such as a CLIP, or -n 0"
        )
    return Encoders({**_own_texts(session, poolings), **more}, vision)


def _own_texts(session: Session, poolings: Sequence[str]) -> dict[str, Reads]:
    """By their name in the pipeline, and by how a text becomes one vector where that is not as usual."""
    if session.spec.name == MIXTURE:
        return {MIXTURE: MixtureEncoder()}
    pipeline = require_pipeline(session.model).pipeline
    return {
        encoder.name if pooling == "pooled" else f"{encoder.name} ({pooling})": encoder
        for pooling in poolings
        for encoder in TextEncoder.of(pipeline, pooling)
    }


def _own_vision(detector: DetectorSpec) -> dict[str, Sees]:
    """The image encoder of a detector that is a CLIP or a SigLIP."""
    declared = declare(detector.name)
    if declared.model == MIXTURE:
        return {MIXTURE: MixtureEncoder()}
    if declared.kind == CLASSIFIER or declared.model == SKIN_COLOUR:
        return {}
    return {detector.name: load_dual(detector_folder(detector.name), detector.device)}


def open_encoder(name: str, device: str) -> Encoder:
    """An encoder by name; `emoji` is the one of the emoji world."""
    return load_encoder(detector_folder(name), device)


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
