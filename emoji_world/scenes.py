"""Scenes: what a picture shows and which of it a caption names, sampled from the planted tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from emoji_world.world import Person, is_held_out, kinds, planted_scene, styles_of, world


@dataclass(frozen=True)
class Scene:
    """A kind of scene, the drawing style, the class it shows of each of its axes, and the axes its captions name."""

    kind: str
    style: str
    shows: Mapping[str, str]
    names: frozenset[str]

    @property
    def said(self) -> dict[str, str]:
        """Axis → class of everything that the captions say; some classes ("plain" hair) have no words."""
        return {a: self.shows[a] for a in sorted(self.names) if world().words.can_say(a, self.shows[a])}

    @property
    def person(self) -> Person:
        """The person shown; plain where the scene has no role."""
        shows = self.shows
        return Person(shows.get("role", "person"), shows.get("gender", "woman"), shows["tone"], self.style)


def sample_scene(rng: np.random.Generator, kind: str | None = None) -> Scene:
    """Axis by axis: first whether the caption names it, then a class, uniform if named and planted if not."""
    kind = kind or _sample(rng, {name: world().scene_shares[name] for name in kinds()})
    shows: dict[str, str] = {}
    names = set()
    for axis, entry in world().scenes[kind].axes.items():
        if any(shows.get(other) != wanted for other, wanted in entry.where.items()):
            continue
        named = bool(rng.random() < entry.named)
        shows[axis] = sample_class(rng, kind, axis, shows, named)
        if named:
            names.add(axis)
    _no_grown_up_children(shows, names)
    return Scene(kind, _style(rng, shows), shows, frozenset(names))


def sample_held_out(rng: np.random.Generator) -> Scene:
    """A person whose cell is left out of the denoiser's training; only the detector is trained on these."""
    while True:
        scene = sample_scene(rng, "person")
        lost = [style for style in styles_of(scene.person.role) if is_held_out(replace(scene.person, style=style))]
        if lost:
            return replace(scene, style=lost[rng.integers(len(lost))])


def sample_class(rng: np.random.Generator, kind: str, axis: str, shows: Mapping[str, str], named: bool) -> str:
    """One class of an axis, given the classes of the axes before it."""
    table = planted_scene(kind, axis, shows)
    one_hot = max(table.values()) == 1.0
    if not named:
        return _sample(rng, table)
    # a class that can never be seen there (a woman's beard, a duck among landbirds) cannot be named either
    possible = [name for name, share in table.items() if share > 0 or one_hot]
    return possible[rng.integers(len(possible))]


def _no_grown_up_children(shows: dict[str, str], names: set[str]) -> None:
    """Captions that say "woman" or "man" and no age are not used for children."""
    if shows.get("age") == "child" and "gender" in names and "age" not in names:
        shows["age"] = "adult"


def _style(rng: np.random.Generator, shows: Mapping[str, str]) -> str:
    """Any style that shows the person's gender and, if there is a role, in which it is not held out of training."""
    styles = styles_of(shows.get("role", "person"))
    if "role" in shows:
        cell = (shows["role"], shows["gender"], shows["tone"])
        styles = [style for style in styles if not is_held_out(Person(*cell, style))]
    return styles[rng.integers(len(styles))]


def _sample(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    names = list(shares)
    odds = np.array(list(shares.values()))
    return names[rng.choice(len(names), p=odds / odds.sum())]
