"""Prompts taken apart and made: the subject of a concept, and the concept with a class of an axis named in it.

Directions are collected from prompts that name the classes. Those of the concept itself ("a photo of a woman doctor"
for "a photo of a doctor") fit it better than the axis's own ("a photo of a woman"). They are made where the concept
names no class already and has a noun that the axis is a property of. That is the first of these with which all the
classes go:

- a noun for which the classes declare what stands `instead`: "a man and his house" → "a man and his hut";
- the concept's first noun, where the classes declare words `before` or `behind` it. It must be one of the axis's
  `nouns`; an axis that declares none is of people, and goes with any noun that is not known to name something else
  (`language.NOT_PEOPLE`). `before` follows the adjectives: "an old office worker" → "an old woman office worker".
  `behind` follows the noun: "a bird by a tree" → "a bird on land by a tree".

Otherwise the axis's own prompts are used, and the reason is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from equinoise.axes import Axis, Naming
from equinoise.errors import EquinoiseError
from equinoise.language import AGREEING, COLLECTIVES, NOT_PEOPLE, NounPhrase, article, holds, noun_phrases, plural

FRAME = re.compile(
    r"^(?:an?|the)\s+(?:[\w-]+\s+){0,2}?(?:photo|photograph|picture|image|portrait|painting|drawing)s?\s+of\s+(?=\S)",
    re.IGNORECASE,
)
MEDIA = frozenset((
    "photo", "photograph", "picture", "image", "portrait", "painting", "drawing", "sketch", "illustration", "headshot",
    "close-up", "closeup", "snapshot", "shot", "view", "rendering", "render", "selfie",
))  # fmt: skip
ARTICLE = re.compile(r"\b(an?)(?=\s+$)", re.IGNORECASE)


@dataclass(frozen=True)
class ClassPrompts:
    """The prompts that show the classes of an axis.

    Attributes:
        prompts: class → prompt.
        origin: whether they were made from the concept, or are the axis's own.
        note: in one line which prompts these are, and where they are the axis's own, why.
    """

    prompts: Mapping[str, str]
    origin: Literal["concept", "axis"]
    note: str


def class_prompts(concept: str, axis: Axis, classes: Sequence[str] | None = None) -> ClassPrompts:
    """A prompt for each class (by default all) of an axis, made from a neutral concept where that can be done.

    >>> from equinoise.axes import load_axis
    >>> class_prompts("a photo of an engineer", load_axis("gender")).prompts
    {'woman': 'a photo of a woman engineer', 'man': 'a photo of a man engineer'}
    >>> class_prompts("a photo of a man", load_axis("age"), ["child", "elder"]).prompts
    {'child': 'a photo of a boy', 'elder': 'a photo of an elderly man'}
    >>> class_prompts("a picture of a wedding", load_axis("gender")).origin
    'axis'

    Raises:
        EquinoiseError: the axis has no such class, or no prompt can be made and the axis has none of its own.
    """
    labels = [axis.require(label) for label in classes or axis.classes]
    phrases = _subjects(concept)
    noun = _noun(phrases, axis, labels)
    reason = _named(concept, axis) or ("" if noun else _missing(phrases, axis, labels))
    if noun and not reason:
        made = {label: _with(concept, noun, axis.naming[label]) for label in labels}
        return ClassPrompts(made, "concept", f"{axis.name}: prompts made from the concept: {_listed(made)}")
    if lacking := [label for label in labels if not axis.generate.get(label)]:
        raise EquinoiseError(
            f"axis '{axis.name}' has no prompts, and {reason}; name one for each of {', '.join(lacking)}"
        )
    own = {label: axis.generate[label][0] for label in labels}
    return ClassPrompts(own, "axis", f"{axis.name}: the axis's own prompts, because {reason}: {_listed(own)}")


def choose_prompts(
    axis: Axis,
    concept: str | None = None,
    given: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
) -> ClassPrompts:
    """A prompt for each class: as given, else made from the concept, else the axis's own.

    Raises:
        EquinoiseError: an unknown class, an empty prompt, or fewer than two classes.
    """
    chosen = [axis.require(name) for name in classes] if classes else list(axis.classes)
    if len(set(chosen)) < 2:
        raise EquinoiseError("--classes needs at least two different classes, such as light,dark")
    for name, text in (given or {}).items():
        if axis.require(name) not in chosen:
            raise EquinoiseError(f"--prompt names '{name}', which --classes leaves out")
        if not text.strip():
            raise EquinoiseError(f"--prompt of '{name}' is empty; give CLASS=TEXT, such as {name}='a photo of …'")
    if given and set(given) >= set(chosen):
        return ClassPrompts({name: given[name] for name in chosen}, "axis", f"{axis.name}: prompts as given")
    if concept is not None:
        found = class_prompts(concept, axis, chosen)
    else:
        own = {name: axis.generate[name][0] for name in chosen}
        found = ClassPrompts(own, "axis", f"{axis.name}: the axis's own prompts")
    return replace(found, prompts={**found.prompts, **(given or {})})


def subject(concept: str) -> str:
    """What a concept is of, without the words that say it is a picture.

    >>> subject("a photo of a doctor"), subject("a wedding")
    ('a doctor', 'a wedding')
    """
    return FRAME.sub("", concept.strip())


def frame(concept: str) -> str:
    """The words before the subject; "a photo of " where the concept has none.

    >>> frame("a picture of a wedding"), frame("a wedding")
    ('a picture of ', 'a photo of ')
    """
    found = FRAME.match(concept.strip())
    return found.group(0) if found else "a photo of "


def _named(concept: str, axis: Axis) -> str:
    """Why a concept is not neutral on an axis; empty where it is. Of several words found the longest is given."""
    said = [(word, label) for label in axis.classes for word in axis.names(label) if holds(concept, word)]
    single = [(word, label) for word, label in said if word in (axis.words.get(label) or (label,))]
    word, label = max(single or said, key=lambda entry: len(entry[0]), default=("", ""))
    return f"'{word}' in the concept names {label}" if said else ""


def _missing(phrases: Sequence[NounPhrase], axis: Axis, labels: Sequence[str]) -> str:
    """Why no noun was found."""
    if not all(label in axis.naming for label in labels):
        return "the axis does not say how a concept names its classes (before, behind, instead)"
    nouns = axis.nouns or tuple(dict.fromkeys(noun for naming in axis.naming.values() for noun in naming.instead))
    if axis.nouns or not any(naming.before or naming.behind for naming in axis.naming.values()):
        return f"the concept names no {' or '.join(nouns[:3])}"
    return f"the concept's first noun, '{phrases[0].noun}', is no person" if phrases else "the concept has no noun"


def _noun(phrases: Sequence[NounPhrase], axis: Axis, labels: Sequence[str]) -> NounPhrase | None:
    """The noun with which all the classes can be named."""
    namings = [axis.naming.get(label, Naming()) for label in labels]
    for index, phrase in enumerate(phrases):
        fits = index == 0 and (phrase.noun in axis.nouns if axis.nouns else phrase.noun not in NOT_PEOPLE)
        if all(phrase.noun in naming.instead or (fits and (naming.before or naming.behind)) for naming in namings):
            return phrase
    return None


def _subjects(concept: str) -> list[NounPhrase]:
    """The noun phrases of a concept without those that lead to its subject: "a close-up photo of", "a group of"."""
    found = noun_phrases(concept)
    while (
        found and found[0].noun in MEDIA | COLLECTIVES and re.match(r"\s+of\s", concept[found[0].end :], re.IGNORECASE)
    ):
        found = found[1:]
    return found


def _with(concept: str, phrase: NounPhrase, naming: Naming) -> str:
    """The concept with a class named at one of its nouns."""
    if phrase.noun in naming.instead:
        words = naming.instead[phrase.noun]
        return _put(concept, phrase.head, plural(words) if phrase.plural else words, phrase.end)
    if naming.before:
        words = AGREEING.get(naming.before, naming.before) if phrase.plural else naming.before
        return _put(concept, phrase.name, f"{words} ", phrase.name)
    return f"{concept[: phrase.end]} {naming.behind}{concept[phrase.end :]}"


def _put(text: str, start: int, words: str, end: int) -> str:
    """Words in place of a stretch of text; an article right before it is made to fit."""
    before = ARTICLE.sub(lambda found: _cased(article(words), found.group()), text[:start])
    return f"{before}{words}{text[end:]}"


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word


def _listed(prompts: Mapping[str, str]) -> str:
    return "; ".join(f"{label} = {text}" for label, text in prompts.items())
