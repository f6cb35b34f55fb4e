"""From a prompt to the distribution (law) of its pictures: the planted shares, or the classes that the prompt names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from equinoise.errors import EquinoiseError
from equinoise.models.mixture.flow import Array, Block, Law
from equinoise.models.mixture.world import AXES, COORDINATES, PEOPLE, REACH, SUBJECTS, MixtureSubject, ShareTable

PERSON, BUILDING = "person", "building"
HOUSES = {
    "hut": ("hut",),
    "derelict": ("derelict house", "ruined house"),
    "house": ("house",),
    "mansion": ("mansion", "castle"),
}
# phrase → (axis, class), or (None, subject)
PHRASES: Mapping[str, tuple[str | None, str]] = {
    **{name: (None, subject) for subject in SUBJECTS for name in SUBJECTS[subject].names},
    **{name: ("gender", name) for name in AXES["gender"].classes},
    **{f"{tone}{end}": ("tone", tone) for tone in AXES["tone"].classes for end in (" skin", "-skinned", " skinned")},
    **{phrase: ("house", name) for name, phrases in HOUSES.items() for phrase in phrases},
}
# the longest phrase first, whole words only: "medium-light skin" is not "light skin"
_PATTERN = re.compile(
    rf"(?<![\w-])({'|'.join(map(re.escape, sorted(PHRASES, key=len, reverse=True)))})(?!\w)", re.IGNORECASE
)


@dataclass(frozen=True)
class ParsedPrompt:
    """The subject that a prompt names, and axis → the classes that it names."""

    subject: str
    named: Mapping[str, tuple[str, ...]]


def words(text: str) -> list[tuple[str | None, str]]:
    """The words of this world in a text, in their order: (axis, class), or (None, subject)."""
    return [PHRASES[match.lower()] for match in _PATTERN.findall(" ".join(text.split()))]


def read(prompt: str) -> ParsedPrompt:
    """The subject and the classes that a prompt names; other words are ignored.

    >>> read("a photo of a dark-skinned woman doctor")
    ParsedPrompt(subject='doctor', named={'tone': ('dark',), 'gender': ('woman',)})

    Raises:
        EquinoiseError: the prompt names no subject of this world, two subjects, or a class that its subject does not
            show.
    """
    found = words(prompt)
    axes = dict.fromkeys(axis for axis, _ in found if axis)
    named = {axis: tuple(dict.fromkeys(name for a, name in found if a == axis)) for axis in axes}
    subjects = {name for axis, name in found if axis is None} | ({BUILDING} if "house" in named else set())
    if len(subjects) > 1:
        subjects -= {PERSON}
    if not subjects and named:
        subjects = {PERSON}
    if len(subjects) != 1:
        what = f"names {' and '.join(sorted(subjects))}; name one" if subjects else "names no subject of the mixture"
        kinds = ", ".join(phrase for phrases in HOUSES.values() for phrase in phrases)
        raise EquinoiseError(f"'{prompt}' {what}: it shows {', '.join(SUBJECTS)} ({kinds})")
    subject = subjects.pop()
    for axis, classes in named.items():
        require_shown(subject, axis, f"'{prompt}' names {' and '.join(classes)}, but ")
    return ParsedPrompt(subject, named)


def require_shown(subject: str, axis: str, said: str = "") -> None:
    """Check that the pictures of a subject have a class on an axis.

    Raises:
        EquinoiseError: they have none, or this world has no such axis.
    """
    require_axis(axis)
    if axis not in SUBJECTS[subject].axes:
        shown = ", ".join(SUBJECTS[subject].axes)
        raise EquinoiseError(f"{said}a {subject} of the mixture shows no {axis}; it shows {shown}")


def require_axis(axis: str) -> None:
    """Check that this world has an axis.

    Raises:
        EquinoiseError: this world has no such axis.
    """
    if axis not in AXES:
        raise EquinoiseError(f"the mixture has no axis '{axis}'; it has {', '.join(AXES)}")


@cache
def prompt_law(prompt: str) -> Law:
    """The law of a prompt's pictures; for the empty prompt that of all `PEOPLE`, every class with the same share.

    Raises:
        EquinoiseError: as `read`.
    """
    if not prompt.strip():
        return uniform_law(PERSON, PEOPLE)
    asked = read(prompt)
    return _law(SUBJECTS[asked.subject], (asked.subject,), asked.named)


@cache
def uniform_law(subject: str, shown: tuple[str, ...] = ()) -> Law:
    """The law of a subject with equal shares of all classes and independent axes: the detector's prior."""
    like = SUBJECTS[subject]
    tables = tuple(
        ShareTable((axis,), tuple(1 / len(AXES[axis].classes) for _ in AXES[axis].classes)) for axis in like.axes
    )
    return _law(MixtureSubject(like.names, tables, like.stretch, like.along), shown or (subject,), {})


def subject_law(name: str, subject: MixtureSubject) -> Law:
    """The law of the pictures of a subject with chosen share tables, which replaces the subject of that name."""
    return _law(subject, (name,), {})


def _law(subject: MixtureSubject, shown: tuple[str, ...], named: Mapping[str, tuple[str, ...]]) -> Law:
    """Blocks with every coordinate once: those of the share tables, of the subjects, and those without meaning."""
    blocks = [_block(subject, table, named) for table in subject.tables]
    means = np.array([[REACH * (name == other) for other in SUBJECTS] for name in shown])
    blocks.append(_isotropic(tuple(SUBJECTS), np.full(len(shown), 1 / len(shown)), means))
    taken = {name for block in blocks for name in block.coordinates}
    rest = [name for name in COORDINATES if name not in taken]
    blocks.extend(_isotropic((name,), np.ones(1), np.zeros((1, 1))) for name in rest)
    return tuple(blocks)


def _isotropic(coordinates: tuple[str, ...], weights: Array, means: Array) -> Block:
    return Block(coordinates, weights, means, np.zeros(len(coordinates)))


def _block(subject: MixtureSubject, table: ShareTable, named: Mapping[str, tuple[str, ...]]) -> Block:
    """The components of a share table, one for each combination of classes that the prompt leaves open."""
    places = [AXES[axis] for axis in table.axes]
    combinations = list(product(*(place.classes for place in places)))
    shares = np.asarray(table.shares, np.float64).ravel()
    open_ = np.array(
        [all(name in named.get(axis, (name,)) for axis, name in zip(table.axes, c, strict=True)) for c in combinations]
    )
    means = np.array([np.concatenate([p.means[n] for p, n in zip(places, c, strict=True)]) for c in combinations])
    coordinates = tuple(name for place in places for name in place.coordinates)
    if not set(subject.along) & set(coordinates):
        return _isotropic(coordinates, shares[open_] / shares[open_].sum(), means[open_])
    more = tuple(name for name in subject.along if name not in coordinates)
    padded = np.pad(means[open_], ((0, 0), (0, len(more))))
    along = np.array([subject.along.get(name, 0.0) for name in (*coordinates, *more)])
    return Block((*coordinates, *more), shares[open_] / shares[open_].sum(), padded, along, subject.stretch)
