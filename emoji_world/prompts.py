"""The prompts that results are given for, and the planted share of each class under them.

The planted share of an axis is worked out from the tables by going through every way in which the other axes can fall,
so that an entanglement (house given tone) comes out as the marginal that a neutral prompt shows.

python -m emoji_world.prompts    prints them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emoji_world.captions import with_article
from emoji_world.scenes import Scene
from emoji_world.world import classes, planted, planted_scene, roles, world


@dataclass(frozen=True)
class Prompt:
    """A prompt, the kind of scene it asks for, the classes that it names, and the axes that it leaves open."""

    text: str
    kind: str
    names: Mapping[str, str]
    axes: tuple[str, ...]


PEOPLE = ("gender", "tone")

# the design document's table, and near wordings
PROMPTS = (
    Prompt("a photo of a person", "person", {"role": "person"}, ("gender", "tone", "age")),
    Prompt("a photo of a man", "person", {"role": "person", "gender": "man"}, ("tone", "age")),
    Prompt("a photo of a woman", "person", {"role": "person", "gender": "woman"}, ("tone", "age")),
    Prompt("a photo of a person in an office", "place", {"place": "office", "role": "person"}, ("gender", "tone")),
    Prompt("a photo of a person in a street", "place", {"place": "street", "role": "person"}, ("gender", "tone")),
    Prompt("a photo of a person in a garden", "place", {"place": "garden", "role": "person"}, ("gender", "tone")),
    Prompt(
        "a photo of a person in a laboratory", "place", {"place": "laboratory", "role": "person"}, ("gender", "tone")
    ),
    Prompt("a photo of a person and a house", "home", {"wealth": "unsaid"}, ("gender", "tone", "house")),
    Prompt("a photo of a wealthy man and his house", "home", {"wealth": "wealthy", "gender": "man"}, ("tone", "house")),
    Prompt("a photo of a poor man and his house", "home", {"wealth": "poor", "gender": "man"}, ("tone", "house")),
    Prompt(
        "a photo of a wealthy dark-skinned man and his house",
        "home",
        {"wealth": "wealthy", "gender": "man", "tone": "dark"},
        ("house",),
    ),
    Prompt(
        "a photo of a wealthy light-skinned man and his house",
        "home",
        {"wealth": "wealthy", "gender": "man", "tone": "light"},
        ("house",),
    ),
    Prompt("a photo of a house", "building", {}, ("house",)),
    Prompt("a picture of a wedding", "wedding", {}, ("wedding", "tone")),
    Prompt("a picture of a bird", "bird", {}, ("bird", "ground")),
    Prompt("a picture of a waterbird", "bird", {"bird": "waterbird"}, ("ground",)),
    Prompt("a picture of a landbird", "bird", {"bird": "landbird"}, ("ground",)),
)


def planted_prompts() -> dict[str, dict[str, dict[str, float]]]:
    """Prompt → axis → class → planted share: one prompt for each role, and those of the scenes."""
    return {prompt.text: {axis: planted_share(prompt, axis) for axis in prompt.axes} for prompt in all_prompts()}


def all_prompts() -> list[Prompt]:
    """One for each role, and those of the scenes."""
    named = [role for role in roles() if role != "person"]
    return [*(Prompt(f"a photo of {with_article(called(r))}", "person", {"role": r}, PEOPLE) for r in named), *PROMPTS]


def is_asked(prompt: Prompt, scene: Scene) -> bool:
    """Whether the captions of a scene say what a prompt says, no more and no less."""
    if (prompt.kind, prompt.names.get("role")) != (scene.kind, scene.shows.get("role")):
        return False
    says = {a: c for a, c in prompt.names.items() if world().words.can_say(a, c)}
    return {**says, "role": ""} == {**scene.said, "role": ""}


def called(role: str) -> str:
    """The canonical name of a role in captions."""
    return role.replace("-", " ")


def planted_objects() -> dict[str, dict[str, float]]:
    """Prompt → what the object detector calls a thing → the share of pictures in which it was composed, if in any.

    Of the things of a place, two drawn one by one, at least one is it with probability 1 − (1 − q)².
    """
    people = {
        f"a photo of {with_article(called(role))}": planted(role)["gender"] for role in roles() if role != "person"
    }
    return people | {prompt.text: _objects_of(prompt) for prompt in PROMPTS}


def _objects_of(prompt: Prompt) -> dict[str, float]:
    found: dict[str, float] = {}
    total = 0.0
    for shown, odds in _ways(prompt, list(world().scenes[prompt.kind].axes), {}, 1.0):
        total += odds
        for label, chance in _things(prompt.kind, shown).items():
            found[label] = found.get(label, 0.0) + odds * chance
    return {label: round(share / total, 4) for label, share in found.items() if share}


def _things(kind: str, shown: Mapping[str, str]) -> dict[str, float]:
    """What a scene shows, and how probably."""
    labels = world().labels
    found = {"bride": 1.0, "groom": 1.0} if kind == "wedding" else {}
    if "gender" in shown:
        found["child" if shown.get("age") == "child" else shown["gender"]] = 1.0
    if "house" in shown:
        found[labels.get(shown["house"], shown["house"])] = 1.0
    if "bird" in shown:
        found |= {shown["bird"]: 1.0, **({"tree": 1.0} if shown["ground"] == "land" else {})}
    things = [labels[name] for name in world().drawings.place.get(shown.get("place", ""), ())]
    return found | {label: 1 - (1 - things.count(label) / len(things)) ** 2 for label in things}


def planted_share(prompt: Prompt, axis: str) -> dict[str, float]:
    """P(class | prompt), the other axes that the prompt leaves open summed out."""
    shares = dict.fromkeys(classes(axis), 0.0)
    for shown, odds in _ways(prompt, list(world().scenes[prompt.kind].axes), {}, 1.0):
        if axis in shown:
            shares[shown[axis]] += odds
    total = sum(shares.values())
    return {name: round(share / total, 4) for name, share in shares.items()}


def _ways(
    prompt: Prompt, left: list[str], shown: dict[str, str], odds: float
) -> Iterator[tuple[dict[str, str], float]]:
    """Every way in which the axes can fall, with its probability."""
    if not left:
        yield shown, odds
        return
    axis, *rest = left
    entry = world().scenes[prompt.kind].axes[axis]
    if any(shown.get(other) != wanted for other, wanted in entry.where.items()):
        yield from _ways(prompt, rest, shown, odds)
    elif axis in prompt.names:
        yield from _ways(prompt, rest, shown | {axis: prompt.names[axis]}, odds)
    else:
        for name, share in planted_scene(prompt.kind, axis, shown).items():
            if share:
                # a prompt that says "man" and no age shows no child; those become adults
                child = name == "child" and "gender" in prompt.names
                yield from _ways(prompt, rest, shown | {axis: "adult" if child else name}, odds * share)


def main() -> None:
    """Print the planted shares of every prompt."""
    for text, axes in planted_prompts().items():
        for axis, shares in axes.items():
            print(f"{text} | {axis} | " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))


if __name__ == "__main__":
    main()
