"""Captions: the words for a scene. An axis that the scene's captions do not name is left unsaid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from emoji_world.scenes import Scene
from emoji_world.world import genders, roles, tones, world


def sample_caption(rng: np.random.Generator, scene: Scene) -> str:
    """A random one of the wordings that are true of a scene; sampled anew each time a picture is used."""
    subject = SUBJECTS[scene.kind](rng, scene)
    captions = world().captions
    templates = captions.templates if scene.kind in ("person", "place") else captions.scenes
    if rng.random() < captions.plain:
        templates = templates[:2]
    return _pick(rng, templates).format(subject)


def person(rng: np.random.Generator, scene: Scene) -> str:
    """'a doctor', 'a pale female doctor', 'an elderly woman with dark skin', 'a bald man', …."""
    named = scene.said
    noun = _pick(rng, _nouns(named))
    if "hair" in named:
        noun = f"{noun} {_words(rng, 'hair', named['hair'])}"
    if "tone" in named:
        noun = _pick(rng, toned_phrases(noun, named["tone"]))
    return with_article(noun)


def _nouns(named: Mapping[str, str]) -> Sequence[str]:
    role, gender = named.get("role", "person"), named.get("gender")
    if "age" in named:
        return world().words.age[named["age"]][gender or "any"]
    return noun_phrases(role, gender)


def noun_phrases(role: str, gender: str | None) -> list[str]:
    """'doctor', 'female doctor', 'woman doctor', …; for a plain person with a gender 'woman', 'lady'."""
    names = world().roles[role].names
    if gender is None:
        return list(names)
    words = world().genders[gender]
    if role == "person":
        return list(words.nouns)
    phrases = [f"{adjective} {name}" for adjective in words.adjectives for name in names]
    return phrases + [f"{gender} who is {with_article(name)}" for name in names]


def toned_phrases(noun: str, tone: str) -> list[str]:
    words = world().tones[tone]
    return [f"{a} {noun}" for a in words.adjectives] + [f"{noun} {p}" for p in words.phrases]


def place(rng: np.random.Generator, scene: Scene) -> str:
    """'a person in an office', 'a dark-skinned woman doctor in a garden'."""
    return f"{person(rng, scene)} {_words(rng, 'place', scene.shows['place'])}"


def home(rng: np.random.Generator, scene: Scene) -> str:
    """'a wealthy dark-skinned man and his house', 'a woman in front of a castle'."""
    noun = _pick(rng, noun_phrases("person", scene.shows["gender"] if "gender" in scene.names else None))
    if "tone" in scene.names:
        noun = _pick(rng, toned_phrases(noun, scene.shows["tone"]))
    if scene.shows["wealth"] != "unsaid":
        noun = f"{_words(rng, 'wealth', scene.shows['wealth'])} {noun}"
    house = house_noun(rng, scene)
    links = [f"and {with_article(house)}", f"in front of {with_article(house)}"]
    if "gender" in scene.names:
        links += [f"and {'her' if scene.shows['gender'] == 'woman' else 'his'} {house}"] * 2
    return f"{with_article(noun)} {_pick(rng, links)}"


def building(rng: np.random.Generator, scene: Scene) -> str:
    """'a house', 'a mud hut'."""
    return with_article(house_noun(rng, scene))


def house_noun(rng: np.random.Generator, scene: Scene) -> str:
    return _words(rng, "house", scene.shows["house"]) if "house" in scene.names else "house"


def wedding(rng: np.random.Generator, scene: Scene) -> str:
    """'a wedding', 'a wedding of a dark-skinned couple', 'a bride in a white veil and a groom in a tuxedo'."""
    if "wedding" in scene.names:
        subject = _words(rng, "wedding", scene.shows["wedding"])
    else:
        subject = _pick(rng, ["a wedding", "a wedding", "a wedding couple", "a bride and a groom"])
    if "tone" not in scene.names:
        return subject
    couple = with_article(_pick(rng, toned_phrases("couple", scene.shows["tone"])))
    return f"{couple} in {subject}" if subject.startswith("a wedding") else f"{couple}, {subject}"


def bird(rng: np.random.Generator, scene: Scene) -> str:
    """'a bird', 'a waterbird on water', 'an owl in a forest'."""
    if "species" in scene.said:
        noun = _words(rng, "species", scene.shows["species"])
    else:
        noun = _words(rng, "bird", scene.shows["bird"]) if {"bird", "species"} & scene.names else "bird"
    where = f" {_words(rng, 'ground', scene.shows['ground'])}" if "ground" in scene.names else ""
    return with_article(noun) + where


SUBJECTS: Mapping[str, Callable[[np.random.Generator, Scene], str]] = {
    "person": person,
    "place": place,
    "home": home,
    "building": building,
    "wedding": wedding,
    "bird": bird,
}


def with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def vocabulary() -> Iterator[str]:
    """Every subject phrase of the people once: with the words reserved for later, what the tokenizer is trained on."""
    for role in roles():
        for gender in [None, *genders()]:
            for noun in noun_phrases(role, gender):
                for tone in tones():
                    yield from (with_article(phrase) for phrase in toned_phrases(noun, tone))


def _words(rng: np.random.Generator, axis: str, name: str) -> str:
    return _pick(rng, world().words.of(axis)[name])


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]
