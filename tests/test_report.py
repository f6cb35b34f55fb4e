from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.page import charts, words
from equinoise.page.assembly import write_report
from equinoise.run import Record, RunFolder

CONCEPT = "a photo of a doctor"
HOSTILE = """</script><script>alert("x")</script><img src=http://evil.test/x.png onerror='boom()'> & "'"""
MODEL = {"name": "emoji", "pipeline": "StableDiffusionPipeline", "scheduler": "DDIMScheduler", "weights": "abc123"}
SECTIONS = ["asked", "pictures", "shares", "changes", "directions", "sweeps", "provenance", "limits"]

Make = Callable[..., Path]


class Page(HTMLParser):
    """What a browser would see: elements with attributes, and the text outside scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: list[str] = []
        self._inside: tuple[str, dict[str, str | None]] = ("", {})
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = (tag, dict(attrs))
        self.tags.append(self._inside)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ("", {})

    def handle_data(self, data: str) -> None:
        tag, attributes = self._inside
        if attributes.get("type") == "application/json":
            self.data.append(data)
        elif tag not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def sections(self) -> list[str]:
        ids = [str(attributes.get("id")) for attributes in self.all("h3")]
        return [name for name in SECTIONS if f"run-1-{name}" in ids]


def audit(woman: int, man: int, unclear: int = 0, concept: str = CONCEPT, axis: str = "gender") -> dict[str, Any]:
    m = woman + man
    shares = {"woman": woman, "man": man}
    return {
        "concept": concept, "axis": axis, "n": m + unclear, "unclear": unclear,
        "classes": {
            name: {"count": k, "share": k / m if m else None, "low": 0.08 if m else None, "high": 0.62 if m else None,
                   "corrected": None, "corrected_low": None, "corrected_high": None}
            for name, k in shares.items()
        },
        "target": {"woman": 0.5, "man": 0.5}, "spd": 0.5 if m else None, "tv": abs(woman / m - 0.5) if m else None,
        "kl_bits": 0.2, "entropy_bits": 0.8, "floor": 0.1 if m else None, "gap_squared_unbiased": -0.01,
        "concept_fidelity": 0.75,
    }  # fmt: skip


def cell(step: Any, weight: float, woman: int, n: int = 4) -> dict[str, Any]:
    found = audit(woman, n - woman)
    share = found["classes"]["woman"]
    return {
        "step": step, "weight": weight, "n": n, "unclear": 0, "share": share["share"], "low": 0.1, "high": 0.9,
        "tv": found["tv"], "concept_fidelity": 0.75, "intrusion_nats": weight**2 / 2, "classes": found["classes"],
    }  # fmt: skip


def sweep_results(steps: tuple[Any, ...] = ("T", 10), weights: tuple[float, ...] = (1.0, 3.0)) -> dict[str, Any]:
    cells = [cell(step, weight, min(4, int(weight))) for step in steps for weight in weights]
    return {"axis": "gender", "class": "woman", "concept": CONCEPT, "n": 4, "target": {"woman": 0.5, "man": 0.5},
            "untouched": cell(None, 0.0, 0), "cells": cells, "best": cells[0]}  # fmt: skip


FULL: dict[str, Any] = {
    "before": {"audits": [audit(1, 2, unclear=1)], "pooled": []},
    "after": {"audits": [audit(2, 2)], "pooled": []},
    "differences": {"gender": {"woman": {"difference": 0.25, "low": -0.1, "high": 0.6},
                               "man": {"difference": -0.25, "low": -0.6, "high": -0.1}}},
    "applied": {"name": "woman@10=3", "intrusion_nats": 4.5,
                "shifts": [{"direction": "woman@10", "weight": 3.0, "how": "add"}]},
    "directions": [
        {"axis": "gender", "class": "woman", "against": "man", "step": step, "estimator": "paired",
         "accuracy": accuracy, "low": 0.4, "high": 0.8, "p": 0.01}
        for step, accuracy in (("T", 0.5), (10, 0.7), (20, None))
    ],
    "skipped": [{"axis": "tone", "step": 5, "reason": "too few images"}],
    "sweeps": [sweep_results()],
    "model": MODEL,
    "world": {"note": "Test fixture: its skew was planted by us, on emoji art.",
              "planted": {"doctor": {"gender": {"woman": 0.15, "man": 0.85}}}},
    "role": "doctor",
    "warnings": ["woman@10 was found at guidance 1"],
}  # fmt: skip


def colour(seed: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (seed * 20 % 256, 90, 160))


def pairs(prompt: str = CONCEPT, n: int = 4, label: str = "woman") -> list[Record]:
    return [
        Record(f"{group}-{seed}", prompt, seed, change, {}, {"gender": seen, "role": "doctor"})
        for seed in range(n)
        for group, change, seen in (("after", "woman@10=3", label), ("before", "none", "man"))
    ]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr("equinoise.run.environment", lambda: {"python": "3.11", "equinoise": "0.1.0"})

    def run(results: Mapping[str, Any], records: list[Record] | None = None, name: str = "run", **about: Any) -> Path:
        about = {"command": "demo", "concept": CONCEPT, "sampling": {"steps": 50, "guidance_scale": 2.0}, **about}
        folder = RunFolder(tmp_path / name, about)
        records = pairs() if records is None else records
        for record in records:
            folder.add(record, colour(record.seed))
        folder.finish([record.id for record in records], results)
        return folder.path

    return run


def page(*runs: Path) -> Page:
    return Page(write_report(runs, runs[0].parent / "out" / "report.html"))


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in FULL.items() if key not in keys}


def test_a_full_run_has_every_section_and_its_numbers_in_words(make: Make) -> None:
    found = page(make(FULL))
    assert found.sections == SECTIONS
    assert "Women: 33% (8–62%, 1 of 3) before, 50% (8–62%, 2 of 4) after, on the same 4 seeds." in found.text
    assert "Change +25 points (−10 to +60). Target 50%." in found.text
    assert "Test fixture: its skew was planted by us , on emoji art." in found.text
    assert found.text.count("Test fixture") == 1
    assert "Planted for “a photo of a doctor” — gender: woman 15%, man 85%." in found.text
    assert "woman@10 was found at guidance 1" in found.text
    assert "tone at step 5: too few images" in found.text
    assert "1 of 4" in found.text  # unclear


def test_the_page_loads_nothing_from_anywhere(make: Make) -> None:
    found = page(make(FULL))
    addresses = [
        value
        for _, attributes in found.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action", "poster"}
    ]
    assert all(str(value).startswith(("data:image/", "#")) for value in addresses)
    style = found.source[found.source.index("<style>") : found.source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not found.all("link")
    assert all("src" not in attributes for attributes in found.all("script"))
    assert found.source.count("plotly.js v") == 1
    policy = next(str(m["content"]) for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_hostile_text_stays_text(make: Make) -> None:
    results = copy.deepcopy(FULL)
    for key in ("before", "after"):
        results[key]["audits"][0]["concept"] = HOSTILE
        results[key]["audits"][0]["classes"][HOSTILE] = results[key]["audits"][0]["classes"].pop("man")
        results[key]["audits"][0]["target"][HOSTILE] = 0.5
    results["directions"][0]["class"] = results["applied"]["name"] = results["skipped"][0]["reason"] = HOSTILE
    results["sweeps"][0]["axis"] = results["model"] = {"name": HOSTILE}
    results["sweeps"][0]["axis"] = HOSTILE
    results["world"] = {"note": HOSTILE}
    results["warnings"] = [HOSTILE]
    found = page(make(results, pairs(HOSTILE, label=HOSTILE), concept=HOSTILE, axes=[HOSTILE]))
    assert [a for a in found.all("script") if a.get("type") != "application/json"] == [{}, {}]  # plotly and our own
    assert all(str(a["src"]).startswith("data:image/") for a in found.all("img"))
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert "alert(" in found.text
    assert len(found.data) == len([a for a in found.tags if a[1].get("class") == "chart"])
    drawn = json.dumps([json.loads(data) for data in found.data])
    assert "&lt;/script&gt;" in drawn  # plotly reads tags and links in its texts
    assert "<script" not in drawn


@pytest.mark.parametrize(
    ("missing", "section"),
    [(["differences"], "changes"), (["directions", "skipped"], "directions"), (["sweeps"], "sweeps")],
)
def test_what_a_run_lacks_has_no_section(make: Make, missing: list[str], section: str) -> None:
    assert page(make(without(*missing))).sections == [name for name in SECTIONS if name != section]


def test_without_world_nothing_is_said_of_a_fixture(make: Make) -> None:
    found = page(make(without("world")))
    assert "fixture" not in found.text
    assert "Planted" not in found.text


def test_pairs_stand_side_by_side_untouched_first(make: Make) -> None:
    found = page(make(without("sweeps")))
    alts = [str(a["alt"]) for a in found.all("img")]
    assert alts[:2] == [
        "Seed 0, untouched: perceived as man",
        "Seed 0, shifted by woman@10=3: perceived as woman",
    ]
    assert len(alts) == 8
    assert "seed 3 man → woman" in found.text


def test_many_pairs_are_folded_and_bounded(make: Make) -> None:
    results = without("sweeps")
    results["before"] = results["after"] = {"audits": [audit(35, 35)], "pooled": []}
    found = page(make(results, pairs(n=70)))
    assert len(found.all("img")) == 2 * 64
    assert "40 more pairs" in found.text
    assert "The first 64 of 70 pairs" in found.text


def test_pilot_images_of_a_sweep_are_no_pairs_but_its_contact_sheet(make: Make) -> None:
    pilots = [
        Record(f"{step}-{weight:g}-{seed}", CONCEPT, seed, change, {}, {"gender": "man"})
        for step, weight, change in (
            ("untouched", 0, "none"), ("T", 1, "woman@T=1"), ("T", 3, "woman@T=3"), ("10", 3, "-1·man@10=3")
        )
        for seed in range(100, 110)
    ]  # fmt: skip
    found = page(make(FULL, [*pilots, *pairs()]))
    alts = [str(a["alt"]) for a in found.all("img")]
    assert len([alt for alt in alts if re.match(r"Seed \d,", alt)]) == 8
    sheet = [alt for alt in alts if re.match(r"Seed 1\d\d,", alt)]
    assert len(sheet) == 3 * 8  # untouched and two weights at the best step, eight seeds
    assert "Step T: the same seeds" in found.text


def test_the_sweep_of_a_run_inside_the_run_has_its_contact_sheet(make: Make) -> None:
    inner = {**sweep_results(steps=("T", 0, 5, 10, 15), weights=(3.0,)), "name": "step"}
    records = [
        Record(f"{name}-{seed}", CONCEPT, seed, name, {}, {"gender": "man"})
        for name in ("none", *(f"woman@{step}=3" for step in ("T", 0, 5, 10, 15)))
        for seed in range(2)
    ]
    outer = make({**FULL, "sweeps": [inner]}, name="outer")
    make(inner, records, name="outer/sweeps/step")
    found = page(outer)
    assert "Weight 3 at each step" in found.text
    assert len(found.all("img")) == 8 + 6 * 2


def test_works_without_after(make: Make) -> None:
    found = page(make(without("after", "differences", "applied"), [r for r in pairs() if r.intervention == "none"]))
    assert "Women: 33% (8–62%, 1 of 3). Target 50%." in found.text
    assert "Measured" in found.text
    assert "after" not in " ".join(str(a["alt"]) for a in found.all("img"))


def test_an_audit_run_of_two_prompts_has_both_and_the_pooled_shares(make: Make) -> None:
    nurse = "a photo of a nurse"
    pooled = {"axis": "gender", "prompts": 2, "n": 8, "classes": {"woman": {"share": 0.5, "low": 0.2, "high": 0.8}}}
    records = [Record(f"{p[-3:]}-{s}", p, s, "none", {}, {"gender": "man"}) for p in (CONCEPT, nurse) for s in range(2)]
    results = {"audits": [audit(1, 3), audit(3, 1, concept=nurse)], "pooled": [pooled], "model": MODEL,
               "world": FULL["world"], "role": "doctor"}  # fmt: skip
    found = page(make(results, records, concepts=[CONCEPT, nurse]))
    assert found.sections == ["asked", "pictures", "shares", "provenance", "limits"]
    assert "2 prompts, 8 images" in found.text
    assert "These prompts" in found.text
    assert "Planted for" not in found.text  # the planted shares are those of one role


def test_a_sweep_run_says_whether_step_or_weight_moves_the_share(make: Make) -> None:
    records = [Record(f"u-{seed}", CONCEPT, seed, "none", {}, {"gender": "man"}) for seed in range(4)]
    found = page(make({**sweep_results(), "model": MODEL}, records))
    assert found.sections == ["asked", "sweeps", "provenance", "limits"]
    assert "the weight moves the share more (50 against 0 points)" in found.text
    assert "★ best" in found.text


def test_a_sweep_without_a_best_cell_says_so(make: Make) -> None:
    found = page(make({**sweep_results(), "best": None}, []))
    assert "No cell comes nearer to the target" in found.text


@pytest.mark.parametrize(("steps", "weights"), [((0, 5), (1.0, 3.0)), (tuple(range(6)), (3.0,)),
                                                (tuple(range(6)), tuple(float(w) for w in range(1, 7)))])  # fmt: skip
def test_every_chart_is_a_valid_figure(make: Make, steps: tuple[int, ...], weights: tuple[float, ...]) -> None:
    found = page(make({**FULL, "sweeps": [sweep_results(steps, weights)]}))
    css = found.source[found.source.index("<style>") : found.source.index("</style>")]
    for data in found.data:
        named = set(re.findall(r'"(--[a-z]+)"', data))
        assert all(f"{name}:" in css for name in named)
        go.Figure(json.loads(re.sub(r'"--[a-z]+"', '"#123456"', data)))
    assert all(a.get("aria-label") for _, a in found.tags if a.get("class") == "chart")


def test_nothing_clear_has_no_share_and_still_a_report(make: Make) -> None:
    nothing = {"audits": [audit(0, 0, unclear=4)], "pooled": []}
    found = page(make({"before": nothing, "after": nothing}))
    assert "no share (0 of 0)" in found.text
    assert "No image was clear enough" in found.text


def test_corrected_shares_are_shown_where_there_are_some(make: Make) -> None:
    results = copy.deepcopy(FULL)
    results["before"]["audits"][0]["classes"]["woman"] |= {
        "corrected": 0.3, "corrected_low": 0.2, "corrected_high": 0.4
    }  # fmt: skip
    found = page(make(results))
    assert "30% (20–40%)" in found.text
    assert "not yet corrected" not in found.text


def test_equal_runs_give_equal_bytes(make: Make, tmp_path: Path) -> None:
    run = make(FULL)
    first, second = (write_report([run], tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_several_runs_have_a_table_of_contents_and_ids_of_their_own(make: Make) -> None:
    found = page(make(FULL, name="one"), make(without("sweeps"), name="two"))
    ids = [str(a["id"]) for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a["href"]) for a in found.all("a")]
    assert {"#run-1", "#run-2", "#run-2-limits"} <= set(links)
    assert all(link[1:] in ids for link in links)
    assert found.source.count("plotly.js v") == 1


def test_large_pictures_are_made_small(make: Make) -> None:
    run = make(FULL)
    Image.effect_noise((1024, 1024), 50).save(run / "images" / "before-0.png")
    found = page(run)
    assert max(len(str(a["src"])) for a in found.all("img")) < 100_000


def damage(run: Path, how: str) -> None:
    image = run / "images" / "before-0.png"
    if how == "no run.json":
        (run / "run.json").unlink()
    elif how == "not JSON":
        (run / "run.json").write_text("{")
    elif how == "no results":
        (run / "run.json").write_text('{"about": {}}')
    elif how == "results of another kind":
        content = json.loads((run / "run.json").read_text())
        content["results"]["before"] = {"audits": [{"axis": "gender"}]}
        (run / "run.json").write_text(json.dumps(content))
    elif how == "no metadata":
        (run / "images" / "metadata.jsonl").unlink()
    elif how == "no image":
        image.unlink()
    elif how == "truncated image":
        Image.effect_noise((64, 64), 50).save(image)
        image.write_bytes(image.read_bytes()[:900])
    elif how == "not an image":
        image.write_text("hello")
    elif how == "huge image":
        Image.new("1", (10_000, 10_000)).save(image)
    elif how == "image elsewhere":
        table = run / "images" / "metadata.jsonl"
        table.write_text(table.read_text().replace('"id": "before-0"', '"id": "../../secret"'))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("no run.json", "not a finished run"), ("not JSON", "damaged"), ("no results", "damaged"),
        ("results of another kind", "damaged"), ("no metadata", "not a finished run"), ("no image", "no such image"),
        ("truncated image", "not a readable image"), ("not an image", "not a readable image"),
        ("huge image", "too large"), ("image elsewhere", "outside itself"),
    ],
)  # fmt: skip
def test_damage_is_one_line_and_writes_nothing(make: Make, tmp_path: Path, how: str, says: str) -> None:
    run = make(FULL)
    damage(run, how)
    with pytest.raises(EquinoiseError, match=says) as caught:
        write_report([run], tmp_path / "report.html")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_no_run_and_no_place_are_one_line_errors(make: Make, tmp_path: Path) -> None:
    with pytest.raises(EquinoiseError, match="no run"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(EquinoiseError, match="not a finished run"):
        write_report([tmp_path / "nowhere"], tmp_path / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(EquinoiseError, match="cannot write"):
        write_report([make(FULL)], tmp_path / "file" / "report.html")


def test_wording(make: Make) -> None:
    text = page(make(FULL)).text.lower()
    assert not re.search(r"debias|unbiased|solved", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0%"), (0.0001, "<0.1%"), (0.004, "0.4%"), (0.117, "12%"), (0.995, "99.5%"),
     (0.9999, ">99.9%"), (1.0, "100%")],
)  # fmt: skip
def test_percent(value: float | None, text: str) -> None:
    assert words.percent(value) == text


def test_words() -> None:
    assert words.points(-0.004) == "0"
    assert words.points(-0.04) == "−4"
    assert words.numbers([5, 6, 7, 9]) == "5–7 (3), 9"
    assert words.numbers([0.5, 1, 2]) == "0.5, 1, 2"
    assert words.people("dark", "tone") == "Dark (tone)"
    assert words.kept(0.75, 4) == "75% (30–95%, 3 of 4)"


def test_json_cannot_end_its_script_element() -> None:
    chart = charts.Chart("id", "label", 1, {"text": "</script>&<!--"})
    assert not re.search(r"[<>&]", chart.json)
    assert json.loads(chart.json) == chart.figure


def test_the_report_itself_needs_no_torch() -> None:
    sources = {file.name: file.read_text() for file in Path(charts.__file__).parent.glob("*.py")}
    heavy = re.compile(r"^\s*(import|from) (torch|diffusers|transformers|equinoise\.(models|engine|mitigation))", re.M)
    assert [name for name, source in sources.items() if heavy.search(source)] == []
