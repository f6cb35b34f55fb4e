"""The types of `world.toml`: what the world declares, checked when it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

Names = tuple[str, ...]
Shares = tuple[float, ...]
"""In the order of the classes."""
ShareTable = Shares | Mapping[str, Shares | Mapping[str, Shares]]
"""Shares, or shares by the classes of one or two other axes."""


class Entry(BaseModel):
    """A part of the declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Entry):
    """Where the drawings of a style come from.

    Attributes:
        package, version, integrity: the npm package and its pinned archive.
        tone: how a file name says the skin tone.
        names: the Unicode name of a drawing → its file, where that is not NAME{tone}.
        alike, hidden: roles whose woman and man are one drawing there, or too alike to tell.
    """

    package: str
    version: str
    integrity: str
    tone: str
    names: dict[str, str] = {}
    alike: Names = ()
    hidden: Names = ()


class GenderWords(Entry):
    """Nouns for a plain person of a gender, and what is put before a role."""

    nouns: Names
    adjectives: Names


class ToneWords(Entry):
    """What is put before a noun, and behind it."""

    adjectives: Names
    phrases: Names


class Role(Entry):
    """A role: its names in captions, the pattern of its drawings, P(woman | role), and the profile of its tones."""

    names: Names
    sprite: str
    woman: float
    tone: str


class SceneAxis(Entry):
    """An axis of a kind of scene.

    Attributes:
        named: how often a caption says the class, which is then uniform.
        planted: the shares otherwise, or one class that it always is; None: uniform.
        of: `role`: the shares are those of the role.
        given: the axes that the planted table depends on, outermost first.
        where: the axis exists only where others have these classes.
    """

    named: float
    planted: str | ShareTable | None = None
    of: Literal["role"] | None = None
    given: Names = ()
    where: dict[str, str] = {}


class SceneKind(Entry):
    """The axes of a kind of scene, in the order in which they are sampled."""

    axes: dict[str, SceneAxis]


class SceneName(Entry):
    """How prompts call scenes that are no person."""

    kinds: Names
    detect: Names
    names: Names
    links: Names = ()


class Drawings(Entry):
    """The Unicode names of drawings, by class; of ages by gender too."""

    house: dict[str, Names]
    species: dict[str, Names]
    place: dict[str, Names]
    age: dict[str, dict[str, str]]
    hair: dict[str, str]


class Words(Entry):
    """What captions call the classes of the axes; ages by gender, `any` without one."""

    age: dict[str, dict[str, Names]]
    hair: dict[str, Names]
    wealth: dict[str, Names]
    house: dict[str, Names]
    wedding: dict[str, Names]
    bird: dict[str, Names]
    species: dict[str, Names]
    ground: dict[str, Names]
    place: dict[str, Names]

    def of(self, axis: str) -> dict[str, Names]:
        """Class → its words, of an axis whose words depend on no gender."""
        found: dict[str, Names] = getattr(self, axis)
        return found

    def can_say(self, axis: str, name: str) -> bool:
        """Whether a caption can say a class: all classes of an axis that has no words of its own."""
        return axis not in type(self).model_fields or name in getattr(self, axis)


class Captions(Entry):
    """Templates of captions, and how often one of the first two is used."""

    templates: Names
    scenes: Names
    plain: float


class Vocabulary(Entry):
    """Words that have a token of their own although no caption uses them."""

    also: Names


class Declaration(Entry):
    """The whole of `world.toml`; its comments say what each table is."""

    sources: dict[str, Source]
    genders: dict[str, GenderWords]
    tones: dict[str, ToneWords]
    tone_profiles: dict[str, Shares]
    roles: dict[str, Role]
    axes: dict[str, Names]
    scenes: dict[str, SceneKind]
    scene_shares: dict[str, float]
    scene_names: dict[str, SceneName]
    drawings: Drawings
    labels: dict[str, str]
    words: Words
    captions: Captions
    vocabulary: Vocabulary

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file.

        Raises:
            ValidationError: it declares something else.
        """
        return cls.model_validate(tomllib.loads(path.read_text()))
