"""Concepts and attributes in words: what is encoded, what is generated, and the reference they are held against."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError

WORDINGS = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a photograph of {}",
    "a close-up photo of {}",
    "a good photo of {}",
    "a bright photo of {}",
    "a dark photo of {}",
    "a cropped photo of {}",
    "a black and white photo of {}",
    "a painting of {}",
    "a drawing of {}",
    "a sketch of {}",
    "a portrait of {}",
    "a view of {}",
    "this is {}",
    "here you see {}",
    "there is {}",
    "the picture shows {}",
)
"""How a thing is spoken of. Each wording gives one cosine, and its spread over the wordings is the uncertainty."""

REFERENCE = (
    "an apple", "a river", "a table", "a bottle", "a mountain", "a bridge", "a letter", "a bicycle", "a cloud",
    "a kitchen", "a road", "a garden", "a window", "a book", "a lamp", "a stone", "a boat", "a field", "a clock",
    "a basket", "a train", "a forest", "a shoe", "a piece of paper", "a cup of tea", "a market", "a dog", "a horse",
    "a person", "a group of people", "music", "water", "bread", "a door", "a coat", "a wall", "the sky", "a leaf",
    "a map", "a street",
)  # fmt: skip
"""Everyday things that say nothing of class, sex or colour: what any two phrases have in common is their mean."""

FRAME = re.compile(
    r"^(?:an?|the)\s+(?:[\w-]+\s+){0,2}?(?:photo|photograph|picture|image|portrait|painting|drawing)s?\s+of\s+(?=\S)",
    re.IGNORECASE,
)
LED = re.compile(r"^(?:an?|the|his|her|its|their|some|two|three|no)\s", re.IGNORECASE)


@dataclass(frozen=True)
class Attribute:
    """Something that may go with a concept.

    Attributes:
        name: as the user calls it.
        phrase: as it is put into wordings: "a mansion".
        prompt: what images of it are generated from: "a photo of a mansion".
        shown: where its frequency is read, `AXIS:CLASS` or the name of an object; empty: by its own name.
    """

    name: str
    phrase: str
    prompt: str
    shown: tuple[str, ...] = ()


def subject_of(concept: str) -> str:
    """What a concept is of, without the words that say it is a picture.

    >>> subject_of("a photo of a doctor"), subject_of("a wedding")
    ('a doctor', 'a wedding')
    """
    return FRAME.sub("", concept.strip())


def frame_of(concept: str) -> str:
    """The words before the subject; "a photo of " where the concept has none.

    >>> frame_of("a picture of a wedding"), frame_of("a wedding")
    ('a picture of ', 'a photo of ')
    """
    found = FRAME.match(concept.strip())
    return found.group(0) if found else "a photo of "


def with_article(phrase: str) -> str:
    """With "a" or "an" where the phrase is led by nothing and does not look like a plural.

    >>> with_article("mansion"), with_article("old house"), with_article("his house"), with_article("trees")
    ('a mansion', 'an old house', 'his house', 'trees')
    """
    if LED.match(phrase) or (phrase.endswith("s") and not phrase.endswith("ss")):
        return phrase
    return f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"


def attribute(name: str, concept: str, prompt: str | None = None, shown: Sequence[str] = ()) -> Attribute:
    """An attribute of a concept; its images are framed as the concept's own where no prompt is given."""
    phrase = with_article(name) if prompt is None else subject_of(prompt)
    return Attribute(name, phrase, prompt or f"{frame_of(concept)}{phrase}", tuple(shown))


def read_attributes(path: Path, concept: str) -> list[Attribute]:
    """A file of attributes: a line each, `mansion` or `mansion = a photo of a mansion`; or a TOML file.

    In a line `#` begins a comment. In TOML a table an attribute: `[mansion]` with `prompt = "…"` and
    `shown = ["house:mansion", "castle"]` (where its frequency is read).

    Raises:
        EquinoiseError: it cannot be read, names nothing, or names an attribute twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EquinoiseError(f"cannot read the attributes {path}: {reason}") from error
    found = _toml(path, text, concept) if path.suffix == ".toml" else _lines(text, concept)
    names = [entry.name for entry in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or not found:
        what = f"names '{twice}' twice" if twice else "names no attribute; give one a line"
        raise EquinoiseError(f"{path} {what}")
    return found


def _lines(text: str, concept: str) -> list[Attribute]:
    entries = [line.partition("#")[0].strip() for line in text.splitlines()]
    split = [entry.partition("=") for entry in entries if entry]
    return [attribute(name.strip(), concept, prompt.strip() or None) for name, _, prompt in split if name.strip()]


def _toml(path: Path, text: str, concept: str) -> list[Attribute]:
    try:
        tables: dict[str, Any] = tomllib.loads(text)
        return [
            attribute(name, concept, entry.get("prompt"), [str(place) for place in entry.get("shown", [])])
            for name, entry in tables.items()
        ]
    except (tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
        raise EquinoiseError(f"{path} is not a TOML file with a table an attribute: {error}") from error


def read_reference(path: Path) -> list[str]:
    """A reference vocabulary, a phrase a line.

    Raises:
        EquinoiseError: it cannot be read, or holds fewer than three phrases.
    """
    found = [entry.name for entry in read_attributes(path, "")]
    if len(found) < 3:
        raise EquinoiseError(f"{path} names {len(found)} phrases; a reference vocabulary needs at least three")
    return found
