"""One command for a concept: every part as its own command makes it, cut off and gone on with, on one page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from equinoise.page.scatters import closer_first, differences, shown
from equinoise.page.understanding import compared_axes
from equinoise.understanding.wordings import read_attributes
from equinoise.workflows import understanding

ROOT = Path(__file__).parents[1]
BUILDING = "a photo of a building"
HOUSE = "a photo of a wealthy dark-skinned man and his house"
FAST = ("--steps", 4, "--batch-size", 32, "--workers", 1, "--json")


@pytest.fixture(scope="session")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("houses") / "houses.toml"
    path.write_text('[hut]\n["derelict house"]\nshown = ["house:derelict"]\n[mansion]\n')
    return path


def test_a_concept_wholly(cli: Callable, houses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    asked = ("understand", "mixture", "--concept", BUILDING, "--attributes", houses, "--axis", "house", *FAST)
    dry = cli(*asked, "-n", 96, "--each", 4, "-o", run, "--dry-run")
    assert (dry.json["images"], run.exists()) == (96 + 3 * 4, False)
    with monkeypatch.context() as patch:
        patch.setattr(understanding, "misalign_run", lambda _: 1 / 0)  # cut off after the images and the relations
        assert cli(*asked, "-n", 96, "--each", 4, "-o", run).code == 70
    kept = {path: path.stat().st_mtime_ns for path in run.rglob("*.png")}
    ran = cli(*asked, "-n", 96, "--each", 4, "-o", run)
    assert ran.code == 0, ran.err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.png")} == kept  # no image was made again
    assert {"audits", "relations", "objects", "findings", "tested", "established", "report"} <= ran.json.keys()
    assert ran.json["tested"] == 3
    assert ("hut", "mansion") in {(entry["attribute"], entry["than"]) for entry in ran.json["findings"]}
    page = Path(ran.json["report"]).read_text()
    for title in ("Social", "Text encoder", "Vision encoder", "Relation against frequency"):
        assert f"<h4>{title}</h4>" in page
    assert cli(*asked, "-n", 96, "--each", 4, "-o", run).json == ran.json
    other = cli(*asked, "-n", 97, "--each", 4, "-o", run)
    assert (other.code, other.err.count("\n")) == (2, 1)


def test_the_papers_example_on_the_emoji_model(cli: Callable, tmp_path: Path) -> None:
    """All four panels, boxes, and what was planted beside what was found."""
    (tmp_path / "few.txt").write_text("hut\nmansion\nman\n")
    ran = cli(
        "understand", "emoji", "--concept", HOUSE, "--attributes", tmp_path / "few.txt", "--axis", "house",
        "--axis", "tone", "--axis", "gender", "--cross", "gender,tone", "-n", 4, "--each", 2, "--objects", "emoji",
        "--threshold", 0.1, "-o", tmp_path / "run", "--steps", 3, "--batch-size", 2, "--workers", 1, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [audit["axis"] for audit in ran.json["audits"]] == ["house", "tone", "gender", "gender*tone"]
    assert ran.json["objects"]
    page = Path(ran.json["report"]).read_text()
    for title in ("Objects", "Social", "Text encoder", "Vision encoder", "What was found where"):
        assert f"<h4>{title}</h4>" in page
    assert '<th scope="col">Planted</th>' in page
    assert "planted by us" in page
    drawn = cli("figures", tmp_path / "run", "-o", tmp_path / "figures", "--formats", "svg", "--json")
    names = {Path(path).stem for path in drawn.json["figures"]}
    assert {"objects", "boxes", "relation-against-frequency", "text-against-vision", "shares-house"} <= names
    assert "planted" in (tmp_path / "figures" / "objects.svg").read_text()


def test_the_example_in_the_repository_is_long_enough() -> None:
    found = read_attributes(ROOT / "examples" / "house_attributes.toml", HOUSE)
    assert len(found) >= 20
    assert len({entry.prompt for entry in found}) == len(found)


def test_pairs_are_turned_and_numbered_as_the_findings_are_listed() -> None:
    def pair(first: str, second: str, text: float, vision: float) -> dict[str, object]:
        return {"attribute": first, "than": second, "text": text, "text_centred": text, "vision": vision}

    rows = [pair("a", "b", -0.2, 0.1), pair("a", "c", 0.3, 0.1), pair("b", "c", 0.1, 0.2)]
    turned = closer_first(rows[0])
    assert (turned["attribute"], turned["than"], turned["text"], turned["vision"]) == ("b", "a", 0.2, -0.1)
    chart = differences("d", rows, [("b", "c"), ("b", "a")])
    others, found = chart.figure["data"]
    assert others["text"] == ["a − c"]
    assert found["text"] == ["b − c", "b − a"]
    named = {label["text"]: (label["x"], label["y"]) for label in chart.figure["layout"]["annotations"]}
    assert named == {"1": (0.1, 0.2), "2": (0.2, -0.1)}


def test_every_attribute_is_a_point_and_findings_are_diamonds() -> None:
    rows = [
        {"attribute": name, "relation": x, "share": y, "n": 50, "count": int(50 * y), "low": 0.0, "high": 1.0}
        for name, x, y in (("hut", 0.4, 0.1), ("mansion", 0.2, 0.6), ("<b>tree</b>", 0.1, 0.1))
    ]
    data = shown("s", rows, "text", ["hut", "mansion"]).figure["data"]
    assert [(trace["marker"]["symbol"], len(trace["x"])) for trace in data] == [("circle", 1), ("diamond", 2)]
    assert "<b>" not in data[0]["text"][0]


def test_classes_are_compared_where_there_are_two() -> None:
    def entry(n: int) -> dict[str, int]:
        return {"n": n}

    rows = [{"with": {"gender": {"woman": entry(0), "man": entry(9)}, "tone": {"dark": entry(4), "light": entry(5)}}}]
    assert compared_axes(rows) == ["tone"]
    assert compared_axes([]) == []
