"""Labels of a scene for training: the class of every axis, wordings of the classes, which captions are true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoji_world.captions import noun_phrases, toned_phrases, with_article
from emoji_world.scenes import Scene
from emoji_world.world import classes, genders, kinds, roles, tones, world
from equinoise.axes import load_axis

IGNORED = -100
SCENE_AXES = ("age", "house", "wedding", "bird", "ground", "place")
PEOPLE = ("person", "place", "home")
# the kinds of picture of which a caption of a kind can be true, where they are more than its own
ALSO = {"person": PEOPLE, "building": ("building", "home")}


def axis_prompts(rng: np.random.Generator) -> dict[str, list[str]]:
    """One random wording a class, for each axis; the order is the world's."""
    template = _pick(rng, world().captions.templates)
    subjects = {
        "gender": [_pick(rng, noun_phrases("person", gender)) for gender in genders()],
        "tone": [_pick(rng, toned_phrases(_pick(rng, noun_phrases("person", None)), tone)) for tone in tones()],
    }
    people = [template.format(with_article(_pick(rng, world().roles[role].names))) for role in roles()]
    prompts = {"role": people + [_pick(rng, entry.detect) for entry in world().scene_names.values()]}
    prompts |= {axis: [template.format(with_article(s)) for s in subject] for axis, subject in subjects.items()}
    for name in SCENE_AXES:
        axis = load_axis(name)
        prompts[name] = [_pick(rng, [*axis.detect[label], *axis.generate[label]]) for label in axis.classes]
    return prompts


def label(scene: Scene, axis: str) -> int:
    """The index of the class that a scene shows; IGNORED where it has no such axis."""
    if axis == "role":
        for index, entry in enumerate(world().scene_names.values()):
            if scene.kind in entry.kinds:
                return len(roles()) + index
    shown = scene.shows.get(axis) or default(scene, axis)
    return classes(axis).index(shown) if shown else IGNORED


def default(scene: Scene, axis: str) -> str | None:
    """What a scene shows of an axis that it was not sampled on: people with a role are adults."""
    return {"age": "adult", "role": "person"}.get(axis) if scene.kind in PEOPLE else None


@dataclass(frozen=True)
class Facts:
    """Scenes as numbers: `shows` and `says` (n, axes) class indices, -1 for none; `kind` (n,) index of the kind."""

    shows: Tensor
    says: Tensor
    kind: Tensor

    def __getitem__(self, rows: Tensor) -> Facts:
        return Facts(self.shows[rows], self.says[rows], self.kind[rows])

    def to(self, device: str) -> Facts:
        """On another device."""
        return Facts(self.shows.to(device), self.says.to(device), self.kind.to(device))


def facts(scenes: Sequence[Scene]) -> Facts:
    """What scenes show and what their captions say, ready to be compared pair by pair."""
    axes = ("role", "gender", "tone", *world().axes)
    shown = [[_index(axis, scene.shows.get(axis) or default(scene, axis)) for axis in axes] for scene in scenes]
    said = [[_index(axis, _checked(scene).get(axis)) for axis in axes] for scene in scenes]
    return Facts(torch.tensor(shown), torch.tensor(said), torch.tensor([kinds().index(s.kind) for s in scenes]))


def truth(captioned: Facts, shown: Facts) -> Tensor:
    """(n, m): entry (i, j) is 1 where the caption of scene j is true of picture i, which shows everything it says."""
    allowed = torch.tensor([[kind in ALSO.get(said, (said,)) for said in kinds()] for kind in kinds()])
    possible = allowed.to(shown.kind.device)[shown.kind][:, captioned.kind]
    agree = (captioned.says[None] == -1) | (captioned.says[None] == shown.shows[:, None])
    return (possible & agree.all(2)).float()


def _checked(scene: Scene) -> dict[str, str]:
    """The classes that a caption names, without the role `person`, which is true of everybody."""
    return {axis: name for axis, name in scene.said.items() if (axis, name) != ("role", "person")}


def _index(axis: str, name: str | None) -> int:
    return classes(axis).index(name) if name else -1


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]
