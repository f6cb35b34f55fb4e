"""Axes: what may be skewed, its classes, and the prompts that generate and that detect each class."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from pydantic import Field, field_validator

from equinoise.errors import EquinoiseError
from equinoise.schemas import Strict, Text, Texts, checked, read_toml

UNCLEAR = "unclear"
"""What an image is read as that shows no class of an axis plainly; never a class itself."""
UNCLEAR_INDEX = -1
"""The number that stands for `UNCLEAR` in arrays of class numbers."""

CATALOGUE = Path(__file__).with_name("axes.toml")


def same_name(text: object) -> str:
    """What two spellings of one name share: case, outer and double spaces and the Unicode form do not count.

    >>> same_name(" Gender") == same_name("gender"), same_name(0) == same_name("0")
    (True, True)
    """
    return " ".join(one_form(str(text)).casefold().split())


def one_form(text: str) -> str:
    """The text in the Unicode form NFC, in which an accent is part of its letter.

    >>> one_form("e\u0301") == "\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class Naming:
    """How a concept is made to name a class; see `equinoise.prompts`.

    Attributes:
        before: words before the noun: "woman" makes "a woman doctor" of "a doctor".
        behind: words behind the noun: "on land" makes "a bird on land" of "a bird".
        instead: noun → what takes its place: "person" → "woman" makes "a woman" of "a person".
    """

    before: str = ""
    behind: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Axis:
    """An axis and its declared classes, in order.

    Attributes:
        name: for example `gender`.
        classes: the declared classes; what is not declared is never counted.
        ordered: whether the classes form a scale (skin tone), which then has one direction with two signs.
        generate: per class the prompts that show it.
        detect: per class the prompts that a zero-shot detector compares an image with.
        words: per class the words by which a prompt names it; where none are declared, the name of the class.
        naming: per class how a concept is made to name it; empty: prompts of this axis are not made from concepts.
        nouns: the nouns that `before` and `behind` of `naming` go with; empty: people.
    """

    name: str
    classes: tuple[str, ...]
    ordered: bool
    generate: Mapping[str, tuple[str, ...]]
    detect: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    naming: Mapping[str, Naming] = field(default_factory=dict)
    nouns: tuple[str, ...] = ()

    def names(self, label: str) -> tuple[str, ...]:
        """What a prompt says that asks for a class: its words, and its prompts as a whole.

        >>> load_axis("gender").names("man")[:3]
        ('man', 'men', 'male')
        """
        words = self.words.get(label) or (label,)
        return tuple(dict.fromkeys([*words, *self.generate.get(label, ()), *self.detect.get(label, ())]))

    @property
    def digest(self) -> str:
        """A short hash of the classes and their prompts: an axis edited under the same name is another axis."""
        content = [
            self.name,
            self.ordered,
            [(c, self.generate.get(c, ()), self.detect.get(c, ())) for c in self.classes],
        ]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]

    def match(self, text: object) -> str | None:
        """The class that a text from a table names, by `same_name`; `unclear` too. None where it names none.

        Where no class is called so, its `words` count, and then a hyphen or an underscore for a space, as far as they
        name one class only: "boy" names a class of gender and one of age, so it names neither here.

        >>> load_axis("gender").match(" Woman "), load_axis("gender").match("Female"), load_axis("gender").match("x")
        ('woman', 'woman', None)
        """
        if text in self.classes:
            return str(text)
        plain = same_name(text)
        return self._spellings.get(plain) or self._spellings.get(_spaced(plain))

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        """What names a class in a table → the class; the first kind of name that is there counts."""
        own = [(same_name(name), name) for name in (*self.classes, UNCLEAR)]
        words = [(same_name(word), label) for label in self.classes for word in self.words.get(label, ())]
        words = [(word, label) for word, label in words if _meanings().get(word, {label}) == {label}]
        found: dict[str, str] = {}
        for names in (own, words, [(_spaced(text), label) for text, label in own + words]):
            meant: dict[str, set[str]] = {}
            for text, label in names:
                meant.setdefault(text, set()).add(label)
            found = {text: next(iter(labels)) for text, labels in meant.items() if len(labels) == 1} | found
        return found

    def require(self, name: str) -> str:
        """`name` if it is a class of this axis.

        Raises:
            EquinoiseError: it is not.
        """
        if name not in self.classes:
            raise EquinoiseError(self.lacks(name))
        return name

    def lacks(self, name: str) -> str:
        """What is said of a name that is none of the classes."""
        return f"axis '{self.name}' has no class '{name}'; it has {', '.join(self.classes)}"


