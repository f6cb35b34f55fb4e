"""One picture: read with care, made small, and put into the page as text, with boxes where objects were looked for."""

from __future__ import annotations

import base64
import io
import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.page import words
from equinoise.run import UNTOUCHED, Record, RunContent

MOST_PIXELS = 50_000_000
SIDE = 256
"""Pictures are shown at about 128 px; twice that is enough for dense screens."""
QUALITY = 95
BOXED = 8
"""Pictures that are shown with boxes."""


@dataclass(frozen=True)
class Picture:
    """A picture as a data address, with its text for those who do not see it."""

    uri: str
    alt: str


def embed(run: RunContent, record: Record, axes: Sequence[str]) -> Picture:
    """The picture of a record that the run can show.

    Raises:
        EquinoiseError: its file is missing, damaged, absurdly large, or not inside the run.
    """
    done = "untouched" if record.intervention == UNTOUCHED else f"shifted by {record.intervention}"
    seen = words.labels(record, axes)
    alt = f"Seed {record.seed}, {done}" + (f": perceived as {', '.join(seen)}" if seen else "")
    return Picture(_uri(open_picture(run, record)), alt)


def open_picture(run: RunContent, record: Record) -> Image.Image:
    """The picture itself, in RGB, from the run's folder or from memory.

    Raises:
        EquinoiseError: as from `embed`.
    """
    if run.folder is None:
        return run.previews[record.id].convert("RGB")
    path = Path(os.path.normpath(run.folder / record.file))
    if not path.is_relative_to(os.path.normpath(run.folder / "images")):
        raise EquinoiseError(f"{run.folder} names an image outside itself ({record.id[:60]!r}); make the run again")
    if not path.is_file():
        raise EquinoiseError(f"no such image: {path}; make the run again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked below
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise EquinoiseError(_large(path, f"{opened.width}×{opened.height}"))
                return opened.convert("RGB")
    except Image.DecompressionBombError as error:
        raise EquinoiseError(_large(path, "over 170 million")) from error
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise EquinoiseError(f"{path} is not a readable image: {reason}; make the run again") from error


def _large(path: Path, pixels: str) -> str:
    return f"{path} is too large for a report ({pixels} pixels, at most {MOST_PIXELS:,}); make smaller images"


def _uri(image: Image.Image) -> str:
    """WebP: a sixth of a PNG's bytes, with no difference to be seen at the size at which pictures are shown."""
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@dataclass(frozen=True)
class Boxed:
    """A picture and what was found in it: number, name, left, top, width and height in shares of its sides."""

    picture: Picture
    boxes: tuple[tuple[int, str, float, float, float, float], ...]


def with_boxes(run: RunContent) -> list[Record]:
    """The first untouched images in which something was found."""
    found = (r for r in run.records if r.objects and r.intervention == UNTOUCHED and run.shows(r))
    return list(found)[:BOXED]


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
