"""Phrases that mean the same thing are one: "his house", "a house" and "the House" are three spellings of *house*.

Three ways to merge, from the narrowest to the widest:

- `phrase`: articles, possessives, case, punctuation and plural apart, phrases must be equal;
- `extended`: a phrase that only adds to a list is put under the shorter one: "a man in a suit and hat" under "a man in
  a suit", but not under "a man";
- `head`: the head noun decides: "an old house", "a house by the sea" and "his houses" are *house*.

Beyond that, groups whose vectors in a text encoder are similar enough may be merged ("a couch", "a sofa"), and a table
of the user's own overrides all of it. Every result says what was merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError
from equinoise.language import LIST_WORDS, head_noun, head_place, normalised

Merge = Literal["phrase", "extended", "head"]
MERGES: tuple[Merge, ...] = get_args(Merge)


@dataclass(frozen=True)
class Group:
    """Phrases counted as one.

    Attributes:
        name: of the group.
        merged: every spelling in it, as it was found, with how often; most frequent first.
    """

    name: str
    merged: Mapping[str, int]

    @property
    def times(self) -> int:
        """How often it was found, all spellings together."""
        return sum(self.merged.values())


def extends(longer: str, shorter: str) -> bool:
    """Whether a normalised phrase only adds to a list that the shorter one begins.

    The shorter one must have words after its head: "a man and a woman" is more than "a man".

    >>> [extends(longer, "man in a suit") for longer in ("man in a suit and hat", "man in a suit by a car")]
    [True, False]
    >>> extends("man and dog", "man")
    False
    """
    rest, parts = longer.removeprefix(shorter + " "), shorter.split()
    return rest != longer and rest.split()[0] in LIST_WORDS and head_place(parts) < len(parts) - 1


def merge(
    counts: Mapping[str, int],
    how: Merge = "extended",
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
    similar: float = 0.9,
    table: Mapping[str, str] | None = None,
) -> list[Group]:
    """Groups of phrases, the most frequent first.

    `vectors`: a unit vector of each normalised phrase (see `to_encode`); a group then joins the most frequent group
    whose vector has at least the cosine `similar` with its own. `table` maps a phrase to the name of its group; it is
    applied first, and its groups take no part in any other merging.

    Raises:
        EquinoiseError: no such way to merge, or a similarity that is no cosine.
    """
    if how not in MERGES:
        raise EquinoiseError(f"--merge {how}: use one of {', '.join(MERGES)}")
    if not 0 < similar <= 1:
        raise EquinoiseError(f"--similar {similar}: a cosine above 0 and at most 1")
    given = {normalised(phrase): name for phrase, name in (table or {}).items()}
    found: dict[str, Counter[str]] = {}
    for phrase, times in counts.items():
        plain = normalised(phrase)
        name = given.get(plain) or (head_noun(phrase) if how == "head" else plain)
        if name:
            found.setdefault(name, Counter())[phrase] += times
    fixed = set(given.values())
    if how == "extended":
        found = _joined(sorted(found, key=lambda name: (len(name), name)), found, fixed, extends)
    if vectors is not None:
        order = sorted(found, key=lambda name: (-found[name].total(), name))
        found = _joined(order, found, fixed, lambda name, other: _alike(vectors, name, other, similar))
    groups = [Group(name, dict(spellings.most_common())) for name, spellings in found.items()]
    return sorted(groups, key=lambda group: (-group.times, group.name))


def to_encode(counts: Mapping[str, int], how: Merge = "extended") -> list[str]:
    """The names that `merge` compares by their vectors."""
    return [group.name for group in merge(counts, how)]


def _alike(vectors: Mapping[str, NDArray[np.float32]], name: str, other: str, similar: float) -> bool:
    return name in vectors and other in vectors and float(vectors[name] @ vectors[other]) >= similar


def _joined(
    order: Sequence[str], found: Mapping[str, Counter[str]], fixed: set[str], joins: Callable[[str, str], bool]
) -> dict[str, Counter[str]]:
    """In the given order each group leads, or is put under the first leader that it joins."""
    leaders: dict[str, Counter[str]] = {}
    for name in order:
        others = () if name in fixed else (other for other in leaders if other not in fixed)
        leader = next((other for other in others if joins(name, other)), name)
        leaders[leader] = leaders.get(leader, Counter()) + found[name]
    return leaders
