"""Objects in images: phrase, score and box. One interface for grounded captioners and object detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Found:
    """An object in an image; the score is None from a captioner, which gives none."""

    phrase: str
    score: float | None
    box: Box

    def to_json(self) -> dict[str, Any]:
        """As the record of an image keeps it: boxes to two digits of a pixel, scores to four."""
        score = None if self.score is None else round(self.score, 4)
        return {**asdict(self), "score": score, "box": [round(float(value), 2) for value in self.box]}


class ObjectDetector(Protocol):
    """Finds objects in images."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """All phrases that can be found; None for a captioner. The absence of any other phrase means nothing."""

    def objects(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """The objects in each image."""


def clipped(box: Sequence[float], size: tuple[int, int]) -> Box | None:
    """The part of a box inside an image of that (width, height); None for an inverted or empty one."""
    left, top, right, bottom = (float(value) for value in box)
    inside = max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom)
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


def from_pipeline(entries: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> list[Found]:
    """The output of a detection pipeline of transformers for an image of `size`, the highest score first."""
    found = [
        Found(str(entry["label"]), float(entry["score"]), box)
        for entry in entries
        for box in [clipped([entry["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")], size)]
        if box
    ]
    return sorted(found, key=lambda item: -(item.score or 0.0))
