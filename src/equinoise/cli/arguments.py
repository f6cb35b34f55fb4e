"""What the command line's texts mean: `FILE:CLASS`, `FILE:CLASS@STEP=WEIGHT`, `AXIS=…`, `CLASS=TEXT`, lists, sizes.

Nothing below the command line parses such texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from equinoise.errors import EquinoiseError, warn

if TYPE_CHECKING:
    from equinoise.directions.direction import DirectionSet
    from equinoise.models.base import Step
    from equinoise.steering.intervention import How, Intervention, Shift


def split(text: str | None) -> list[str] | None:
    """`a, b` → ["a", "b"]; None where nothing is given."""
    return None if text is None else [part.strip() for part in text.split(",")]


def split_different(text: str | None, flag: str, example: str) -> list[str]:
    """As `split`, each part different and none empty.

    Raises:
        EquinoiseError: a part is empty or comes twice.
    """
    parts = split(text) if text else []
    if not all(parts or []) or len(set(parts or [])) < len(parts or []):
        raise EquinoiseError(f"{flag} {text}: give different phrases, such as '{example}'")
    return parts or []


def class_texts(entries: Sequence[str] | None) -> dict[str, str] | None:
    """`CLASS=TEXT` of `--prompt` → class → prompt; None where nothing is given.

    Raises:
        EquinoiseError: not of that form.
    """
    if not entries:
        return None
    found = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals or not text.strip():
            raise EquinoiseError(f"--prompt '{entry}' is not CLASS=TEXT, such as woman='a photo of a woman'")
        found[name] = text
    return found


def size(text: str | None) -> tuple[int, int] | None:
    """`512x768` → (512, 768), height first; None where nothing is asked for.

    Raises:
        EquinoiseError: not of that form.
    """
    if text is None:
        return None
    height, x, width = text.lower().partition("x")
    if not x or not all(part.isascii() and part.isdigit() for part in (height, width)):
        raise EquinoiseError(f"--size {text} is not HEIGHTxWIDTH in pixels, such as 1024x1024")
    return int(height), int(width)


def numbers(text: str, flag: str) -> list[float]:
    """`1,2,4` → [1.0, 2.0, 4.0].

    Raises:
        EquinoiseError: an entry is no number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise EquinoiseError(f"{flag} '{text}' are not numbers, such as 1,2,4") from error


def captured(text: str | None, total: int) -> list[Step] | None:
    """`T,0,0.2` of `--capture` → steps of a run of `total`; None where nothing is given.

    Raises:
        EquinoiseError: as `parse_steps`.
    """
    from equinoise.models.base import NOISE, parse_steps

    if text is None:
        return None
    steps = parse_steps(text, total)
    for part, step in zip((part.strip() for part in text.split(",")), steps, strict=True):
        if part != NOISE and not part.isdigit() and Fraction(part) * total != step:
            warn(f"step {part} is step {step} of {total}, the denoiser call under way at that fraction")
    return steps


def one_step(text: str, flag: str = "--step", total: int | None = None) -> Step:
    """One step.

    Raises:
        EquinoiseError: several, or not a step.
    """
    from equinoise.models.base import parse_steps

    steps = parse_steps(text, total)
    if len(steps) != 1:
        raise EquinoiseError(f"{flag} {text}: a direction has one step")
    return steps[0]


def direction(text: str) -> tuple[DirectionSet, str]:
    """`FILE:CLASS` → the file's directions and the class.

    Raises:
        EquinoiseError: not of that form, no such file, or no direction towards the class.
    """
    from equinoise.directions.direction import DirectionSet

    path, colon, label = text.rpartition(":")
    if not colon or not path:
        raise EquinoiseError(f"--direction '{text}' is not FILE:CLASS, such as gender.safetensors:woman")
    directions = DirectionSet.load(Path(path))
    if label not in directions.labels():
        raise EquinoiseError(f"{path} has no direction towards '{label}'; it has {', '.join(directions.labels())}")
    return directions, label


def orthogonal(texts: Sequence[str]) -> list[tuple[DirectionSet, str]]:
    """`FILE:CLASS` of `--orthogonal-to`.

    Raises:
        EquinoiseError: as `direction`.
    """
    if any(":" not in text for text in texts):
        raise EquinoiseError("--orthogonal-to takes FILE:CLASS, such as tone.safetensors:dark")
    return [direction(text) for text in texts]


def shift(text: str) -> Shift:
    """`FILE:CLASS@STEP=WEIGHT`, with `,truncate` or `,reflect` behind it where wanted.

    Raises:
        EquinoiseError: not of that form, or no such direction.
    """
    from equinoise.models.base import parse_steps
    from equinoise.steering.intervention import Shift

    head, equals, tail = text.rpartition("=")
    where, at, step = head.rpartition("@")
    weight, _, way = tail.partition(",")
    try:
        value = float(weight)
    except ValueError:
        value = float("nan")
    if not (equals and at) or isnan(value):
        raise EquinoiseError(
            f"--direction '{text}' is not FILE:CLASS@STEP=WEIGHT, such as gender.safetensors:woman@10=3"
        )
    directions, label = direction(where)
    return Shift(directions.named(label, parse_steps(step, directions.total)[0]), value, how(way or "add"))


def intervention(texts: Sequence[str] | None) -> Intervention | None:
    """All shifts of `--direction`; None where nothing is given."""
    from equinoise.steering.intervention import Intervention

    return Intervention(tuple(map(shift, texts))) if texts else None


def how(name: str) -> How:
    """The way of a shift by name.

    Raises:
        EquinoiseError: there is none of that name.
    """
    from equinoise.steering.intervention import HOWS

    for known in HOWS:
        if known == name:
            return known
    raise EquinoiseError(f"--how {name}: use one of {', '.join(HOWS)}")


def batch_size(text: str) -> int | Literal["auto"]:
    """A whole number, or `auto`.

    Raises:
        EquinoiseError: neither.
    """
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise EquinoiseError(f"--batch-size {text}: at least one image makes a batch; give a whole number, or auto")
    return int(text)


def targets(
    texts: Sequence[str] | None, axes: Sequence[str], crosses: Sequence[Sequence[str]], classes: list[str] | None = None
) -> dict[str, dict[str, float]]:
    """`AXIS=…` of `--target` as shares by axis, intersections by a name such as `gender*tone`.

    Raises:
        EquinoiseError: no such axis, or shares that make no sense.
    """
    if not texts:
        return {}
    from equinoise.runtime.question import Question
    from equinoise.understanding.targets import parse_shares

    known = {axis.name: axis for axis in Question.asking(axes, crosses, classes=classes).all_axes}
    return parse_shares(texts, known)
