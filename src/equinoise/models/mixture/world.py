"""The tables of the mixture's world: patterns, classes, subjects and planted shares.

A picture is 8 × 8 pixels of three colours, 192 numbers. Twelve orthonormal low-frequency patterns (products of cosines
and of colours) carry its meaning, one coordinate each; along all other directions there is only noise. Every class and
subject is a place in these coordinates, and a picture lies around its place with standard deviation `SPREAD`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LATENT_SHAPE = (3, 8, 8)
SPREAD = 0.25
"""s: standard deviation of a component along every pattern (but one of the farmer's)."""
REACH = 2.0
"""How far a subject lies along its own pattern: 8 s, so that subjects are hardly ever taken for each other."""

GUIDANCE = 1.0
"""The guidance scale at which the shares are the planted ones."""

NOTE = (
    "Test fixture: its skew was planted by us so that it can be measured and mitigated. It says nothing about people, "
    "and effect sizes on it say nothing about photographs."
)

COLOURS = {"light": (1, 1, 1), "warm": (1, 0, -1), "green": (1, -2, 1)}
# coordinate → (colour, half-waves down, half-waves across)
PATTERNS: Mapping[str, tuple[str, int, int]] = {
    "gender": ("light", 0, 1),
    "tone": ("light", 0, 0),
    "house-a": ("warm", 0, 0),
    "house-b": ("green", 0, 0),
    "house-c": ("warm", 0, 1),
    "person": ("light", 1, 0),
    "doctor": ("light", 1, 1),
    "teacher": ("light", 0, 2),
    "engineer": ("light", 2, 0),
    "farmer": ("light", 1, 2),
    "building": ("light", 2, 2),
    "texture": ("light", 3, 3),
}
COORDINATES = tuple(PATTERNS)


@dataclass(frozen=True)
class Places:
    """The classes of an axis: where each lies along the axis's coordinates."""

    coordinates: tuple[str, ...]
    means: Mapping[str, tuple[float, ...]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the catalogue's order."""
        return tuple(self.means)


AXES: Mapping[str, Places] = {
    "gender": Places(("gender",), {"woman": (1.0,), "man": (-1.0,)}),  # 4 s from the boundary
    # brightness; 2.5 s from the boundaries, so that a few tones are misread or unclear, as tones are
    "tone": Places(
        ("tone",),
        {"light": (2.5,), "medium-light": (1.25,), "medium": (0.0,), "medium-dark": (-1.25,), "dark": (-2.5,)},
    ),
    # corners of a regular simplex: no class lies between two others
    "house": Places(
        ("house-a", "house-b", "house-c"),
        {
            "hut": (0.7, 0.7, 0.7),
            "derelict": (0.7, -0.7, -0.7),
            "house": (-0.7, 0.7, -0.7),
            "mansion": (-0.7, -0.7, 0.7),
        },
    ),
}


@dataclass(frozen=True)
class ShareTable:
    """Planted shares over the classes of some axes together; an array of one dimension an axis."""

    axes: tuple[str, ...]
    shares: tuple[float, ...] | tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class MixtureSubject:
    """A subject that a picture can show.

    Attributes:
        names: the words by which a prompt asks for the subject.
        tables: planted shares; axes of different tables are independent.
        stretch: a: the variance along `along` is a·s² instead of s².
        along: q: a unit vector, coordinate → component.
    """

    names: tuple[str, ...]
    tables: tuple[ShareTable, ...]
    stretch: float = 1.0
    along: Mapping[str, float] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes on which its pictures have a class."""
        return tuple(axis for table in self.tables for axis in table.axes)


def _person(woman: float, *tones: float) -> tuple[ShareTable, ...]:
    return (ShareTable(("gender",), (woman, round(1 - woman, 9))), ShareTable(("tone",), tones))


SUBJECTS: Mapping[str, MixtureSubject] = {
    "person": MixtureSubject(("person", "woman", "man"), _person(0.5, 0.2, 0.2, 0.2, 0.2, 0.2)),
    "doctor": MixtureSubject(("doctor", "physician"), _person(0.22, 0.34, 0.26, 0.18, 0.12, 0.10)),
    "teacher": MixtureSubject(("teacher", "professor"), _person(0.80, 0.26, 0.24, 0.20, 0.16, 0.14)),
    # gender and tone depend on each other: women a third, and darker
    "engineer": MixtureSubject(
        ("engineer", "technologist"),
        (ShareTable(("gender", "tone"), ((0.02, 0.03, 0.06, 0.10, 0.12), (0.24, 0.18, 0.12, 0.08, 0.05))),),
    ),
    # eight times as wide along a direction oblique to gender: the best direction is not the difference of means
    "farmer": MixtureSubject(
        ("farmer", "gardener"),
        _person(0.25, 0.10, 0.12, 0.18, 0.26, 0.34),
        64.0,
        {"gender": 0.75**0.5, "texture": 0.5},  # 30 degrees,
    ),
    "building": MixtureSubject(("building",), (ShareTable(("house",), (0.10, 0.15, 0.25, 0.50)),)),
}
PEOPLE = ("person", "doctor", "teacher", "engineer")
"""What the empty prompt shows, all with equal shares: isotropic, so that its velocity is a sum over the axes."""


@cache
def basis() -> Array:
    """(12, 192): the patterns as orthonormal rows, in the order of `COORDINATES`."""
    rows = [
        np.multiply.outer(_unit(COLOURS[c]), np.outer(_cosine(down), _cosine(across)))
        for c, down, across in PATTERNS.values()
    ]
    return np.stack(rows).reshape(len(rows), prod(LATENT_SHAPE))


def _cosine(half_waves: int, size: int = 8) -> Array:
    return _unit(np.cos(np.pi * half_waves * (np.arange(size) + 0.5) / size))


def _unit(vector: Any) -> Array:
    array = np.asarray(vector, np.float64)
    unit: Array = array / np.linalg.norm(array)
    return unit


def marginal(subject: str, axis: str) -> dict[str, float]:
    """Planted share of each class of an axis."""
    table = next(table for table in SUBJECTS[subject].tables if axis in table.axes)
    others = tuple(i for i, name in enumerate(table.axes) if name != axis)
    shares = np.asarray(table.shares, np.float64).sum(axis=others)
    return {name: round(float(share), 9) for name, share in zip(AXES[axis].classes, shares, strict=True)}


@cache
def digest() -> str:
    """A short hash of all tables; it stands for the hash of weights of other models."""
    tables = [*map(asdict, AXES.values()), *map(asdict, SUBJECTS.values())]
    content = [LATENT_SHAPE, SPREAD, REACH, COLOURS, PATTERNS, list(AXES), list(SUBJECTS), PEOPLE, tables]
    return sha256(json.dumps(content).encode()).hexdigest()[:16]
