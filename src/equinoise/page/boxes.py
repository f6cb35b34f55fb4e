"""Pictures with the boxes of what an object detector found in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from equinoise.page.pictures import Picture, embed
from equinoise.page.reading import Run
from equinoise.run import UNTOUCHED, Record

PICTURES = 8


@dataclass(frozen=True)
class Boxed:
    """A picture with the boxes of what was found in it, in shares of its sides."""

    picture: Picture
    boxes: tuple[tuple[int, str, float, float, float, float], ...]


def boxed_pictures(run: Run) -> list[Boxed]:
    """The first untouched images in which something was found."""
    looked = [record for record in run.records if record.objects and record.intervention == UNTOUCHED]
    return [boxed(run.path, record) for record in looked[:PICTURES]]


def boxed(path: Path, record: Record) -> Boxed:
    """A picture with its boxes, numbered as in the list beside it."""
    picture = embed(path, record, [])  # refuses what is no picture of the run
    with Image.open(path / record.file) as image:
        width, height = image.size
    boxes = tuple(
        (number, str(entry["phrase"]), entry["box"][0] / width, entry["box"][1] / height,
         (entry["box"][2] - entry["box"][0]) / width, (entry["box"][3] - entry["box"][1]) / height)
        for number, entry in enumerate(record.objects or (), start=1)
    )  # fmt: skip
    return Boxed(picture, boxes)
