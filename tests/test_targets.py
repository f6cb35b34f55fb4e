"""Targets: what a user may ask for, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise import EquinoiseError, load_axis
from equinoise.understanding.counts import crossed
from equinoise.understanding.targets import (
    Target,
    parse_shares,
    parse_target,
    parse_targets,
    plan_targets,
    wanted_shares,
)

DOCTOR = "a photo of a doctor"
GENDER, TONE = load_axis("gender"), load_axis("tone")
PUBLISHED = """concept,axis,class,share
a photo of a doctor,gender,woman,0.385
a photo of a doctor,gender,man,0.615
a photo of a doctor,tone,light,0.1
a photo of a doctor,tone,medium-light,0.3
a photo of a doctor,tone,medium,0.3
a photo of a doctor,tone,medium-dark,0.2
a photo of a doctor,tone,dark,0.1
a photo of a judge,gender,woman,0.5
a photo of a judge,gender,man,0.5
"""


def joint(path: Path, by: str = "share", drop: int = 0) -> Path:
    rows = [
        (g, t, 0.15 if (g == "woman") == (t in ("dark", "medium-dark")) else 0.05)
        for g in GENDER.classes
        for t in TONE.classes
    ]
    total = sum(share for *_, share in rows)
    values = [round(100 * share) if by == "count" else share / total for *_, share in rows]
    lines = [f"{t},{g},{v}" for (g, t, _), v in zip(rows, values, strict=True)]
    path.write_text("\n".join([f"tone,gender,{by}", *lines[drop:]]) + "\n")
    return path


def test_every_form_of_one_axis(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(PUBLISHED)
    assert parse_targets(["gender=uniform"], DOCTOR)[0].shares == {"woman": 0.5, "man": 0.5}
    assert parse_targets(["gender=man:0.6,woman:0.4"], DOCTOR)[0].shares == {"woman": 0.4, "man": 0.6}
    assert parse_targets([f"gender={tmp_path / 's.csv'}"], DOCTOR)[0].shares == {"woman": 0.385, "man": 0.615}
    both = parse_targets([str(tmp_path / "s.csv")], DOCTOR)
    assert [target.name for target in both] == ["gender", "tone"]
    assert both[1].shares["medium-dark"] == pytest.approx(0.2)


@pytest.mark.parametrize("by", ["share", "count"])
def test_a_joint_table_and_its_margins(tmp_path: Path, by: str) -> None:
    (target,) = parse_targets([f"gender*tone={joint(tmp_path / 'j.csv', by)}"], DOCTOR)
    assert target.name == "gender*tone"
    assert list(target.shares) == list(crossed([GENDER, TONE]).classes)
    assert target.shares["woman & dark"] == pytest.approx(0.15)
    assert target.margin(GENDER) == pytest.approx({"woman": 0.45, "man": 0.55})
    assert sum(target.margin(TONE).values()) == pytest.approx(1)
    # the audit of an intersection takes the same table
    axes = {"gender": GENDER, "tone": TONE, "gender*tone": crossed([GENDER, TONE])}
    assert parse_shares([f"gender*tone={tmp_path / 'j.csv'}"], axes)["gender*tone"] == target.shares


def test_products() -> None:
    targets = parse_targets(["gender=woman:0.4,man:0.6", "tone=uniform", "gender*tone=product"], DOCTOR)
    assert targets[2].shares["woman & medium"] == pytest.approx(0.08)
    assert targets[2].margin(GENDER) == pytest.approx({"woman": 0.4, "man": 0.6})


BAD = [
    ([], "needs a target"),
    (["gender"], "is not AXIS="),
    (["gender="], "is not AXIS="),
    (["gendr=uniform"], "no axis 'gendr'"),
    (["gender=woman:0.5,man:0.6"], "sum to 1.1"),
    (["gender=woman:0.5,woman:0.5"], "names woman twice"),
    (["gender=woman:1"], "names each of woman, man"),
    (["gender=woman:1.5,man:-0.5"], "share in 0–1"),
    (["gender=woman:nan,man:1"], "share in 0–1"),
    (["gender=woman:half,man:0.5"], "needs a share"),
    (["gender=person:1"], "no class 'person'"),
    (["gender=uniform", "gender=uniform"], "two targets"),
    (["gender*gender=uniform"], "names an axis twice"),
    (["gender*tone=product", "gender=uniform"], "give one for 'tone'"),
    (["gender=woman:0.3,man:0.7", "gender*tone=uniform"], "contradict each other: 'woman' is to be 0.3 and 0.5"),
    (["gender=missing.csv"], "cannot read missing.csv"),
    (["s.csv"], "says nothing of 'a photo of a doctor'; its concepts are 'a photo of a judge'"),
    (["gender=s.csv"], "it has 'a photo of a judge'"),
    (["gender*tone=s.csv"], "needs the columns gender, tone, share or count"),
    (["gender*tone=short.csv"], "lacks 'woman & light'"),
    (["gender*tone=twice.csv"], "'woman & light' comes twice"),
    (["gender*tone=much.csv"], "the values sum to"),
]


@pytest.mark.parametrize(("texts", "message"), BAD)
def test_what_is_refused(texts: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("\n".join([PUBLISHED.splitlines()[0], *PUBLISHED.splitlines()[-2:]]) + "\n")
    whole = joint(Path("joint.csv")).read_text()
    joint(Path("short.csv"), drop=1)
    Path("twice.csv").write_text(whole + whole.splitlines()[1] + "\n")
    Path("much.csv").write_text(whole.rpartition(",")[0] + ",0.9\n")
    with pytest.raises(EquinoiseError) as refused:
        parse_targets(texts, DOCTOR)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_values_and_texts_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(PUBLISHED)
    table = joint(tmp_path / "j.csv")
    for values, texts in [
        ({"gender": "uniform"}, ["gender=uniform"]),
        ({"gender": {"man": 0.6, "woman": 0.4}}, ["gender=woman:0.4,man:0.6"]),
        ({"gender": tmp_path / "s.csv"}, [f"gender={tmp_path / 's.csv'}"]),
        (tmp_path / "s.csv", [str(tmp_path / "s.csv")]),
        ({"gender*tone": str(table)}, [f"gender*tone={table}"]),
        ({"gender": "uniform", "tone": "uniform", "gender*tone": "product"}, ["gender=uniform", "tone=uniform"]),
    ]:
        parsed = parse_targets([*texts, "gender*tone=product"] if len(texts) == 2 else texts, DOCTOR)
        assert plan_targets(values, DOCTOR) == parsed
        assert plan_targets(parsed, DOCTOR) == parsed


def test_values_that_are_refused(tmp_path: Path) -> None:
    for values, message in [
        ({}, "needs a target"),
        ("shares.txt", "or a .csv file"),
        ({"gender": "half"}, "is 'uniform' or a share for each class, not 'half'"),
        ({"gender": {"woman": 1.0}}, "names each of woman, man"),
        ({"gender": {"woman": 0.5, "man": 0.6}}, "sum to 1.1"),
        ({"gendr": "uniform"}, "no axis 'gendr'"),
        ({"gender*tone": "product", "gender": "uniform"}, "give one for 'tone'"),
    ]:
        with pytest.raises(EquinoiseError) as refused:
            plan_targets(values, DOCTOR)  # type: ignore[arg-type]
        assert message in str(refused.value)
    assert wanted_shares({"man": 1, "woman": 0}, GENDER) == {"woman": 0.0, "man": 1.0}


def test_published_shares_need_a_concept(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(PUBLISHED)
    with pytest.raises(EquinoiseError, match="holds shares by concept"):
        parse_shares([f"gender={tmp_path / 's.csv'}"], {"gender": GENDER})


@given(st.lists(st.integers(1, 50), min_size=5, max_size=5))
def test_shares_that_are_written_out_come_back(weights: list[int]) -> None:
    shares = {name: weight / sum(weights) for name, weight in zip(TONE.classes, weights, strict=True)}
    text = ",".join(f"{name}:{share!r}" for name, share in reversed(shares.items()))
    assert parse_target(text, TONE) == shares
    assert Target((TONE,), shares).margin(TONE) == pytest.approx(shares)
