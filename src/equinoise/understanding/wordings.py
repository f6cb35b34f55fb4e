"""Concepts and attributes in words: what is encoded, what is generated, and the reference they are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from equinoise.axes import same_name
from equinoise.errors import EquinoiseError
from equinoise.files import read_json, read_text
from equinoise.language import with_article
from equinoise.prompts import frame, subject
from equinoise.schemas import Strict, Text, checked, read_toml
from equinoise.tables import read_rows

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

MIXTURE_REFERENCE = (
    "a person", "a doctor", "a teacher", "an engineer", "a farmer", "a building", "a woman", "a man", "light skin",
    "medium skin", "dark skin", "a hut", "a derelict house", "a house", "a mansion",
)  # fmt: skip
"""The same for the mixture, which knows no other words."""


@dataclass(frozen=True)
class Attribute:
    """Something that may go with a concept.

    Attributes:
        name: by which results name it.
        phrase: as it is put into wordings: "a mansion".
        prompt: what images of it are generated from: "a photo of a mansion".
        shown: where its frequency is counted: `AXIS:CLASS`, or the name of an object; empty: by its own name.
    """

    name: str
    phrase: str
    prompt: str
    shown: tuple[str, ...] = ()

    @classmethod
    def named(cls, name: str, concept: str, prompt: str | None = None, shown: Sequence[str] = ()) -> Attribute:
        """An attribute of a concept; without a prompt its images are framed as the concept's own.

        >>> Attribute.named("mansion", "a picture of a man").prompt
        'a picture of a mansion'
        """
        phrase = with_article(name) if prompt is None else subject(prompt)
        return cls(name, phrase, prompt or f"{frame(concept)}{phrase}", tuple(shown))


Attributes = str | Path | Sequence[str | tuple[str, str] | Attribute]
"""Attributes as a user gives them: a file (see `read_attributes`), or names, (name, prompt) pairs and `Attribute`s."""


def settle_attributes(given: Attributes, concept: str) -> tuple[Attribute, ...]:
    """The attributes of a concept, each with its phrase and prompt.

    Raises:
        EquinoiseError: there is none, one is given twice, or a file cannot be read.
    """
    if isinstance(given, str | Path):
        return tuple(read_attributes(Path(given), concept))
    return tuple(_different([_settled(entry, concept) for entry in given], "the list of attributes"))


def _settled(entry: str | tuple[str, str] | Attribute, concept: str) -> Attribute:
    if isinstance(entry, Attribute):
        return entry
    name, prompt = (entry, None) if isinstance(entry, str) else entry
    return Attribute.named(name, concept, prompt)


class AttributeTable(Strict):
    """What a TOML or JSON file says of an attribute."""

    prompt: Text | None = None
    shown: list[Text] = Field(default_factory=list)


class AttributesFile(Strict):
    """A file of attributes, by name."""

    attributes: dict[Text, AttributeTable]


def read_attributes(path: Path, concept: str) -> list[Attribute]:
    """A file of attributes: a line each, `mansion` or `mansion = a photo of a mansion`; or TOML, JSON or CSV.

    In a line `#` begins a comment. In TOML a table an attribute: `[mansion]` with `prompt = "…"` and
    `shown = ["house:mansion", "castle"]` (where its frequency is counted). In JSON a list of names, or of objects with
    `name`, `prompt` and `shown`. In CSV the columns `name` and, if wanted, `prompt`.

    Raises:
        EquinoiseError: it cannot be read, has an unknown key, names nothing, or names an attribute twice.
    """
    kind = path.suffix.lower()
    if kind == ".toml":
        found = _tables(path, read_toml(path), concept)
    elif kind == ".json":
        found = _tables(path, _entries(path), concept)
    elif kind in (".csv", ".tsv"):
        rows = [row.values for row in read_rows(path, ["name"])]
        found = [Attribute.named(row["name"], concept, row.get("prompt") or None) for row in rows if row["name"]]
    else:
        found = _lines(read_text(path), concept)
    return _different(found, str(path))


def _different(found: list[Attribute], where: str) -> list[Attribute]:
    names = Counter(same_name(entry.name) for entry in found)
    twice = next((entry.name for entry in found if names[same_name(entry.name)] > 1), None)
    if twice is not None or not found:
        what = f"names '{twice}' twice" if found else "names no attribute; give one a line"
        raise EquinoiseError(f"{where} {what}")
    return found


def _lines(text: str, concept: str) -> list[Attribute]:
    entries = [line.partition("#")[0].strip() for line in text.splitlines()]
    split = [entry.partition("=") for entry in entries if entry]
    return [Attribute.named(name.strip(), concept, prompt.strip() or None) for name, _, prompt in split if name.strip()]


def _tables(path: Path, tables: object, concept: str) -> list[Attribute]:
    read = checked(AttributesFile, {"attributes": tables}, str(path), path)
    return [Attribute.named(name, concept, entry.prompt, entry.shown) for name, entry in read.attributes.items()]


def _entries(path: Path) -> object:
    """A list of names or objects as tables by name; what is neither is left for the schema to refuse."""
    content = read_json(path)
    if not isinstance(content, list):
        return content
    entries = [{"name": entry} if isinstance(entry, str) else entry for entry in content]
    if not all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries):
        raise EquinoiseError(f'{path} is no list of names or of objects with a name, such as [{{"name": "mansion"}}]')
    _different([Attribute(entry["name"], "", "") for entry in entries], str(path))
    return {entry["name"]: {key: value for key, value in entry.items() if key != "name"} for entry in entries}


def read_reference(path: Path) -> list[str]:
    """A reference vocabulary, a phrase a line.

    Raises:
        EquinoiseError: it cannot be read, or holds fewer than three phrases.
    """
    found = [entry.name for entry in read_attributes(path, "")]
    if len(found) < 3:
        raise EquinoiseError(f"{path} names {len(found)} phrases; a reference vocabulary needs at least three")
    return found
