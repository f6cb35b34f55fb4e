"""The catalogue of axes, axes of one's own, and targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equinoise import EquinoiseError, catalogue, load_axis
from equinoise.axes import Naming
from equinoise.understanding.targets import parse_target

OWN = """
[hat]
ordered = false
classes.hat = { generate = ["a photo of a person in a hat"], detect = ["a hat"] }
classes.none = { generate = ["a photo of a person"], detect = ["no hat"] }
"""


def test_the_contracts_axes() -> None:
    expected = {
        "gender": (("woman", "man"), False),
        "tone": (("light", "medium-light", "medium", "medium-dark", "dark"), True),
        "age": (("child", "adult", "elder"), True),
        "house": (("hut", "derelict", "house", "mansion"), False),
        "wedding": (("white-veil", "sari-and-turban"), False),
        "ground": (("water", "land"), False),
        "bird": (("waterbird", "landbird"), False),
    }
    for name, (classes, ordered) in expected.items():
        assert (load_axis(name).classes, load_axis(name).ordered) == (classes, ordered)
    asked_for = {"gender-authors", "race-authors", "fairface-race", "fairface-age"}
    assert len(load_axis("race-authors").classes) == 7
    assert load_axis("race-authors").detect["white"] == ("A person of Caucasian race",)
    assert set(catalogue()) == {*expected, "place", *asked_for}


def test_an_axis_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "hat.toml").write_text(OWN)
    axis = load_axis(str(tmp_path / "hat.toml"))
    assert axis.classes == ("hat", "none")
    assert axis.generate["hat"] == ("a photo of a person in a hat",)


def test_how_a_class_is_named(tmp_path: Path) -> None:
    content = OWN.replace("ordered = false", 'nouns = ["snowman"]')
    content = content.replace('["a hat"] }', '["a hat"], before = " hatted", instead = { Person = "hatter" } }')
    (tmp_path / "hat.toml").write_text(content)
    axis = load_axis(str(tmp_path / "hat.toml"))
    assert axis.nouns == ("snowman",)
    assert axis.naming == {"hat": Naming("hatted", "", {"person": "hatter"})}


def test_the_digest_is_of_classes_and_prompts_alone() -> None:
    expected = {"gender": "5577c91839f59df4", "tone": "93b4f56e64a8cc09", "house": "df652728806d3b43"}
    for name, digest in expected.items():
        axis = load_axis(name)
        assert axis.digest == replace(axis, naming={}, nouns=(), words={}).digest == digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[hat]\nclasses.a = { generate = ['x'] }", "needs classes"),
        ("[hat]\nclasses.a = { generate = ['x'], detect = ['x'] }", "at least two classes"),
        (
            "[hat]\nclasses.a = { generate = [], detect = ['x'] }\nclasses.b = { generate = ['x'], detect = ['x'] }",
            "without prompts",
        ),
        (OWN.replace('"a hat"] }', '"a hat"], before = 3 }'), "line 4: `classes.hat.before` must be a text"),
        (OWN.replace('"a hat"] }', "\"a hat\"], behind = ['x'] }"), "line 4: `classes.hat.behind` must be a text"),
        (OWN.replace('"a hat"] }', "\"a hat\"], instead = 'hat' }"), "line 4: `classes.hat.instead` needs a table"),
        (
            OWN.replace('"a hat"] }', '"a hat"], instead = { person = 3 } }'),
            "`classes.hat.instead.person` must be a text",
        ),
        (OWN.replace("ordered = false", "nouns = 'house'"), "line 3: `nouns` needs a list"),
        (OWN.replace('["a hat"]', '"a hat"'), "line 4: `classes.hat.detect` needs a list"),
        (OWN.replace('["a hat"]', '["a hat", 3]'), "line 4: `classes.hat.detect.1` must be a text"),
        (OWN.replace("ordered = false", 'ordered = "false"'), "line 3: `ordered` is true or false, without quotes"),
        (OWN.replace("ordered = false", "odered = true"), "line 3: `odered` is no known key; did you mean `ordered`"),
        (
            OWN.replace("generate = [", "prompts = [", 1),
            "line 4: `classes.hat.prompts` is no known key",
        ),
        (OWN.replace("classes.none", "classes.Hat"), "differ in more than case"),
        (OWN.replace("classes.none", "classes.Unclear"), "has no class|a class 'unclear'"),
        (OWN.replace("ordered = false", "nouns = 3"), "needs classes"),
        (OWN.replace("ordered = false", "templates = ['a photo']"), "without its one {}"),
        ("[hat]\nordered = tru", "not valid TOML"),
        ("hat = 3", "needs classes"),
        ("", "declares 0 axes"),
    ],
)
def test_bad_axis_files(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "hat.toml").write_text(content)
    with pytest.raises(EquinoiseError, match=message):
        load_axis(str(tmp_path / "hat.toml"))


def test_unknown_axes_and_classes() -> None:
    with pytest.raises(EquinoiseError, match=r"no axis 'gendr'.*gender"):
        load_axis("gendr")
    with pytest.raises(EquinoiseError, match=r"cannot read /nowhere/x\.toml"):
        load_axis("/nowhere/x.toml")
    with pytest.raises(EquinoiseError, match="no class 'women'"):
        load_axis("gender").require("women")


def test_targets() -> None:
    gender, tone = load_axis("gender"), load_axis("tone")
    assert parse_target("uniform", tone) == dict.fromkeys(tone.classes, 0.2)
    assert parse_target("man:0.6,woman:0.4", gender) == {"woman": 0.4, "man": 0.6}
    for text, message in [
        ("woman:0.4", "names each of"),
        ("woman:0.4,man:0.5", "sum to 0.9"),
        ("woman:x,man:1", "needs a share"),
        ("women:0.5,man:0.5", "no class 'women'"),
        ("woman:nan,man:0.5", "share in 0–1"),
        ("woman:-1,man:2", "0–1"),
    ]:
        with pytest.raises(EquinoiseError, match=message):
            parse_target(text, gender)
