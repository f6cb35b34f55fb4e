"""The scenarios of the paper's first figure as data: concept, directions, and what should become commoner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equinoise.axes import Axis, load_axis

AXES = {
    "gender": {"woman": "a photo of a woman", "man": "a photo of a man"},
    "tone": {"light": "a photo of a light-skinned person", "dark": "a photo of a dark-skinned person"},
    "house": {"hut": "a photo of a man and his hut", "mansion": "a photo of a man and his mansion"},
    "wedding": {},
    "bird": {},
    "ground": {},
}
"""Axis → the prompts of its two ends; where there are none, those of the catalogue."""


@dataclass(frozen=True)
class Scenario:
    """A concept, the directions used on it (axis → class), and the classes of one axis that should become commoner."""

    name: str
    concept: str
    towards: Mapping[str, str]
    axis: str
    wanted: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Its name as the beginning of a folder's."""
        return self.name.replace(", ", "-")


DARK = ("medium-dark", "dark")
SCENARIOS = (
    Scenario("teacher", "a photo of a teacher", {"gender": "man"}, "gender", ("man",)),
    Scenario("engineer", "a photo of an engineer", {"gender": "woman"}, "gender", ("woman",)),
    Scenario("doctor", "a photo of a doctor", {"gender": "woman"}, "gender", ("woman",)),
    Scenario("man", "a photo of a man", {"tone": "dark"}, "tone", DARK),
    Scenario("woman", "a photo of a woman", {"tone": "dark"}, "tone", DARK),
    Scenario("doctor, both", "a photo of a doctor", {"gender": "woman", "tone": "dark"}, "gender", ("woman",)),
    Scenario(
        "house",
        "a photo of a wealthy dark-skinned man and his house",
        {"house": "mansion"},
        "house",
        ("mansion",),
    ),
    Scenario("wedding", "a picture of a wedding", {"wedding": "sari-and-turban"}, "wedding", ("sari-and-turban",)),
    Scenario("waterbird", "a picture of a waterbird", {"ground": "land"}, "ground", ("land",)),
    Scenario("landbird", "a picture of a waterbird", {"bird": "landbird"}, "bird", ("landbird",)),
)
"""Nine, and the bird once more: its ground and its kind are two questions."""


def axes_of(scenario: Scenario) -> list[Axis]:
    """The axis in question and those that a picture of the scene shows besides."""
    besides = {"house": ("gender", "tone"), "wedding": ("tone",), "ground": ("bird",), "bird": ("ground",)}
    names = dict.fromkeys([scenario.axis, *besides.get(scenario.axis, ("gender", "tone", "age"))])
    return [load_axis(name) for name in names]
