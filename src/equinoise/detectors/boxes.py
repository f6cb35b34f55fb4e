"""Detection by the pipelines of transformers: of given phrases (OWLv2, Grounding DINO), or of a model's own labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from equinoise.detectors.objects import Found, from_pipeline


class PhraseDetector:
    """A `zero-shot-object-detection` pipeline with the phrases that it looks for.

    Grounding DINO gets phrases in lower case with a full stop at the end, as in its training.
    """

    def __init__(self, pipeline: Any, phrases: Sequence[str], threshold: float) -> None:
        self.pipeline = pipeline
        self.labels = tuple(phrases)
        self.threshold = threshold
        stops = pipeline.model.config.model_type == "grounding-dino"
        self._queries = {f"{phrase.lower().rstrip('.')}." if stops else phrase: phrase for phrase in phrases}

    def objects(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """The objects in each image that fit one of the phrases, the highest score first."""
        rgb = [image.convert("RGB") for image in images]
        asked = [{"image": image, "candidate_labels": list(self._queries)} for image in rgb]
        found = self.pipeline(asked, threshold=self.threshold)
        named = [[{**entry, "label": self._queries[entry["label"]]} for entry in entries] for entries in found]
        return [from_pipeline(entries, image.size) for entries, image in zip(named, rgb, strict=True)]


class LabelDetector:
    """An `object-detection` pipeline with labels of its own: DETR, YOLOS, the emoji model's detector."""

    def __init__(self, pipeline: Any, threshold: float) -> None:
        self.pipeline = pipeline
        self.labels = tuple(str(label) for label in pipeline.model.config.id2label.values())
        self.threshold = threshold

    def objects(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """The objects in each image, the highest score first."""
        rgb = [image.convert("RGB") for image in images]
        found = self.pipeline(rgb, threshold=self.threshold)
        return [from_pipeline(entries, image.size) for entries, image in zip(found, rgb, strict=True)]
