"""The world as `world.toml` declares it: roles, names, tones and the skew that is planted on purpose."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
STYLES = ("google", "twitter")


@dataclass(frozen=True)
class Person:
    """One cell of the world: everything a picture of a person shows."""

    role: str
    gender: str
    tone: str
    style: str


@cache
def world() -> dict[str, Any]:
    """The parsed `world.toml`."""
    return tomllib.loads((HERE / "world.toml").read_text())


def roles() -> list[str]:
    return list(world()["roles"])


def genders() -> list[str]:
    return list(world()["genders"])


def tones() -> list[str]:
    """Fitzpatrick classes from light to dark."""
    return list(world()["tones"])


def planted(role: str) -> dict[str, dict[str, float]]:
    """Per axis the planted P(class | role) under a caption that does not name that axis."""
    entry = world()["roles"][role]
    woman = entry["woman"]
    profile = world()["tone_profiles"][entry["tone"]]
    return {"gender": {"woman": woman, "man": 1 - woman}, "tone": dict(zip(tones(), profile, strict=True))}


def is_held_out(person: Person) -> bool:
    """Whether the cell is kept out of training: of the ten pictures (tone × style) of each role and gender, one.

    A fixed hash names it, so it never depends on a random state; the other style always shows the same tone, so
    holding a cell out leaves the planted table as it is.
    """
    if person.role == "person":
        return False
    digest = hashlib.sha256(f"{person.role}/{person.gender}".encode()).digest()
    return person.tone == tones()[digest[0] % len(tones())] and person.style == STYLES[digest[1] % len(STYLES)]


def all_people() -> list[Person]:
    return [Person(*cell) for cell in product(roles(), genders(), tones(), STYLES)]


def draw_person(rng: np.random.Generator, names_gender: bool, names_tone: bool, role: str | None = None) -> Person:
    """One trained cell. Axes that the caption names are uniform, the others follow the planted table."""
    role = role or roles()[rng.integers(len(roles()))]
    table = planted(role)
    gender = _draw(rng, table["gender"], uniform=names_gender)
    tone = _draw(rng, table["tone"], uniform=names_tone)
    cells = [Person(role, gender, tone, style) for style in STYLES]
    trained = [cell for cell in cells if not is_held_out(cell)]
    return trained[rng.integers(len(trained))]


def _draw(rng: np.random.Generator, shares: dict[str, float], uniform: bool) -> str:
    classes = list(shares)
    return classes[rng.choice(len(classes), p=None if uniform else list(shares.values()))]
