"""One command for a concept: every part as its own command makes it, cut off and gone on with, on one page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import equinoise as eq
from equinoise.charts.clouds import PairPoint, Point, cloud, pairs_chart
from equinoise.page.understanding import compared_axes
from equinoise.results.objects import CountedShare, ObjectCount
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
        patch.setattr(understanding, "disagreements", lambda _: 1 / 0)  # cut off after the images and the relations
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
    again = eq.understand(
        eq.load("mixture", steps=4, batch_size=32), BUILDING, attributes=houses, out=run, axes="house", n=96, each=4
    )
    assert again.to_json() == ran.json
    assert again.run.folder == run
    assert again.relations["hut"].prompt == "a photo of a hut"
    assert again.audit["house"]["mansion"].count == again.disagreements.attributes[-1].count
    assert len(again.to_frame()) == 3
    assert "all panels" in again.table().caption
    assert sum(len(trace.x) for trace in again.plot().data) == 3


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
    rows = [PairPoint("a", "b", -0.2, 0.1), PairPoint("a", "c", 0.3, 0.1), PairPoint("b", "c", 0.1, 0.2)]
    assert rows[0].turned == PairPoint("b", "a", 0.2, -0.1)
    chart = pairs_chart(rows, [("b", "c"), ("b", "a")], "text", "vision").to_plotly_json()
    others, found = chart["data"]
    assert list(others["text"]) == ["a − c"]
    assert list(found["text"]) == ["b − c", "b − a"]
    named = {label["text"]: (label["x"], label["y"]) for label in chart["layout"]["annotations"]}
    assert named == {"1": (0.1, 0.2), "2": (0.2, -0.1)}


def test_every_attribute_is_a_point_and_findings_are_diamonds() -> None:
    rows = [
        Point(name, x, y, f"{name}: {x}", name in ("hut", "mansion"))
        for name, x, y in (("hut", 0.4, 0.1), ("mansion", 0.2, 0.6), ("<b>tree</b>", 0.1, 0.1))
    ]
    data = cloud(rows, "relation", "share", shares=True).data
    assert [(trace.marker.symbol, len(trace.x)) for trace in data] == [("circle", 1), ("diamond", 2)]
    assert "<b>" not in data[0].text[0]


def test_classes_are_compared_where_there_are_two() -> None:
    def entry(n: int) -> CountedShare:
        return CountedShare(count=0, n=n, share=None, low=None, high=None)

    shown = {"gender": {"woman": entry(0), "man": entry(9)}, "tone": {"dark": entry(4), "light": entry(5)}}
    row = ObjectCount(
        concept="c", phrase="hut", count=0, n=9, share=0.0, low=0.0, high=1.0, merged={}, boxes=0, by_class=shown
    )
    assert compared_axes([row]) == ["tone"]
    assert compared_axes([]) == []
