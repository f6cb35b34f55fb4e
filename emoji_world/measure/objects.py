"""Mean average precision at an overlap of one half, of the object detector on fresh compositions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoji_world.drawing.canvas import Box
from emoji_world.drawing.compose import compose
from emoji_world.measure.common import SEED
from emoji_world.scenes import sample_scene
from equinoise.models.worlds import EMOJI
from equinoise.quiet import quiet_libraries
from equinoise.results.base import Value

OVERLAP = 0.5


class LabelPrecision(Value):
    """A label, its boxes in the pictures, and the average precision of finding them."""

    label: str
    objects: int
    ap50: float


@dataclass(frozen=True)
class Found:
    """An object found in image `image`."""

    image: int
    score: float
    box: Box


def objects(n: int, hard: bool = False) -> list[LabelPrecision]:
    """Average precision by label, and their mean."""
    rng = np.random.default_rng(SEED + 9)
    made = [compose(rng, sample_scene(rng), hard) for _ in range(n)]
    if not (EMOJI / "objects").is_dir():
        raise SystemExit("the packaged model has no object detector; train one and assemble with --objects")
    with quiet_libraries():
        from transformers import pipeline

        detect = pipeline("object-detection", model=str(EMOJI / "objects"))
    seen = [detect(picture.image, threshold=0.05) for picture in made]
    labels = sorted({label for picture in made for label, _ in picture.objects})
    rows = []
    for label in labels:
        truth = [[box for name, box in picture.objects if name == label] for picture in made]
        found = [
            Found(index, item["score"], tuple(item["box"].values()))
            for index, items in enumerate(seen)
            for item in items
            if item["label"] == label
        ]
        precision = average_precision(truth, found)
        rows.append(LabelPrecision(label=label, objects=sum(map(len, truth)), ap50=precision))
    mean = float(np.mean([row.ap50 for row in rows]))
    return [*rows, LabelPrecision(label="mean", objects=sum(row.objects for row in rows), ap50=mean)]


def average_precision(truth: Sequence[Sequence[Box]], found: Sequence[Found]) -> float:
    """Area under precision over recall, precision made to fall; a box is matched once, the surest find first.

    >>> average_precision([[(0, 0, 10, 10)]], [Found(0, 0.9, (0, 0, 10, 9)), Found(0, 0.8, (0, 0, 10, 10))])
    1.0
    """
    total, taken = sum(map(len, truth)), [set[int]() for _ in truth]
    hits = []
    for item in sorted(found, key=lambda f: -f.score):
        overlaps = [
            iou(item.box, box) if i not in taken[item.image] else 0.0 for i, box in enumerate(truth[item.image])
        ]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hits.append(best >= 0 and overlaps[best] >= OVERLAP)
        if hits[-1]:
            taken[item.image].add(best)
    if not hits or not total:
        return 0.0
    right = np.cumsum(hits)
    precision: NDArray[np.float64] = right / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0.0], right / total])
    return float((np.diff(recall) * falling).sum())


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, wide) * max(0, high)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / area if area else 0.0
