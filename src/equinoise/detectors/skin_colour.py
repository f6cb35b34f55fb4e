"""Skin tone by colour: the individual typology angle of skin pixels, and scales derived from it.

    ITA = atan2(L* − 50, b*) · 180/π      (Chardon et al. 1991, Int. J. Cosmet. Sci. 13)

of the CIELAB colour of the pixels that look like skin. The angle measures the picture, not the person: light, white
balance, shadows and make-up change it by as much as one class of the scale. Sand, wood, bread and pale walls are taken
for skin; painted or blue-lit skin is not. So this detector complements a zero-shot detector and never replaces it, and
an image with few skin pixels is unclear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError

NAME = "skin-colour"
LEAST_SHARE, LEAST_PIXELS = 0.01, 24
"""Images with fewer skin pixels are unclear: a hundredth of the picture, and two dozen."""
SIDE = 256
"""Larger pictures are scaled down first; a mean over skin pixels loses nothing by that."""
BORDERS = {
    "light": 55.0,
    "medium-light": 41.0,
    "medium": 28.0,
    "medium-dark": 10.0,
}
"""Least ITA of each class (Chardon: very light, light, intermediate, tan); below the last is `dark`."""
FITZPATRICK = ((55.0, "I"), (41.0, "II"), (28.0, "III"), (19.0, "IV"), (10.0, "V"), (-np.inf, "VI"))
"""A common reading of ITA as Fitzpatrick's types, which are about sunburn and not about colour: an approximation."""
MONK = (
    "#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96", "#a07e56", "#825c43", "#604134", "#3a312a", "#292420",
)  # fmt: skip
"""The ten colours of the Monk skin tone scale (Monk 2019)."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SkinColour:
    """The colour of the skin pixels of an image.

    Attributes:
        ita: median individual typology angle in degrees, −90 to 90: high is light.
        share: of the picture's pixels that look like skin.
        monk: 1–10, the nearest colour of the Monk scale by the median CIELAB colour.
        fitzpatrick: I–VI, derived from the ITA.
    """

    ita: float
    share: float
    monk: int
    fitzpatrick: str


def skin_colour(image: Image.Image) -> SkinColour | None:
    """The colour of the skin in an image; None where too few pixels look like skin."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float64).reshape(-1, 3)
    skin = pixels[looks_like_skin(pixels)]
    if len(skin) < max(LEAST_PIXELS, LEAST_SHARE * len(pixels)):
        return None
    lab = to_lab(skin)
    ita = float(np.median(angle(lab)))
    centre = np.median(lab, axis=0)
    scale = to_lab(np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in MONK], np.float64))
    nearest = int(np.linalg.norm(scale - centre, axis=1).argmin()) + 1
    kind = next(name for least, name in FITZPATRICK if ita > least)
    return SkinColour(ita, len(skin) / len(pixels), nearest, kind)


def looks_like_skin(rgb: Array) -> NDArray[np.bool_]:
    """(n,) for colours (n, 3) in 0–255: chroma in the box of Chai and Ngan (1999), widened for very light skin.

    77 ≤ Cb ≤ 127 and 133 ≤ Cr ≤ 173 (ITU-R BT.601), not nearly black, and redder than it is blue.
    """
    r, g, b = rgb.T
    cb = 128 - 0.168736 * r - 0.331264 * g + 0.5 * b
    cr = 128 + 0.5 * r - 0.418688 * g - 0.081312 * b
    inside = (cb >= 77) & (cb <= 127) & (cr >= 133) & (cr <= 173)
    found: NDArray[np.bool_] = inside & (rgb.max(axis=1) > 40) & (r > b)
    return found


def angle(lab: Array) -> Array:
    """ITA in degrees of CIELAB colours (n, 3)."""
    result: Array = np.degrees(np.arctan2(lab[:, 0] - 50, lab[:, 2]))
    return result


def to_lab(rgb: Array) -> Array:
    """sRGB in 0–255, (n, 3), to CIELAB under D65 (IEC 61966-2-1; CIE 15)."""
    c = np.asarray(rgb, np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab: Array = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    return lab


class SkinColourDetector:
    """The axis `tone` by colour alone: probability 1 for the class of the ITA, equal probabilities where unclear."""

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> Array:
        """(n, classes), each row summing to 1.

        Raises:
            EquinoiseError: the axis is not `tone` with its five classes.
        """
        if set(axis.classes) != {*BORDERS, "dark"}:
            raise EquinoiseError(f"--detector {NAME} reads the axis tone only, not '{axis.name}'")
        rows = np.full((len(images), len(axis.classes)), 1 / len(axis.classes))
        for row, image in zip(rows, images, strict=True):
            found = skin_colour(image)
            if found:
                row[:] = [float(name == tone_class(found.ita)) for name in axis.classes]
        return rows


def tone_class(ita: float) -> str:
    """The class of the axis `tone` of an ITA in degrees.

    >>> [tone_class(ita) for ita in (60, 50, 30, 20, -20)]
    ['light', 'medium-light', 'medium', 'medium-dark', 'dark']
    """
    return next((name for name, least in BORDERS.items() if ita > least), "dark")
