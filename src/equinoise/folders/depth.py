"""Pixels of 16 bits, of 32 bits and of floating point → 8 bits, by the range that the file says they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

BITS_PER_SAMPLE, PHOTOMETRIC, LEAST_SAMPLE, LARGEST_SAMPLE = 258, 262, 340, 341
"""Tags of TIFF."""
FULL_RANGE = frozenset({"PNG", "TIFF", "JPEG2000"})
"""Formats whose 16-bit grey uses all of the bits that they declare."""
WIDE = frozenset({"PNG", "PPM"})
"""Formats whose 16-bit grey Pillow gives as 32-bit integers from 0 to 65535."""


class NoPictureError(ValueError):
    """Pixels that cannot be shown, in a few words that say why."""


@dataclass(frozen=True)
class Depth:
    """The values that stand for black and for white in an image of more than 8 bits a pixel.

    With whole numbers from 0 the high byte counts, as in what Pillow makes of colours of 16 bits.
    """

    black: float
    white: float

    @classmethod
    def of(cls, image: Image.Image) -> Depth | None:
        """The depth of an opened image; None where its pixels are of 8 bits.

        Raises:
            NoPictureError: the file does not say which values are black and white.
        """
        tags = getattr(image, "tag_v2", {})
        if image.mode.startswith("I;16") and image.format in FULL_RANGE:
            most = 2 ** int(_number(tags.get(BITS_PER_SAMPLE, 16))) - 1
            return cls(most, 0) if image.format == "TIFF" and tags.get(PHOTOMETRIC) == 0 else cls(0, most)
        if image.mode == "I" and image.format in WIDE:
            return cls(0, 65535)
        if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
            return None
        low, high = _number(tags.get(LEAST_SAMPLE)), _number(tags.get(LARGEST_SAMPLE))
        if not low < high < np.inf:  # where there is no such tag too
            kind = "floating point" if image.mode == "F" else "whole numbers of 16 or 32 bits"
            raise NoPictureError(f"its pixels are {kind} of unknown range; save it with 8 bits a channel")
        return cls(low, high)


def eight_bits(image: Image.Image, depth: Depth) -> Image.Image:
    """The picture in grey of 8 bits, with what is transparent in white."""
    values = np.asarray(image)
    low, high = min(depth.black, depth.white), max(depth.black, depth.white)
    if low == 0 and values.dtype != np.float32:
        grey = (np.clip(values, 0, high).astype(np.int64) * 256 // int(high + 1)).astype(np.uint8)
    else:
        shares = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
        grey = np.round(np.nan_to_num(shares) * 255).astype(np.uint8)
    grey = 255 - grey if depth.black > depth.white else grey
    clear = image.info.get("transparency")
    return Image.fromarray(np.where(values == clear, np.uint8(255), grey) if isinstance(clear, int) else grey)


def with_plain_transparency(image: Image.Image) -> Image.Image:
    """The image, whose one transparent colour is of 8 bits as its pixels are: of a PNG of 16 bits it is of 16."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    return image


def _number(tag: object) -> float:
    """The one number of a tag of TIFF; NaN where there is none."""
    value = tag[0] if isinstance(tag, tuple) and tag else tag
    return float(value) if isinstance(value, int | float) else float("nan")
