"""The detector against two readers: 300 generated images, labelled twice, each time without seeing any other label.

    python -m emoji_world.by_eye    agreement, errors, and corrected shares against the labels by eye

`eye/` holds 50 images of each of six neutral prompts (seeds 6,000,000 on, guidance 2) and `metadata.csv` with both
labels and their consensus: where the two differ, or one could not tell, the image is unclear. Labels were read off
shuffled contact sheets beside the art's five tones, enlarged where in doubt, by two automated readers, blind to each
other: no person has checked them. The images are of the packaged weights.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emoji_world.drawing.compose import compose
from emoji_world.measure.detector import scene_of
from emoji_world.tables import Row, show
from emoji_world.world import all_people, is_held_out
from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.detectors import load_detector, read_label
from equinoise.runtime.detector import CalibratedDetector, DetectorSettings
from equinoise.statistics import Confusion, correct, share_intervals
from equinoise.understanding.calibration import confuse

EYE = Path(__file__).parent / "eye"
SEED = 7_500_000
AXES = ("gender", "tone")


def labels() -> list[dict[str, str]]:
    """The metadata: a row an image."""
    with (EYE / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agreement() -> list[Row]:
    """How far two readers agree: that bounds what can be asked of a detector."""
    rows, found = labels(), list[Row]()
    for axis in AXES:
        pairs = [(row[f"{axis}_first"], row[f"{axis}_second"]) for row in rows]
        both = [pair for pair in pairs if UNCLEAR not in pair]
        same = sum(a == b for a, b in both)
        found.append({"axis": axis, "images": len(pairs), "both could tell": len(both), "and agree": same})
    return found


def errors() -> list[Row]:
    """The detector's errors on never-trained compositions, and on generated images where both readers agree."""
    found: list[Row] = []
    for axis in map(load_axis, AXES):
        for name, confusion in (("held-out compositions", compositions(axis)), ("generated, by eye", by_eye(axis))):
            counts = np.array(confusion.counts)
            right = int(np.trace(counts[:, :-1]))
            unclear = int(counts[:, -1].sum())
            wrong = confusion.n - right - unclear
            known: Row = {"axis": axis.name, "images": name, "n": confusion.n}
            found.append({**known, "right": right, "wrong": wrong, "unclear": unclear})
    return found


def shares() -> list[Row]:
    """Each prompt's shares as detected, corrected by other images, and by eye on the very same images.

    Other images are those of the other prompts; for all prompts together the other half.
    """
    found, prompts = list[Row](), list(dict.fromkeys(row["prompt"] for row in labels()))
    for axis in map(load_axis, AXES):
        told = [row for row in labels() if row[axis.name] != UNCLEAR]
        for prompt in prompts:
            rows = [row for row in told if row["prompt"] == prompt]
            others = by_eye(axis, [row for row in told if row["prompt"] != prompt])
            found += list(_compared(axis, prompt, rows, {"compositions": compositions(axis), "other images": others}))
        others = by_eye(axis, told[1::2])
        known = {"compositions": compositions(axis), "other images": others}
        found += list(_compared(axis, "all six, every second image", told[::2], known))
    return found


def _compared(axis: Axis, prompt: str, rows: Sequence[dict[str, str]], by: dict[str, Confusion]) -> Iterator[Row]:
    read = detected(axis, [row["file_name"] for row in rows])
    counts = [read.count(name) for name in (*axis.classes, UNCLEAR)]
    plain, fixed = share_intervals(counts[:-1]), {name: correct(counts, confusion) for name, confusion in by.items()}
    for index, name in enumerate(axis.classes):
        eye = sum(row[axis.name] == name for row in rows) / len(rows)
        row: Row = {"prompt": prompt, "class": name, "n": len(rows), "by eye": eye}
        row |= {"detected": counts[index] / max(1, sum(counts[:-1])), "inside": _inside(eye, plain[index])}
        for source, corrected in fixed.items():
            row |= {
                f"by {source}": corrected.shares[index],
                f"inside {source}": _inside(eye, corrected.intervals[index]),
            }
        yield row


def _inside(value: float, interval: tuple[float, float]) -> str:
    return "yes" if interval[0] - 1e-9 <= value <= interval[1] + 1e-9 else "NO"


def by_eye(axis: Axis, rows: Sequence[dict[str, str]] | None = None) -> Confusion:
    """The confusion matrix on images on which both readers agree."""
    told = [row for row in (labels() if rows is None else rows) if row[axis.name] != UNCLEAR]
    return confuse([row[axis.name] for row in told], detected(axis, [row["file_name"] for row in told]), axis.classes)


def compositions(axis: Axis, n: int = 720) -> Confusion:
    """The confusion matrix on cells that no training has seen."""
    rng, held = np.random.default_rng(SEED), [person for person in all_people() if is_held_out(person)]
    people = [held[i % len(held)] for i in range(n)]
    return confuse(
        [getattr(person, axis.name) for person in people],
        _read(axis, [compose(rng, scene_of(person)).image for person in people]),
        axis.classes,
    )


def detected(axis: Axis, files: Sequence[str]) -> list[str]:
    """What the detector says of images of `eye/`, with the threshold that is packaged with it."""
    return _read(axis, [Image.open(EYE / file).convert("RGB") for file in files])


def _read(axis: Axis, images: Sequence[Image.Image]) -> list[str]:
    spec = CalibratedDetector.open(DetectorSettings("emoji"), [axis]).spec
    detector, threshold = load_detector(spec), spec.threshold(axis.name)
    batches = [detector.probabilities(images[i : i + 64], axis) for i in range(0, len(images), 64)]
    probabilities: NDArray[np.float64] = np.concatenate(batches)
    return [read_label(dict(zip(axis.classes, row, strict=True)), threshold) for row in probabilities.tolist()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    result = {"agreement": agreement(), "errors": errors(), "shares": shares()}
    for title, rows in result.items():
        show(rows, title)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
