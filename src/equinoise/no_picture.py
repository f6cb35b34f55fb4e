"""Images that are no pictures: why each is none, the rule for a blank one, and how many a command made or found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from PIL import Image

from equinoise.errors import EquinoiseError

NoPicture = Literal["nan", "filtered", "blank"]
"""Why an image is no picture: the model computed no finite numbers, the pipeline's safety checker flagged the image, or
the image has one colour all over."""
REASONS: tuple[NoPicture, ...] = get_args(NoPicture)
FLAT = 3
"""Of 255: an image is blank where no channel spans more. JPEG and half precision leave that much of a constant one."""

REMEDIES: Mapping[NoPicture, str] = {
    "nan": "the model's numbers were not finite: use --dtype float32",
    "filtered": "the pipeline's safety checker flagged them: shares are of what it lets through, all images need a "
    "pipeline without one",
    "blank": "one colour all over: look at the files",
}
"""What stands behind a reason, and what to do."""


def is_blank(image: Image.Image) -> bool:
    """Whether every channel spans at most 3 of 255, as in an image that is black, white or any one colour.

    >>> is_blank(Image.new("RGB", (4, 4), "teal"))
    True
    """
    colours = image if image.mode == "RGB" else image.convert("RGB")
    return all(high - low <= FLAT for low, high in colours.getextrema())  # type: ignore[misc]


def why_no_picture(image: Image.Image, known: NoPicture | None = None) -> NoPicture | None:
    """The reason why an image is no picture: the known one, else `blank` where it is; None for a picture."""
    return known or ("blank" if is_blank(image) else None)


def count_reasons(reasons: Iterable[NoPicture | None]) -> dict[NoPicture, int]:
    """How many images have each reason; reasons that no image has are left out.

    >>> count_reasons(["blank", None, "nan", "blank"])
    {'nan': 1, 'blank': 2}
    """
    found = list(reasons)
    return {reason: found.count(reason) for reason in REASONS if reason in found}


def add_reasons(parts: Iterable[Mapping[NoPicture, int]]) -> dict[NoPicture, int]:
    """Counts of different images together."""
    known = list(parts)
    sums = {reason: sum(part.get(reason, 0) for part in known) for reason in REASONS}
    return {reason: total for reason, total in sums.items() if total}


def in_words(counts: Mapping[NoPicture, int]) -> str:
    """The counts in words; empty where there are none.

    >>> in_words({"nan": 2, "filtered": 1})
    '3 images are no pictures (2 nan, 1 filtered)'
    """
    if not counts:
        return ""
    total, each = sum(counts.values()), ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"{total} image{'s are no pictures' if total > 1 else ' is no picture'} ({each})"


def describe(reasons: Iterable[NoPicture | None], consequence: str = "unclear on every axis") -> str | None:
    """A warning that names the counts, the consequence and what to do; None where all images are pictures."""
    counts = count_reasons(reasons)
    if not counts:
        return None
    what = "; ".join(f"{reason}: {REMEDIES[reason]}" for reason in counts)
    return f"{in_words(counts)}, {consequence} ({what})"


def require_pictures(reasons: Iterable[NoPicture | None]) -> None:
    """Check that not every image of a command is `nan`.

    Raises:
        EquinoiseError: all are.
    """
    found = list(reasons)
    if found and all(reason == "nan" for reason in found):
        raise EquinoiseError(
            f"none of {len(found)} images is a picture: the model's numbers were not finite (NaN), as where half "
            "precision overflows; use --dtype float32, into another folder"
        )
