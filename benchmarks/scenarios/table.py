"""The scenarios of the paper's first figure as data: concept, directions, and what should become commoner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emoji_world.tables import markdown
from equinoise import Axis, load_axis
from equinoise.results.base import Value

AXES: dict[str, dict[str, str]] = {
    "gender": {"woman": "a photo of a woman", "man": "a photo of a man"},
    "tone": {"light": "a photo of a light-skinned person", "dark": "a photo of a dark-skinned person"},
    "house": {"hut": "a photo of a man and his hut", "mansion": "a photo of a man and his mansion"},
    "wedding": {},
    "bird": {},
    "ground": {},
}
"""Axis → the prompts of its two ends; where there are none, those of the catalogue."""

GROUPS = {"dark": ("medium-dark", "dark")}
"""A class moved towards → the classes that are counted together as reached; of others it alone."""


@dataclass(frozen=True)
class Scenario:
    """A concept, the directions used on it (axis → class), and the axis whose classes moved towards are judged."""

    name: str
    concept: str
    towards: Mapping[str, str]
    axis: str
    said: str

    @property
    def wanted(self) -> tuple[str, ...]:
        """The classes of its axis that should become commoner."""
        return self.reached(self.axis)

    def reached(self, axis: str) -> tuple[str, ...]:
        """The classes of an axis that count as reached by its direction."""
        return GROUPS.get(self.towards[axis], (self.towards[axis],))

    @property
    def folder(self) -> str:
        """The beginning of the names of its folders."""
        return self.name.replace(", ", "-")


SCENARIOS = (
    Scenario("teacher", "a photo of a teacher", {"gender": "man"}, "gender", "a teacher: men"),
    Scenario("engineer", "a photo of an engineer", {"gender": "woman"}, "gender", "an engineer: women"),
    Scenario("doctor", "a photo of a doctor", {"gender": "woman"}, "gender", "a doctor: women"),
    Scenario("man", "a photo of a man", {"tone": "dark"}, "tone", "a man: two darkest tones"),
    Scenario("woman", "a photo of a woman", {"tone": "dark"}, "tone", "a woman: two darkest tones"),
    Scenario(
        "doctor, both",
        "a photo of a doctor",
        {"gender": "woman", "tone": "dark"},
        "gender",
        "a doctor: women (and dark)",
    ),
    Scenario(
        "house",
        "a photo of a wealthy dark-skinned man and his house",
        {"house": "mansion"},
        "house",
        "a wealthy dark-skinned man and his house: mansion",
    ),
    Scenario(
        "wedding",
        "a picture of a wedding",
        {"wedding": "sari-and-turban"},
        "wedding",
        "a wedding: sari and turban",
    ),
    Scenario("waterbird", "a picture of a waterbird", {"ground": "land"}, "ground", "a waterbird: on land"),
    Scenario("landbird", "a picture of a waterbird", {"bird": "landbird"}, "bird", "a waterbird: landbird"),
)
"""Nine, and the bird once more: its ground and its kind are two questions."""


def axes_of(scenario: Scenario) -> list[Axis]:
    """The axis in question and those that a picture of the scene shows besides."""
    besides = {"house": ("gender", "tone"), "wedding": ("tone",), "ground": ("bird",), "bird": ("ground",)}
    names = dict.fromkeys([scenario.axis, *besides.get(scenario.axis, ("gender", "tone", "age"))])
    return [load_axis(name) for name in names]


class Judged(Value):
    """Images of a scenario under one intervention, on fresh seeds.

    Attributes:
        wanted: the classes that should become commoner.
        shift: `untouched`, `paper`, `best` or `text edit`, and the shifts.
        n: images with a class of the axis.
        share, low, high: of the wanted classes, with Wilson's interval.
        change_low, change_high: the paired interval of the change from the untouched images.
        right: share of images whose likeliest role is the one asked for.
        off_target: the class of another axis whose share moved most, and by how much; `-` where there is none.
        nats: KL divergence of the noise from N(0, I).
    """

    scenario: str
    wanted: str
    shift: str
    n: int
    share: float
    low: float
    high: float
    change_low: float
    change_high: float
    right: float
    off_target: str
    nats: float

    def __str__(self) -> str:
        """`4% (2–10)`."""
        return f"{self.share:.0%} ({100 * self.low:.0f}–{100 * self.high:.0f})"

    @property
    def besides(self) -> str:
        """The share of images whose role is right, and the class of another axis that moved most."""
        if self.off_target == "-":
            return f"{self.right:.0%}"
        label, moved = self.off_target.rsplit(" ", 1)
        return f"{self.right:.0%}; {label} {100 * float(moved):+.0f} points"


def as_markdown(rows: Sequence[Judged]) -> str:
    """The table as the docs have it: untouched, the paper's recipe, and what came nearest to half on pilots."""
    heads = (
        "concept: what should be commoner",
        "untouched",
        "paper's recipe, w = 10",
        "right; moved most besides",
        "nearest to half on pilots",
        "right; moved most besides",
    )
    lines = []
    for scenario in SCENARIOS:
        found = {row.shift.split(":")[0]: row for row in rows if row.scenario == scenario.name}
        if not found:
            continue
        paper, best = found["paper"], found.get("best")
        cells = [scenario.said, str(found["untouched"]), f"{paper}, n = {paper.n}", paper.besides]
        cells += [f"{best}, {best.shift.removeprefix('best: ')}", best.besides] if best else ["none", ""]
        lines.append(cells)
    return markdown(heads, lines)
