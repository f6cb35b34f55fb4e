"""Axes: what may be skewed, its classes, and the prompts that generate and that detect each class."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError

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
        name one class only.

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
    if path.suffix != ".toml":
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
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EquinoiseError(f"cannot read axis file {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EquinoiseError(f"{path} is not valid TOML: {error}") from error
    return {name: _parse(name, table, path) for name, table in tables.items()}


def _parse(name: str, table: Any, path: Path) -> Axis:
    try:
        classes = table["classes"]
        prompts = {
            kind: {label: tuple(str(text) for text in entry[kind]) for label, entry in classes.items()}
            for kind in ("generate", "detect")
        }
        templates = [str(template) for template in table.get("templates", ["{}"])]
        prompts["detect"] = {label: _ensemble(templates, texts) for label, texts in prompts["detect"].items()}
        words = {label: tuple(str(word) for word in entry.get("words", ())) for label, entry in classes.items()}
        axis = Axis(
            name=name,
            classes=tuple(classes),
            ordered=bool(table.get("ordered", False)),
            generate=prompts["generate"],
            detect=prompts["detect"],
            words=words,
            naming={label: _naming(name, label, entry, path) for label, entry in classes.items() if _names(entry)},
            nouns=tuple(str(noun) for noun in table.get("nouns", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise EquinoiseError(
            f"axis '{name}' in {path} needs classes.NAME = {{ generate = [...], detect = [...] }}: {error}"
        ) from error
    if not isinstance(table.get("nouns", []), list):
        raise EquinoiseError(f"axis '{name}' in {path}: `nouns` needs a list, such as ['house', 'home']")
    if not all(template.count("{}") == 1 for template in templates):
        raise EquinoiseError(f"axis '{name}' in {path} has a template without its one {{}} for the wording")
    if UNCLEAR in axis.classes:
        raise EquinoiseError(
            f"axis '{name}' in {path} has a class '{UNCLEAR}', which is what an image without a class is"
        )
    if len(axis.classes) < 2:
        raise EquinoiseError(f"axis '{name}' in {path} needs at least two classes")
    if not all(prompts[kind][label] for kind in prompts for label in axis.classes):
        raise EquinoiseError(f"axis '{name}' in {path} has a class without prompts")
    return axis


def _names(entry: Mapping[str, Any]) -> bool:
    return any(kind in entry for kind in ("before", "behind", "instead"))


def _naming(name: str, label: str, entry: Mapping[str, Any], path: Path) -> Naming:
    before, behind, instead = entry.get("before", ""), entry.get("behind", ""), entry.get("instead", {})
    if not (isinstance(before, str) and isinstance(behind, str)):
        raise EquinoiseError(f"axis '{name}' in {path}: `before` and `behind` of class '{label}' must be texts")
    if not (isinstance(instead, dict) and all(isinstance(text, str) for text in instead.values())):
        raise EquinoiseError(
            f"axis '{name}' in {path}: `instead` of class '{label}' needs {{ NOUN = TEXT }}, as {{ person = 'woman' }}"
        )
    return Naming(before.strip(), behind.strip(), {noun.lower(): text.strip() for noun, text in instead.items()})


def _ensemble(templates: list[str], wordings: tuple[str, ...]) -> tuple[str, ...]:
    """Every wording in every template."""
    return tuple(template.replace("{}", wording) for wording in wordings for template in templates)
