"""Objects in images: phrase, score and box. One interface over captioners that point and detectors that are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Found:
    """An object in an image; no score from a captioner, which only names what it sees."""

    phrase: str
    score: float | None
    box: Box

    def to_json(self) -> dict[str, Any]:
        """For the record of an image: numbers to two digits of a pixel, four of a score."""
        score = None if self.score is None else round(self.score, 4)
        return {**asdict(self), "score": score, "box": [round(float(value), 2) for value in self.box]}


class ObjectDetector(Protocol):
    """Finds objects in images."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """All that it can find; None where it says whatever it sees. What is not in it is never "not there"."""

    def objects(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """What is in each image."""


def clipped(box: Sequence[float], size: tuple[int, int]) -> Box | None:
    """The part of a box inside an image of that (width, height); None for an inverted or empty one."""
    left, top, right, bottom = (float(value) for value in box)
    inside = max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom)
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


def from_pipeline(entries: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> list[Found]:
    """What a detection pipeline of transformers gave for an image, the surest first."""
    found = [
        Found(str(entry["label"]), float(entry["score"]), box)
        for entry in entries
        for box in [clipped([entry["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")], size)]
        if box
    ]
    return sorted(found, key=lambda item: -(item.score or 0.0))
