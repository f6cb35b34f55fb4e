"""One image file → the picture in it: 8 bits a channel, upright, on white, and no larger than detectors need."""

from __future__ import annotations

import hashlib
import importlib
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from equinoise.errors import EquinoiseError, reason_of
from equinoise.folders.depth import Depth, NoPictureError, eight_bits, with_plain_transparency
from equinoise.no_picture import FLAT

NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats of Pillow that are not read: it knows their header only, or runs another program to draw them."""
HEIF = "pillow_heif"
"""The plugin of Pillow that opens .heic and .heif."""
MOST_PIXELS = 89_478_485
"""An image of more is refused: Pillow's own limit against files that unpack to more than memory holds."""
HELD_PIXELS = 32_000_000
"""A larger picture is shrunk by a whole number, so that photographs of up to 32 megapixels stay as they are."""
LEAST_SIDE = 2000
"""Sides are not shrunk below this, so that small faces stay."""
BATCH, BATCH_PIXELS = 64, HELD_PIXELS
"""At most so many pictures, and so many pixels, are in memory at once."""
STRIP_PIXELS = 1 << 22
SHOWN_SIDE = 512
NAMED = 10
"""Unreadable images that an error names."""
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by the orientation in its EXIF block."""


class UnreadableError(EquinoiseError):
    """An image file without a picture that can be used.

    Attributes:
        reason: in a few words.
    """

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} cannot be read as an image ({reason}); mend or remove it")
        self.reason = reason


@dataclass(frozen=True)
class Look:
    """What tells two pictures apart.

    Attributes:
        pixels: hash of the size and the 8-bit pixels at full size, whatever the file's format and name.
        blank: whether the picture is of one colour.
    """

    pixels: str
    blank: bool


@cache
def formats_by_suffix() -> Mapping[str, str]:
    """Suffix → format of Pillow, of every format that the installed Pillow opens; with .heic if its plugin is there."""
    if find_spec(HEIF):
        importlib.import_module(HEIF).register_heif_opener()
    known = Image.registered_extensions()
    return {suffix: name for suffix, name in known.items() if name in Image.OPEN and name not in NO_PICTURES}


def open_image(file: Path) -> Image.Image:
    """The picture in RGB, turned as its camera said, on white where it is transparent.

    A picture of more than 32 million pixels is shrunk by a whole number, to no less than 2,000 pixels a side.

    Raises:
        UnreadableError: it cannot be read, is too large, or has pixels whose range is unknown.
    """
    with _decoded(file) as source:
        width, height = source.image.size
        factor = _factor((width, height))
        step = max(1, STRIP_PIXELS // width // factor) * factor
        if factor == 1 and height <= step:
            return source.rgb(source.image)
        small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
        for top, strip in source.strips(step):
            small.paste(strip.reduce(factor), (0, top // factor))
        return small


def open_small(file: Path) -> Image.Image:
    """The picture as of `open_image`, to be shown: of at most 512 px a side.

    Raises:
        UnreadableError: as from `open_image`.
    """
    image = open_image(file)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))  # leaves a smaller picture as it is
    return image


def look_at(file: Path) -> Look:
    """What tells the picture in a file apart from others; it is looked at strip by strip.

    Raises:
        UnreadableError: as from `open_image`.
    """
    with _decoded(file) as source:
        size = source.image.size
        content = hashlib.sha256(repr(size).encode())
        least, most = np.full(3, 255), np.zeros(3, int)
        for _, strip in source.strips(max(1, STRIP_PIXELS // size[0])):
            content.update(strip.tobytes())
            low, high = np.array(strip.getextrema()).T
            least, most = np.minimum(least, low), np.maximum(most, high)
        return Look(content.hexdigest(), bool((most - least).max() <= FLAT))


def size_of(file: Path) -> tuple[int, int]:
    """Width and height as the file's header has them.

    Raises:
        UnreadableError: it cannot be read.
    """
    with _opened(file) as image:
        return image.size


def verify(file: Path) -> None:
    """Check that a file is an image and that its checksums hold, without decoding it.

    Raises:
        UnreadableError: it is not.
    """
    with _opened(file) as image, _as_unreadable(file):
        image.verify()


def batches(files: Sequence[Path]) -> Iterator[range]:
    """The files' places in parts that fit in memory together.

    Raises:
        UnreadableError: an image's header cannot be read.
    """
    start, held = 0, 0
    for index, file in enumerate(files):
        pixels = math.prod(size_of(file))
        if index > start and (index - start == BATCH or held + pixels > BATCH_PIXELS):
            yield range(start, index)
            start, held = index, 0
        held += pixels
    if files:
        yield range(start, len(files))


def refuse_unreadable(place: Path, faults: Iterable[tuple[str, UnreadableError]]) -> None:
    """Name every unreadable image of a folder in one error.

    Raises:
        EquinoiseError: there is one.
    """
    found = list(faults)
    if len(found) == 1:
        raise found[0][1]
    if found:
        named = ", ".join(f"{name} ({error.reason})" for name, error in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise EquinoiseError(
            f"{place}: {len(found)} files cannot be read as images: {named}{more}; mend or remove them"
        )


def _factor(size: tuple[int, int]) -> int:
    """What a picture's sides are divided by; only a long strip may end with a side below the least."""
    wanted = math.ceil(math.sqrt(math.prod(size) / HELD_PIXELS))
    kept = max(1, min(wanted, min(size) // LEAST_SIDE))
    return kept if math.prod(size) / kept**2 <= 2 * HELD_PIXELS else wanted


@dataclass(frozen=True)
class _Source:
    """An opened file, its upright image in its own mode, and the depth of its pixels where they are not of 8 bits."""

    file: Path
    image: Image.Image
    depth: Depth | None

    def strips(self, rows: int) -> Iterator[tuple[int, Image.Image]]:
        """So many rows at a time in RGB, each with the row that it begins at."""
        for top in range(0, self.image.height, rows):
            yield top, self.rgb(self.image.crop((0, top, self.image.width, min(top + rows, self.image.height))))

    def rgb(self, part: Image.Image) -> Image.Image:
        plain = eight_bits(part, self.depth) if self.depth else part
        with _as_unreadable(self.file):
            if plain.mode in ("La", "RGBa"):
                plain = plain.convert(plain.mode.upper())
            if not plain.has_transparency_data:
                return plain.convert("RGB")
            opaque = Image.new("RGBA", plain.size, "white")
            return Image.alpha_composite(opaque, with_plain_transparency(plain).convert("RGBA")).convert("RGB")


@contextmanager
def _decoded(file: Path) -> Iterator[_Source]:
    with _opened(file) as image:
        with _as_unreadable(file):
            image.load()
            depth, turn = Depth.of(image), UPRIGHT.get(_orientation(image))
            upright = image if turn is None else image.transpose(turn)
        yield _Source(file, upright, depth)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # whatever Pillow's parser of EXIF raises: the pixels are fine without it
        return 1


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    with _as_unreadable(file):
        # not by its name: Pillow 13 turns a TIFF that it maps into memory by reading its rows at a wrong length
        stream = file.open("rb")
    with stream:
        with _as_unreadable(file):
            image = Image.open(stream, formats=sorted(set(formats_by_suffix().values())))
        if math.prod(image.size) > MOST_PIXELS:
            size = f"{image.width} × {image.height} pixels"
            raise UnreadableError(file, f"too large: {size}, the limit is {MOST_PIXELS:,} pixels")
        yield image


@contextmanager
def _as_unreadable(file: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about what is checked here
            yield
    except Image.DecompressionBombError as error:
        raise UnreadableError(file, f"too large: the limit is {MOST_PIXELS:,} pixels") from error
    except NoPictureError as error:
        raise UnreadableError(file, str(error)) from error
    except UnidentifiedImageError as error:
        raise UnreadableError(file, "not an image in any format that Pillow opens") from error
    except OSError as error:
        raise UnreadableError(file, error.strerror or reason_of(error)) from error
    except Exception as error:  # Pillow's decoders raise what their damaged bytes lead to: struct.error, IndexError, …
        raise UnreadableError(file, f"damaged: {reason_of(error)}") from error
