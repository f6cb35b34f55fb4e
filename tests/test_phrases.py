"""Phrases that a grounded captioner finds are merged as people would, and what was merged is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise.errors import EquinoiseError
from equinoise.language import head_noun, normalised, singular
from equinoise.understanding.phrases import MERGES, Group, merge, to_encode

# the bars of the paper's figure 1 (a wealthy dark-skinned man and his house), and twenty spellings like them
FIGURE = {
    "a man in a suit": 41, "his house": 36, "a man": 20, "an old house": 11, "a man in front of a house": 6,
    "a house": 6, "an old mansion": 5, "a couch": 4, "a man in a suit and sunglasses": 4,
    "a man in a suit and hat": 4,
    "A man in a suit": 2, "the man": 3, "the House": 2, "a House": 1, "The mansion": 2, "old houses": 1, "his sofa": 1,
    "two men": 1, "his houses": 1, "a large mansion": 2, "a man in a tuxedo": 2, "a car": 2, "the car": 1, "cars": 1,
    "his car.": 1, "a tree": 1, "trees": 2, "a man wearing a hat": 1, "a man in a hat": 1, "that house": 1,
}  # fmt: skip


def named(groups: list[Group]) -> dict[str, int]:
    return {group.name: group.times for group in groups}


def test_spellings_of_one_thing_are_one_bar() -> None:
    found = named(merge(FIGURE, "phrase"))
    assert found["man in a suit"] == 41 + 2
    assert found["house"] == 36 + 6 + 2 + 1 + 1 + 1  # his, a, the House, a House, his houses, that
    assert found["man"] == 20 + 3 + 1
    assert found["old house"] == 12
    assert found["car"] == 5
    assert found["tree"] == 3
    assert found["man in a suit and hat"] == 4


def test_a_longer_list_is_put_under_the_shorter_or_apart_as_asked() -> None:
    extended, apart = named(merge(FIGURE, "extended")), named(merge(FIGURE, "phrase"))
    assert extended["man in a suit"] == apart["man in a suit"] + 4 + 4
    assert "man in a suit and hat" not in extended
    assert extended["man"] == apart["man"]  # a suit is more than an addition to a list
    assert extended["man in front of a house"] == 6


def test_by_head_noun() -> None:
    found = named(merge(FIGURE, "head"))
    assert set(found) == {"man", "house", "mansion", "couch", "sofa", "car", "tree"}
    assert found["house"] == 36 + 11 + 6 + 2 + 1 + 1 + 1 + 1
    assert found["mansion"] == 5 + 2 + 2


def test_what_was_merged_is_shown() -> None:
    house = next(group for group in merge(FIGURE, "phrase") if group.name == "house")
    assert house.merged["his house"] == 36
    assert house.merged["the House"] == 2
    assert list(house.merged.values()) == sorted(house.merged.values(), reverse=True)


def test_similar_vectors_join_the_more_frequent_group_and_a_table_has_the_last_word() -> None:
    vectors = {name: np.eye(20, dtype=np.float32)[i] for i, name in enumerate(to_encode(FIGURE, "head"))}
    vectors["sofa"] = 0.96 * vectors["couch"] + 0.28 * vectors["tree"]
    found = named(merge(FIGURE, "head", vectors, similar=0.9))
    assert found["couch"] == 5
    assert "sofa" not in found
    assert "sofa" in named(merge(FIGURE, "head", vectors, similar=0.97))
    told = merge(FIGURE, "head", vectors, 0.9, {"a sofa": "seat", "an old mansion": "villa"})
    assert named(told)["seat"] == 1
    assert named(told)["villa"] == 5
    assert named(told)["mansion"] == 4


COUNTED = st.dictionaries(st.text("abs '-", min_size=1, max_size=12), st.integers(1, 9), max_size=8)


@given(COUNTED, st.sampled_from(MERGES))
def test_nothing_is_lost_or_counted_twice(counts: dict[str, int], how: str) -> None:
    groups = merge(counts, how)  # type: ignore[arg-type]
    spellings = [phrase for group in groups for phrase in group.merged]
    assert len(set(spellings)) == len(spellings)
    assert {p for p in counts if normalised(p)} == set(spellings)
    assert sum(group.times for group in groups) == sum(counts[p] for p in spellings)


@pytest.mark.parametrize(
    ("phrase", "head"),
    [
        ("the man's old house", "house"),
        ("Two WOMEN in saris", "woman"),
        ("his glasses", "glasses"),
        ("an old mansion by the sea", "mansion"),
        ("front of a building", "front"),
        ("his", "his"),
        ("", ""),
    ],
)
def test_heads(phrase: str, head: str) -> None:
    assert head_noun(phrase) == head


def test_singulars_leave_what_is_no_plural() -> None:
    assert [singular(w) for w in ("bus", "dress", "jeans", "is", "boxes", "huts", "people")] == [
        "bus", "dress", "jeans", "is", "box", "hut", "person",
    ]  # fmt: skip


def test_senseless_ways_are_refused() -> None:
    with pytest.raises(EquinoiseError, match="--merge"):
        merge({"a": 1}, "loud")  # type: ignore[arg-type]
    with pytest.raises(EquinoiseError, match="--similar"):
        merge({"a": 1}, similar=1.5)
