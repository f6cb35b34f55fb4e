"""The detector's error on fresh compositions: none of these pictures was in its training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from emoji_world.drawing.compose import compose
from emoji_world.labels import default
from emoji_world.measure.common import SEED, Counted, axes, tone_order
from emoji_world.scenes import Scene, sample_scene
from emoji_world.world import Person, all_people, is_held_out, world
from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec, load_detector, read_label
from equinoise.results.base import Value
from equinoise.statistics import wilson


class ReadSet(Value):
    """The set of pictures, the axis, and the share of pictures whose class was detected wrongly."""

    set: str
    axis: str
    error: float


class DetectorError(Counted, ReadSet):
    """The detector's errors on an axis: Spearman's correlation (tone alone) and the commonest confusions in words."""

    unclear: int
    spearman: float | None
    confusions: str


def detector(n: int) -> list[DetectorError]:
    """Share of compositions whose class is detected wrongly, by axis.

    Fresh scenes, the same in jittered colours, and people of the cells that the denoiser is not trained on.
    """
    rng = np.random.default_rng(SEED)
    held = [person for person in all_people() if is_held_out(person)]
    fresh = [sample_scene(rng) for _ in range(n)]
    sets = {
        "fresh": (fresh, False),
        "kept from the denoiser": ([scene_of(held[i % len(held)]) for i in range(n)], False),
        "colours jittered by 25%": (fresh, True),
    }
    rows = []
    for name, (scenes, hard) in sets.items():
        images = [compose(rng, scene, hard).image for scene in scenes]
        rows += [row for axis in axes().values() for row in _errors(name, axis, scenes, images)]
    return rows


def scene_of(person: Person) -> Scene:
    """The person alone, everything named."""
    shows = {"role": person.role, "gender": person.gender, "tone": person.tone}
    return Scene("person", person.style, shows, frozenset(shows))


def shown(scene: Scene, axis: str) -> str | None:
    """The class of an axis that a scene shows; for roles the scene itself, where it is no person."""
    if axis == "role":
        for name, entry in world().scene_names.items():
            if scene.kind in entry.kinds:
                return name
    return scene.shows.get(axis) or default(scene, axis)


def _errors(name: str, axis: Axis, scenes: Sequence[Scene], images: Sequence[Image.Image]) -> list[DetectorError]:
    pairs = [(label, image) for scene, image in zip(scenes, images, strict=True) if (label := shown(scene, axis.name))]
    if not pairs:
        return []
    spec = DetectorSpec("emoji")
    clip, true = load_detector(spec), [pair[0] for pair in pairs]
    parts = [clip.probabilities([p[1] for p in pairs[i : i + 64]], axis) for i in range(0, len(pairs), 64)]
    found = [dict(zip(axis.classes, row, strict=True)) for row in np.concatenate(parts)]
    seen = [max(row, key=lambda label: row[label]) for row in found]
    wrong = sum(a != b for a, b in zip(true, seen, strict=True))
    interval = wilson(wrong, len(true))
    return [
        DetectorError(
            set=name,
            axis=axis.name,
            error=wrong / len(true),
            count=wrong,
            n=len(true),
            low=interval.low,
            high=interval.high,
            unclear=sum(read_label(row, spec.unclear_below) == "unclear" for row in found),
            spearman=tone_order(true, seen) if axis.name == "tone" else None,
            confusions=", ".join(f"{t}→{s} {k}" for (t, s), k in _confusions(true, seen)[:4]),
        )
    ]


def _confusions(true: Sequence[str], seen: Sequence[str]) -> list[tuple[tuple[str, str], int]]:
    return Counter((t, s) for t, s in zip(true, seen, strict=True) if t != s).most_common()
