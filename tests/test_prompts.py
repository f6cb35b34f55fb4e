"""Prompts that name a class, made from a concept: which words go where, and when the axis's own are used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoji_world.captions import noun_phrases, toned_phrases, with_article
from emoji_world.prompts import all_prompts, called
from emoji_world.tokenizer import make_tokenizer
from emoji_world.world import roles
from equinoise.axes import Axis, catalogue, load_axis
from equinoise.errors import EquinoiseError
from equinoise.language import noun_phrases as phrases_in
from equinoise.language import plural, singular
from equinoise.prompts import class_prompts, frame, subject

HOUSE = "a photo of a wealthy dark-skinned man and his house"
MADE = {
    ("gender", "a photo of an engineer", "woman"): "a photo of a woman engineer",
    ("gender", "a photo of a person", "man"): "a photo of a man",
    ("gender", "a photo of people", "woman"): "a photo of women",
    ("gender", "a portrait of an old farmer", "woman"): "a portrait of an old woman farmer",
    ("gender", "a photo of an old office worker", "man"): "a photo of an old man office worker",
    ("gender", "a photo of a rich and famous rock star", "man"): "a photo of a rich and famous man rock star",
    ("gender", "a photo of three doctors", "woman"): "a photo of three women doctors",
    ("gender", "a close-up photo of a group of engineers", "man"): "a close-up photo of a group of men engineers",
    ("gender", "a black and white photo of a doctor", "man"): "a black and white photo of a man doctor",
    ("gender", "Portrait of an engineer, studio light", "man"): "Portrait of a man engineer, studio light",
    ("gender", "An engineer", "woman"): "A woman engineer",
    ("gender", "a photo of a house and a person", "woman"): "a photo of a house and a woman",
    ("gender", "a photo of a doctor examining a patient", "man"): "a photo of a man doctor examining a patient",
    ("gender", "a photo of the president's doctor", "man"): "a photo of the president's man doctor",
    ("gender", "a doctor with a photo of a horse", "man"): "a man doctor with a photo of a horse",
    ("gender", "a photo of a software engineering manager", "man"): "a photo of a man software engineering manager",
    ("tone", "a photo of an engineer", "medium-dark"): "a photo of a medium-dark-skinned engineer",
    ("tone", "a photo of a wealthy man and his house", "dark"): HOUSE,
    ("tone", "a photo of the doctor and her patient", "light"): "a photo of the light-skinned doctor and her patient",
    ("tone", "a photo of a woman doctor", "light"): "a photo of a light-skinned woman doctor",
    ("age", "a photo of an engineer", "elder"): "a photo of an elderly engineer",
    ("age", "a photo of a doctor", "adult"): "a photo of an adult doctor",
    ("age", "a photo of a woman", "child"): "a photo of a girl",
    ("age", "a photo of a person", "elder"): "a photo of an elderly person",
    ("house", HOUSE, "hut"): "a photo of a wealthy dark-skinned man and his hut",
    ("house", HOUSE, "derelict"): "a photo of a wealthy dark-skinned man and his derelict house",
    ("house", HOUSE, "mansion"): "a photo of a wealthy dark-skinned man and his mansion",
    ("house", "a photo of two old houses", "hut"): "a photo of two old huts",
    ("house", "a photo of a house", "house"): "a photo of a family house",
    ("bird", "a picture of a bird by a tree", "landbird"): "a picture of a landbird by a tree",
    ("ground", "a picture of a waterbird", "land"): "a picture of a waterbird on land",
    ("ground", "a picture of an owl with a mouse", "land"): "a picture of an owl on land with a mouse",
    ("wedding", "a wedding", "sari-and-turban"): "a wedding with a sari and a turban",
    ("place", "a photo of a doctor", "street"): "a photo of a doctor in a street",
    ("race-authors", "a photo of a doctor", "indian"): "a photo of an indian doctor",
    ("fairface-age", "a photo of a doctor", "20-29"): "a photo of a doctor aged 20 to 29",
}
NOT_MADE = {
    ("gender", "a photo of a man"): "'man' in the concept names man",
    ("gender", "a photo of the doctor and her patient"): "'her' in the concept names woman",
    ("gender", HOUSE): "'man' in the concept names man",
    ("gender", "a picture of a wedding"): "the concept's first noun, 'wedding', is no person",
    ("gender", "a photo of someone in a car"): "the concept's first noun, 'someone', is no person",
    ("tone", HOUSE): "'dark-skinned' in the concept names dark",
    ("tone", "a medium-light skinned doctor"): "'medium-light-skinned' in the concept names medium-light",
    ("tone", "a picture of a wedding"): "the concept's first noun, 'wedding', is no person",
    ("tone", "a photo of two houses"): "the concept's first noun, 'house', is no person",
    ("age", "a portrait of an old farmer"): "'old' in the concept names elder",
    ("age", "  "): "the concept has no noun",
    ("house", "a photo of a doctor"): "the concept names no house",
    ("house", "a photo of a house owner"): "the concept names no house",
    ("bird", "a picture of a waterbird"): "'waterbird' in the concept names waterbird",
    ("ground", "a picture of a bird on a lake"): "'lake' in the concept names water",
    ("ground", "a photo of a man and a bird"): "the concept names no bird or waterbird or landbird",
    ("place", "a photo of a person in an office"): "'office' in the concept names office",
}
HAT = """
[hat]
nouns = ["scarecrow", "snowman"]
classes.hat = { generate = ["a hat"], detect = ["a hat"], behind = "with a hat", instead = { Robot = "hat stand" } }
classes.none = { generate = ["no hat"], detect = ["no hat"], before = "bareheaded", instead = { robot = "android" } }
"""


@pytest.mark.parametrize(("axis", "concept", "label"), MADE)
def test_a_class_is_named_in_the_concept(axis: str, concept: str, label: str) -> None:
    found = class_prompts(concept, load_axis(axis))
    assert found.prompts[label] == MADE[axis, concept, label]
    assert found.origin == "concept"
    assert found.note.startswith(f"{axis}: prompts made from the concept: ")
    assert all(f"{name} = {text}" in found.note for name, text in found.prompts.items())


@pytest.mark.parametrize(("name", "concept"), NOT_MADE)
def test_the_axiss_own_prompts_where_none_can_be_made(name: str, concept: str) -> None:
    axis = load_axis(name)
    found = class_prompts(concept, axis)
    assert found.prompts == {label: axis.generate[label][0] for label in axis.classes}
    assert found.origin == "axis"
    assert f"because {NOT_MADE[name, concept]}: " in found.note
    assert "\n" not in found.note


@pytest.mark.parametrize("role", [role for role in roles() if role != "person"])
def test_roles_are_named_as_the_captions_name_them(role: str) -> None:
    concept = f"a photo of {with_article(called(role))}"
    gender, tone = load_axis("gender"), load_axis("tone")
    assert class_prompts(concept, gender).prompts == {
        label: f"a photo of {with_article(noun_phrases(role, label)[0])}" for label in gender.classes
    }
    assert class_prompts(concept, tone).prompts == {
        label: f"a photo of {with_article(toned_phrases(called(role), label)[0])}" for label in tone.classes
    }
    assert class_prompts(concept, load_axis("age")).origin == "concept"
    for other in ("house", "wedding", "bird", "ground"):
        assert class_prompts(concept, load_axis(other)).origin == "axis"


def test_every_word_of_a_prompt_made_for_the_emoji_world_is_a_token_of_its_model() -> None:
    tokenizer = make_tokenizer()
    axes = [axis for axis in catalogue().values() if "authors" not in axis.name and "fairface" not in axis.name]
    made = [class_prompts(prompt.text, axis) for prompt in all_prompts() for axis in axes]
    texts = {text for found in made if found.origin == "concept" for text in found.prompts.values()}
    assert len(texts) > 200
    for text in texts:
        assert tokenizer.tokenize(text) == [f"{word}</w>" if word != "-" else "-</w>" for word in _parts(text)], text


def _parts(text: str) -> list[str]:
    return text.replace("-", " - ").split()


def test_every_axis_of_the_catalogue_says_how_its_classes_are_named() -> None:
    for axis in catalogue().values():
        assert set(axis.naming) == set(axis.classes)
        assert all(naming.before or naming.behind or naming.instead for naming in axis.naming.values())


def test_chosen_classes_and_unknown_ones() -> None:
    tone = load_axis("tone")
    assert list(class_prompts("a photo of a cook", tone, ["dark", "light"]).prompts) == ["dark", "light"]
    assert list(class_prompts("a wedding", tone, ["dark"]).prompts) == ["dark"]
    with pytest.raises(EquinoiseError, match="no class 'blue'"):
        class_prompts("a photo of a cook", tone, ["blue"])


def test_an_axis_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "hat.toml").write_text(HAT)
    axis = load_axis(str(tmp_path / "hat.toml"))
    assert class_prompts("a photo of an old snowman", axis).prompts == {
        "hat": "a photo of an old snowman with a hat",
        "none": "a photo of an old bareheaded snowman",
    }
    assert class_prompts("a boy and two robots", axis).prompts == {
        "hat": "a boy and two hat stands",
        "none": "a boy and two androids",
    }
    assert class_prompts("a photo of a doctor", axis).note.startswith(
        "hat: the axis's own prompts, because the concept names no scarecrow or snowman: hat = a hat"
    )


def test_an_axis_that_does_not_say_how_it_is_named(tmp_path: Path) -> None:
    lines = [line.split(", behind")[0].split(", before")[0] for line in HAT.splitlines()]
    bare = "\n".join(line if line.endswith(("]", "")) and "classes" not in line else f"{line} }}" for line in lines)
    (tmp_path / "hat.toml").write_text(bare)
    found = class_prompts("a photo of a snowman", load_axis(str(tmp_path / "hat.toml")))
    assert (found.origin, found.prompts) == ("axis", {"hat": "a hat", "none": "no hat"})
    assert "does not say how a concept names its classes" in found.note
    with pytest.raises(EquinoiseError, match=r"axis 'mood' has no prompts, and .*; name one for each of sad, glad"):
        class_prompts("a photo of a doctor", Axis("mood", ("sad", "glad"), False, {}, {}))


NOUNS = st.sampled_from(["doctor", "engineer", "office worker", "nurse", "hour guide", "teachers", "police officers"])
LEADS = st.sampled_from(["a", "an", "the", "two", "some", "The", ""])
BEHIND = st.sampled_from(["", " at work", ", smiling", " and a patient", " in a hospital", " who is tired"])
FRAMES = st.sampled_from(["", "a photo of ", "portrait of ", "a close-up photo of ", "a group of "])
ADJECTIVES = st.lists(st.sampled_from(["old", "wealthy", "smiling", "blue-eyed", "tall"]), max_size=2)


@given(FRAMES, LEADS, ADJECTIVES, NOUNS, BEHIND, st.sampled_from(["gender", "tone", "race-authors"]))
def test_a_prompt_holds_the_concepts_words_in_their_order(
    opening: str, lead: str, adjectives: list[str], noun: str, behind: str, name: str
) -> None:
    concept = opening + " ".join([*filter(None, [lead]), *adjectives, noun]) + behind
    axis = load_axis(name)
    found = class_prompts(concept, axis)
    assert found.origin == "concept"
    for label, text in found.prompts.items():
        left = [word for word in text.split() if word.lower() not in ("a", "an")]
        plain = [word for word in concept.split() if word.lower() not in ("a", "an")]
        words = axis.naming[label].before.split()
        start = next(i for i in range(len(left)) if left[:i] + left[i + len(words) :] == plain)
        assert left[start : start + len(words)] in (words, [plural(words[0])])
        assert left[start + len(words)].startswith(noun.split(maxsplit=1)[0])


@given(st.text(max_size=60), st.sampled_from(sorted(catalogue())))
def test_any_text_has_prompts(concept: str, name: str) -> None:
    axis = load_axis(name)
    assert list(class_prompts(concept, axis).prompts) == list(axis.classes)


def test_subjects_and_frames() -> None:
    assert [subject(text) for text in ("a photo of a doctor", "a wedding", "The old picture of two birds")] == [
        "a doctor",
        "a wedding",
        "two birds",
    ]
    assert [frame(text) for text in ("a picture of a wedding", "a wedding")] == ["a picture of ", "a photo of "]


def test_noun_phrases_of_a_text() -> None:
    text = "Two tall police officers and a wedding guest, by the man's old cars"
    found = phrases_in(text)
    assert [(phrase.noun, phrase.plural) for phrase in found] == [("officer", True), ("guest", False), ("car", True)]
    assert [text[phrase.name : phrase.end] for phrase in found] == ["police officers", "wedding guest", "cars"]
    assert phrases_in("in front of") == []


@pytest.mark.parametrize(
    "noun", ["woman", "person", "child", "hut", "church", "lady", "boy", "glasses", "bus", "dress"]
)
def test_plural_and_back(noun: str) -> None:
    assert singular(plural(noun)) in (noun, noun + "e")  # "buses" could be of "buse"
