"""The world as `world.toml` declares it: axes, classes, words and the skew that is planted on purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from emoji_world.declaration import Declaration, Shares, ShareTable

HERE = Path(__file__).parent
STYLES = ("google", "twitter", "fluent")


@dataclass(frozen=True)
class Person:
    """One cell of the world: a person of a role in one drawing style."""

    role: str
    gender: str
    tone: str
    style: str


@cache
def world() -> Declaration:
    """What `world.toml` declares."""
    return Declaration.read(HERE / "world.toml")


def roles() -> list[str]:
    return list(world().roles)


def genders() -> list[str]:
    return list(world().genders)


def tones() -> list[str]:
    """Fitzpatrick classes from light to dark."""
    return list(world().tones)


def kinds() -> list[str]:
    """The kinds of scene."""
    return list(world().scenes)


def classes(axis: str) -> list[str]:
    """The classes of an axis, in order."""
    known = {"role": roles, "gender": genders, "tone": tones}
    return known[axis]() if axis in known else list(world().axes[axis])


def planted(role: str) -> dict[str, dict[str, float]]:
    """Per axis the planted P(class | role) under a caption that does not name that axis."""
    entry = world().roles[role]
    profile = world().tone_profiles[entry.tone]
    return {"gender": {"woman": entry.woman, "man": 1 - entry.woman}, "tone": dict(zip(tones(), profile, strict=True))}


def planted_scene(kind: str, axis: str, shown: Mapping[str, str]) -> dict[str, float]:
    """The planted P(class | classes of earlier axes) of an axis of a scene, under a caption that does not name it."""
    entry = world().scenes[kind].axes[axis]
    if entry.of == "role":
        return planted(shown["role"])[axis]
    if isinstance(entry.planted, str):
        return {name: float(name == entry.planted) for name in classes(axis)}
    if entry.planted is None:
        return dict.fromkeys(classes(axis), 1 / len(classes(axis)))
    shares = _shares(entry.planted, [shown[parent] for parent in entry.given])
    return dict(zip(classes(axis), shares, strict=True))


def _shares(table: ShareTable, parents: list[str]) -> Shares:
    """The shares given the classes of the parent axes, outermost first; between two ends of tone interpolated."""
    if isinstance(table, tuple):
        return table
    parent, *rest = parents
    if parent in table:
        return _shares(table[parent], rest)
    place = tones().index(parent) / (len(tones()) - 1)
    ends = zip(_shares(table["light"], rest), _shares(table["dark"], rest), strict=True)
    return tuple((1 - place) * light + place * dark for light, dark in ends)


def is_held_out(person: Person) -> bool:
    """Whether the cell is left out of the denoiser's training, whatever the scene: one tenth of those with a role.

    A fixed hash names it, so it never depends on a random state; another style always shows the same tone, so
    holding a cell out leaves the planted table as it is. Each role and gender lose one of the ten pictures of the
    first two styles, and every second one of them one of the third style. Roles drawn in one style alone lose none.
    """
    if person.role == "person" or len(styles_of(person.role)) == 1:
        return False
    digest = hashlib.sha256(f"{person.role}/{person.gender}".encode()).digest()
    if person.style == "fluent":
        lost = (digest[0] + 1 + digest[3] % 4) % len(tones())
        return (roles().index(person.role) + genders().index(person.gender)) % 2 == 0 and person.tone == tones()[lost]
    return person.tone == tones()[digest[0] % len(tones())] and person.style == STYLES[digest[1] % 2]


def styles_of(role: str) -> list[str]:
    """The styles that show a role's gender: in others its woman and its man are one drawing, or too alike to tell."""
    sources = world().sources
    return [style for style in STYLES if not is_one_drawing(style, role) and role not in sources[style].hidden]


def is_one_drawing(style: str, role: str) -> bool:
    """Whether a style is declared to have one and the same drawing for the woman and the man of a role."""
    return role in world().sources[style].alike


def all_people() -> list[Person]:
    """Every cell that can be drawn."""
    cells = product(roles(), genders(), tones())
    return [Person(role, gender, tone, style) for role, gender, tone in cells for style in styles_of(role)]


def object_labels() -> list[str]:
    """What the object detector can see, in a fixed order."""
    called = world().labels
    people = {"woman", "man", "child", "bride", "groom", "tree"}
    return sorted(
        {*called.values(), *classes("bird"), *people, *(called.get(house, house) for house in classes("house"))}
    )
