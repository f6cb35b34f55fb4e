"""Phrases that mean the same thing are one: "his house", "a house" and "the House" are three spellings of *house*.

Three ways to merge, from the narrowest to the widest:

- `phrase`: articles, possessives, case, punctuation and plural apart, phrases must be equal;
- `extended`: a phrase that only adds to a list is put under the shorter one: "a man in a suit and hat" under "a man in
  a suit", but not under "a man";
- `head`: the head noun decides: "an old house", "a house by the sea" and "his houses" are *house*.

Beyond that, groups whose vectors in a text encoder are similar enough may be merged ("a couch", "a sofa"), and a table
of one's own has the last word. What was merged is always kept beside the count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError

Merge = Literal["phrase", "extended", "head"]
MERGES: tuple[Merge, ...] = get_args(Merge)

DETERMINERS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "his", "her", "hers", "its", "their", "my", "our", "your",
    "one's", "some", "any", "each", "every", "another", "one", "two", "three", "four", "five", "six", "several",
    "many",
))  # fmt: skip
AFTER_HEAD = frozenset((
    "in", "on", "of", "at", "with", "without", "by", "near", "from", "to", "for", "under", "over", "above", "below",
    "beside", "besides", "behind", "between", "against", "into", "onto", "through", "around", "across", "along",
    "inside", "outside", "front", "next", "that", "which", "who", "whose", "where", "while", "as", "is", "are",
    "was", "were", "and", "or", "wearing", "holding", "standing", "sitting", "walking", "riding", "looking",
    "posing", "smiling", "carrying", "leaning", "lying", "made", "surrounded", "dressed",
))  # fmt: skip
"""Words that end the part of a phrase whose last word is its head."""
PHOTO = re.compile(r"^(?:an? |the )?photo(?:graph)? of (?=\S)", re.IGNORECASE)
"""How detectors are told what to look for: the thing is what the photo is of. A painting on a wall is a painting."""
LIST_WORDS = ("and", "or")
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "wives": "wife", "knives": "knife",
    "leaves": "leaf", "feet": "foot", "teeth": "tooth", "mice": "mouse", "geese": "goose", "shelves": "shelf",
    "selves": "self", "firemen": "fireman", "policemen": "policeman",
}  # fmt: skip
SAME = frozenset((
    "glasses", "sunglasses", "jeans", "trousers", "pants", "shorts", "scissors", "clothes", "stairs", "grass",
    "glass", "dress", "bus", "gas", "lens", "boss", "compass", "mattress", "canvas", "christmas", "series",
    "species", "chess", "moss", "cross", "business", "address",
))  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Phrases counted as one.

    Attributes:
        name: by which the group is called.
        merged: every spelling in it, as it was found, with how often; most frequent first.
    """

    name: str
    merged: Mapping[str, int]

    @property
    def times(self) -> int:
        """How often it was found, all spellings together."""
        return sum(self.merged.values())


def words(phrase: str) -> list[str]:
    """Lower-case words without punctuation.

    >>> words("The man's old House, by the sea!")
    ['the', "man's", 'old', 'house', 'by', 'the', 'sea']
    """
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", phrase.lower())


def singular(word: str) -> str:
    """The singular of a noun, by the common rules of English.

    >>> [singular(word) for word in ("houses", "women", "churches", "ladies", "glasses", "dress")]
    ['house', 'woman', 'church', 'lady', 'glasses', 'dress']
    """
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in SAME or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s", "’s")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "zzes")) else word[:-1]


def normalised(phrase: str) -> str:
    """The phrase without what leads it ("his", "two"), in lower case, its head in the singular.

    >>> normalised("The Houses"), normalised("his old house"), normalised("A man in a suit")
    ('house', 'old house', 'man in a suit')
    >>> normalised("a photo of a cat"), normalised("a painting of a cat")
    ('cat', 'painting of a cat')
    """
    found = words(PHOTO.sub("", phrase.strip()))
    while len(found) > 1 and (found[0] in DETERMINERS or found[0].endswith(("'s", "’s"))):
        found = found[1:]
    place = _head_place(found)
    return " ".join(singular(word) if index == place else word for index, word in enumerate(found))


def head_noun(phrase: str) -> str:
    """The noun that says what the phrase is of.

    >>> [head_noun(p) for p in ("an old house by the sea", "a man in a suit and hat", "mud huts", "a couch")]
    ['house', 'man', 'hut', 'couch']
    """
    found = normalised(phrase).split()
    return found[_head_place(found)] if found else ""


def _head_place(found: Sequence[str]) -> int:
    """The last word before a preposition or a verb."""
    end = next((index for index, word in enumerate(found) if index and word in AFTER_HEAD), len(found))
    return end - 1


def extends(longer: str, shorter: str) -> bool:
    """Whether a normalised phrase only adds to a list that the shorter one begins.

    Something must already stand behind the head of the shorter one: "a man and a woman" is more than "a man".

    >>> [extends(longer, "man in a suit") for longer in ("man in a suit and hat", "man in a suit by a car")]
    [True, False]
    >>> extends("man and dog", "man")
    False
    """
    rest, parts = longer.removeprefix(shorter + " "), shorter.split()
    return rest != longer and rest.split()[0] in LIST_WORDS and _head_place(parts) < len(parts) - 1


def merge(
    counts: Mapping[str, int],
    how: Merge = "extended",
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
    similar: float = 0.9,
    table: Mapping[str, str] | None = None,
) -> list[Group]:
    """Groups of phrases, the most frequent first.

    `vectors`: a unit vector of each normalised phrase (see `to_encode`); a group then joins the most frequent group
    whose vector has at least the cosine `similar` with its own. `table` maps a phrase to the name of its group and is
    obeyed first: its groups keep out of all other merging.

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
