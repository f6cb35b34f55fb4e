"""Pictures with the boxes of what an object detector found in them."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.page.pictures import Picture, embed, open_picture
from equinoise.run import UNTOUCHED, Record, RunContent

PICTURES = 8


@dataclass(frozen=True)
class Boxed:
    """A picture and what was found in it: number, name, left, top, width and height in shares of its sides."""

    picture: Picture
    boxes: tuple[tuple[int, str, float, float, float, float], ...]


def with_boxes(run: RunContent) -> list[Record]:
    """The first untouched images in which something was found."""
    found = (r for r in run.records if r.objects and r.intervention == UNTOUCHED and run.shows(r))
    return list(found)[:PICTURES]


def boxed(run: RunContent, record: Record) -> Boxed:
    """A picture with its boxes, numbered as in the list beside it."""
    picture = embed(run, record, [])
    width, height = open_picture(run, record).size
    boxes = tuple(
        (number, str(found["phrase"]), found["box"][0] / width, found["box"][1] / height,
         (found["box"][2] - found["box"][0]) / width, (found["box"][3] - found["box"][1]) / height)
        for number, found in enumerate(record.objects or (), start=1)
    )  # fmt: skip
    return Boxed(picture, boxes)