@cache
def _meanings() -> Mapping[str, set[str]]:
    """Word → the classes of the catalogue that it names, on any axis."""
    found: dict[str, set[str]] = {}
    for axis in catalogue().values():
        for label in axis.classes:
            for word in (label, *axis.words.get(label, ())):
                found.setdefault(same_name(word), set()).add(label)
    return found


def _spaced(text: str) -> str:
    return " ".join(text.replace("_", " ").replace("-", " ").split())


def load_axis(name_or_file: str) -> Axis:
    """An axis of the catalogue by name, or the only axis of a TOML file laid out like `axes.toml`.

    Raises:
        EquinoiseError: no such axis or file, or the file does not declare one axis.
    """
    if name_or_file in catalogue():
        return catalogue()[name_or_file]
    path = Path(name_or_file)
    if path.suffix.lower() != ".toml":
        names = ", ".join(catalogue())
        raise EquinoiseError(f"no axis '{name_or_file}'; use one of {names}, or a .toml file that declares another")
    axes = _read(path)
    if len(axes) != 1:
        raise EquinoiseError(f"{path} declares {len(axes)} axes; keep one axis a file")
    return next(iter(axes.values()))


@cache
def catalogue() -> dict[str, Axis]:
    """The built-in axes by name."""
    return _read(CATALOGUE)


def _read(path: Path) -> dict[str, Axis]:
    return {name: _parse(name, table, path) for name, table in read_toml(path).items()}


class ClassTable(Strict):
    """A class in an axis file."""

    generate: Texts
    detect: Texts
    words: list[Text] = Field(default_factory=list)
    before: str = ""
    behind: str = ""
    instead: dict[Text, str] = Field(default_factory=dict)

    @property
    def naming(self) -> Naming | None:
        """How a concept is made to name the class; None where nothing is said of it."""
        if not self.model_fields_set & {"before", "behind", "instead"}:
            return None
        instead = {noun.lower(): text.strip() for noun, text in self.instead.items()}
        return Naming(self.before.strip(), self.behind.strip(), instead)


class AxisTable(Strict):
    """An axis in an axis file."""

    classes: dict[Text, ClassTable]
    ordered: bool = False
    nouns: list[Text] = Field(default_factory=list)
    templates: Texts = Field(default_factory=lambda: ["{}"])

    @field_validator("templates")
    @classmethod
    def _one_place(cls, templates: list[str]) -> list[str]:
        if not all(template.count("{}") == 1 for template in templates):
            raise ValueError("a template without its one {} for the wording")
        return templates

    @field_validator("classes")
    @classmethod
    def _different(cls, classes: dict[str, ClassTable]) -> dict[str, ClassTable]:
        plain = [same_name(name) for name in classes]
        if UNCLEAR in plain:
            raise ValueError(f"a class '{UNCLEAR}', which is what an image without a class is")
        if len(set(plain)) < max(2, len(plain)):
            raise ValueError("needs at least two classes, which differ in more than case and spaces")
        return classes


def _parse(name: str, table: object, path: Path) -> Axis:
    try:
        read = checked(AxisTable, table, str(path), path)
    except EquinoiseError as error:
        layout = "classes.NAME = { generate = ['…'], detect = ['…'] }"
        raise EquinoiseError(f"{error}; axis '{name}' needs {layout}") from error
    detect = {label: _ensemble(read.templates, entry.detect) for label, entry in read.classes.items()}
    return Axis(
        name=name,
        classes=tuple(read.classes),
        ordered=read.ordered,
        generate={label: tuple(entry.generate) for label, entry in read.classes.items()},
        detect=detect,
        words={label: tuple(entry.words) for label, entry in read.classes.items()},
        naming={label: entry.naming for label, entry in read.classes.items() if entry.naming},
        nouns=tuple(read.nouns),
    )


def _ensemble(templates: Sequence[str], wordings: Sequence[str]) -> tuple[str, ...]:
    """Every wording in every template."""
    return tuple(template.replace("{}", wording) for wording in wordings for template in templates)
