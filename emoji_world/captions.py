"""Captions: the words for a person, with or without gender and tone named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emoji_world.world import Person, draw_person, genders, roles, tones, world


@dataclass(frozen=True)
class Scene:
    """A person and which of the axes the captions of its picture name."""

    person: Person
    names_gender: bool
    names_tone: bool


def draw_scene(rng: np.random.Generator) -> Scene:
    """First what the caption will name, then a person: uniform on the named axes, planted on the others."""
    odds = world()["captions"]
    names_gender = bool(rng.random() < odds["names_gender"])
    names_tone = bool(rng.random() < odds["names_tone"])
    return Scene(draw_person(rng, names_gender, names_tone), names_gender, names_tone)


def draw_caption(rng: np.random.Generator, scene: Scene) -> str:
    """One of the true wordings; drawn anew each time a picture is used."""
    person = scene.person
    subject = _pick(rng, noun_phrases(person.role, person.gender if scene.names_gender else None))
    if scene.names_tone:
        subject = _pick(rng, toned_phrases(subject, person.tone))
    return _pick(rng, world()["captions"]["templates"]).format(with_article(subject))


def noun_phrases(role: str, gender: str | None) -> list[str]:
    """'doctor', 'female doctor', 'woman doctor', …; for a plain person with a gender 'woman', 'lady'."""
    names = world()["roles"][role]["names"]
    if gender is None:
        return list(names)
    words = world()["genders"][gender]
    if role == "person":
        return list(words["nouns"])
    phrases = [f"{adjective} {name}" for adjective in words["adjectives"] for name in names]
    return phrases + [f"{gender} who is {with_article(name)}" for name in names]


def toned_phrases(noun: str, tone: str) -> list[str]:
    words = world()["tones"][tone]
    return [f"{a} {noun}" for a in words["adjectives"]] + [f"{noun} {p}" for p in words["phrases"]]


def with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def vocabulary() -> Iterator[str]:
    """Every subject phrase once: what the tokenizer learns its words from."""
    for role in roles():
        for gender in [None, *genders()]:
            for noun in noun_phrases(role, gender):
                for tone in tones():
                    yield from (with_article(phrase) for phrase in toned_phrases(noun, tone))


def _pick(rng: np.random.Generator, items: list[str]) -> str:
    return items[rng.integers(len(items))]
