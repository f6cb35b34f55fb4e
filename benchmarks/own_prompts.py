"""Prompts of a concept with a class named in them: what directions are collected from that are the concept's own.

"a photo of a doctor" and gender: "a photo of a woman doctor", "a photo of a man doctor".
"""

from __future__ import annotations

from emoji_world.captions import toned_phrases, with_article
from emoji_world.world import world
from equinoise.axes import Axis


def own_prompts(axis: Axis, concept: str) -> dict[str, str]:
    """Class → prompt. Where the catalogue's prompts are of the concept already (weddings, birds) these."""
    opening, _, noun = concept.partition(" of ")
    noun = noun.split(" ", 1)[1]
    named = {name: _named(axis.name, name, noun) for name in axis.classes}
    return {
        name: f"{opening} of {with_article(said)}" if said else axis.generate[name][0] for name, said in named.items()
    }


def _named(axis: str, label: str, noun: str) -> str | None:
    if axis == "gender":
        return label if noun == "person" else f"{label} {noun}"
    if axis == "tone" and " and " in noun:  # a wealthy man and his house
        return noun.replace("man", toned_phrases("man", label)[0], 1)
    if axis == "tone" and noun != "wedding":
        return toned_phrases(noun, label)[0]
    if axis == "house":
        return noun.removesuffix("house") + world().words.of("house")[label][0]
    if axis == "ground":
        return f"{noun} {world().words.of('ground')[label][0]}"
    return None
