"""The page, from real runs of the mixture: audits, sweeps, plans, the demo's story; in memory and in folders."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest
from PIL import Image

import equinoise as eq
from equinoise.charts.numbers import percent, points
from equinoise.charts.style import THEME
from equinoise.errors import EquinoiseError
from equinoise.page import assembly, words
from equinoise.page.chart import Chart
from equinoise.results.audits import AuditResult
from equinoise.results.base import Result
from equinoise.results.demo import DemoResult
from equinoise.results.directions import DirectionsResult
from equinoise.results.reading import Source, read_result
from equinoise.results.sweeps import SweepResult
from equinoise.run import Record, RunContent
from equinoise.runtime.model import Model
from equinoise.statistics import Confusion
from equinoise.understanding.audit import Measures
from equinoise.workflows import reporting
from equinoise.workflows.demo import demo

pytestmark = pytest.mark.filterwarnings("ignore::equinoise.errors.EquinoiseWarning")  # few seeds, small budgets

CONCEPT, OTHER = "a photo of a doctor", "a photo of a teacher"
HOSTILE = """</script><script>alert("x")</script><img src=http://evil.test/x.png onerror='boom()'> & "'"""
SECTIONS = [
    "asked", "pictures", "shares", "changes", "plan", "directions", "sweeps", "provenance", "limits",
]  # fmt: skip
N = 70
Steps = Sequence[int | str]


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
    def alts(self) -> list[str]:
        return [str(a["alt"]) for a in self.all("img")]

    @property
    def sections(self) -> list[str]:
        ids = [str(attributes.get("id")) for attributes in self.all("h3")]
        return [name for name in SECTIONS if f"run-1-{name}" in ids]


@dataclass(frozen=True)
class Story:
    """Runs of one model: audits on the same seeds untouched and under a plan, in folders; directions and a sweep."""

    model: Model
    engine: eq.Engine
    directions: eq.DirectionSet
    before: AuditResult
    after: AuditResult
    swept: SweepResult

    def sweep(self, weights: Sequence[float], n: int = 4, out: Path | None = None) -> SweepResult:
        return eq.sweep(
            self.model, CONCEPT, self.directions, towards="woman", weights=weights, n=n, out=out, engine=self.engine,
            progress=False,
        )  # fmt: skip

    def audit(self, concepts: str | Sequence[str] = CONCEPT, n: int = 4, seed: int = 0) -> AuditResult:
        return eq.audit(self.model, concepts, axes=["gender"], n=n, seed=seed, engine=self.engine, progress=False)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("runs")
    model = eq.load("mixture", steps=4)
    engine = eq.Engine(model=model.backend)
    traces = eq.collect(model, "gender", concept=CONCEPT, n=8, capture=[0, 1], engine=engine, progress=False)
    directions = eq.fit(traces, estimator="paired", permutations=1)
    shift = eq.Intervention((eq.Shift(directions.find("woman", 0), 2.0),))
    plan = eq.Plan(CONCEPT, {"gender": {"woman": 0.5, "man": 0.5}}, (eq.Part(shift, 1.0),))
    before, after = (
        eq.audit(
            model, CONCEPT, axes=["gender", "tone"], n=N, plan=used, out=home / name, engine=engine, progress=False
        )
        for name, used in (("before", None), ("after", plan))
    )
    parts = Story(model, engine, directions, before, after, swept=None)  # type: ignore[arg-type]
    return replace(parts, swept=parts.sweep([1, 2, 3], n=8, out=home / "sweep"))


@pytest.fixture(scope="module")
def told(story: Story, tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The demo's story, of the mixture in place of the emoji model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equinoise.workflows.demo.load", lambda *_, **__: story.model)
        patch.setattr("equinoise.workflows.demo.fit", partial(eq.fit, permutations=1))
        patch.setattr("equinoise.workflows.demo.plan", partial(eq.plan, rejection=False))
        out = tmp_path_factory.mktemp("demo") / "run"
        return demo(out, n=12, pilots=3, pairs=8, engine=story.engine, progress=False)


def folder(result: Result) -> Path:
    return result.run.require_folder()


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Page]:
    return lambda *runs: Page(reporting.report(list(runs), tmp_path / "out" / "report.html"))


Pages = Callable[..., Page]


def test_the_demo_has_every_section_with_the_plan_as_headline(told: DemoResult, page: Pages) -> None:
    found = page(folder(told))
    assert found.sections == [name for name in SECTIONS if name != "sweeps"]
    before, recipe, after = (a["gender"] for a in (told.before, told.recipe.audit, told.after))
    shares = [words.share(audit["woman"], audit.clear) for audit in (before, recipe, after)]
    assert (
        f"Women: {shares[0]} untouched, {shares[1]} with the paper's recipe, {shares[2]} with the plan, on the"
        in found.text
    )
    assert f"{percent(before['woman'].share)} → {percent(after['woman'].share)}" in found.text
    change = told.differences["gender"]["woman"]
    assert f"Change with the plan: {points(change.difference)} points" in found.text
    verdict = told.plan.verdicts[0].verdict.replace("_", " ").replace("not shown", "not shown to be on target")
    assert f"Verification: {verdict} within ±10 points." in found.text
    for part in told.plan.interventions:
        assert f"{percent(part.share)} {part.name}" in found.text
    assert "prompts made from the concept" in found.text
    assert found.text.count("Test fixture") == 1
    assert "Planted for “a photo of a doctor” — gender: woman 22%, man 78%" in found.text
    assert [re.sub(r"@.*?:", ":", alt) for alt in found.alts[:3]] == [
        re.sub(r"@.*?:", ":", _alt(record)) for record in (told.run.records[i] for i in (0, 12, 24))
    ]
    assert page(told).source == found.source


def _alt(record: Record) -> str:
    done = "untouched" if record.intervention == "none" else f"shifted by {record.intervention}"
    return f"Seed {record.seed}, {done}: perceived as {record.labels['gender']}, {record.labels['tone']}"


def test_the_page_loads_nothing_from_anywhere(told: DemoResult, page: Pages) -> None:
    found = page(told)
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


def test_hostile_text_stays_text(told: DemoResult, story: Story, page: Pages, tmp_path: Path) -> None:
    runs = []
    for result in (told, story.swept):
        run = shutil.copytree(folder(result), tmp_path / result.run.name)
        for file in (run / "run.json", run / "images" / "metadata.jsonl"):
            text = file.read_text()
            for word in (CONCEPT, "man", "tone", "mixture", "paired", "svm"):
                text = text.replace(f'"{word}"', json.dumps(HOSTILE if word == CONCEPT else f"{HOSTILE} {word}"))
            file.write_text(text.replace("Test fixture: its skew", json.dumps(f"{HOSTILE} its skew")[1:-1]))
        runs.append(run)
    found = page(*runs)
    assert [a for a in found.all("script") if a.get("type") != "application/json"] == [{}, {}]  # plotly and our own
    assert all(str(a["src"]).startswith("data:image/") for a in found.all("img"))
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert "alert(" in found.text
    assert len(found.data) == len([a for a in found.tags if a[1].get("class") == "chart"])
    drawn = json.dumps([json.loads(data) for data in found.data])
    assert "&lt;/script&gt;" in drawn  # plotly reads tags and links in its texts
    assert "<script" not in drawn


def test_what_a_run_lacks_has_no_section(story: Story, page: Pages) -> None:
    always = ["asked", "provenance", "limits"]
    directions = DirectionsResult.listing(story.directions)
    images = eq.generate(story.model, CONCEPT, n=2, engine=story.engine, progress=False)
    for result, own in (
        (story.before, ["pictures", "shares"]), (story.swept, ["sweeps"]), (images, ["pictures"]),
    ):  # fmt: skip
        assert page(result).sections == [name for name in SECTIONS if name in [*always, *own]]
    assert page(directions).sections == ["directions", "limits"]


def test_without_a_world_nothing_is_said_of_a_fixture(story: Story, page: Pages) -> None:
    run = story.before.run
    found = page(story.before.with_run(replace(run, file=run.file.model_copy(update={"world": None}))))
    assert "fixture" not in found.text
    assert "Planted" not in found.text


def test_two_audits_of_the_same_seeds_share_an_article_with_their_paired_changes(story: Story, page: Pages) -> None:
    found = page(story.before, story.after)
    assert found.sections == ["asked", "pictures", "shares", "changes", "provenance", "limits"]
    assert len(found.all("article")) == 1
    change = eq.compare_runs(story.before, story.after)["gender"].classes["woman"]
    assert f"on the same {N} seeds. Change with the plan: {words.change(change)}. Target 50%." in found.text
    assert f"plan: {story.after.plan.name}" in found.text  # type: ignore[union-attr]
    assert {"Arguments, untouched", "Arguments, plan"} <= set(found.texts)
    assert "Model, plan" not in found.texts  # the same of both is said once
    assert page(folder(story.before), folder(story.after)).source == found.source
    for others in ([story.after, story.before], [story.before, story.before], [story.before, story.audit()]):
        assert len(page(*others).all("article")) == 2


def test_pairs_stand_side_by_side_untouched_first(story: Story, page: Pages) -> None:
    found = page(story.before, story.after)
    first, second = (run.run.records[0] for run in (story.before, story.after))
    assert found.alts[:2] == [_alt(first), _alt(second)]
    label = second.labels["gender"]
    changed = f"<b>{label}</b>" if label != first.labels["gender"] else label
    assert f"{first.labels['gender']}, {first.labels['tone']} → {changed}, " in " ".join(found.source.split())


def test_many_pictures_are_folded_and_bounded(story: Story, page: Pages) -> None:
    found = page(story.before, story.after)
    assert len(found.all("img")) == 2 * 64
    assert "40 more pairs" in found.text
    assert f"The first 64 of {N} pairs; the run folder has them all." in found.text


def test_results_in_memory_show_the_pictures_that_they_hold(story: Story, page: Pages) -> None:
    found = page(story.audit(n=66))
    assert len(found.all("img")) == 64
    assert "The first 64 of 66 pictures; a run that is kept in memory holds the first 64." in found.text
    assert found.sections == ["asked", "pictures", "shares", "provenance", "limits"]
    counts = eq.audit_counts([eq.Counts(CONCEPT, "gender", {"woman": 12, "man": 30})], axes=["gender"])
    assert page(counts).sections == ["asked", "shares", "limits"]


def test_a_sweep_has_its_contact_sheet(story: Story, page: Pages) -> None:
    found = page(folder(story.swept))
    assert len(found.alts) == 4 * 8  # untouched and three weights at the best step, eight seeds
    assert found.alts[0].startswith("Seed 3000000, untouched: perceived as ")
    step = story.swept.best.step if story.swept.best else 0
    assert f"Step {step}: the same seeds" in found.text
    alone = page(story.sweep([2]))
    assert "Weight 2 at each step" in alone.text
    assert len(alone.all("img")) == 3 * 4


def test_an_audit_of_two_prompts_has_both_and_the_pooled_shares(story: Story, page: Pages) -> None:
    found = page(story.audit([CONCEPT, OTHER]))
    assert found.sections == ["asked", "pictures", "shares", "provenance", "limits"]
    assert "2 prompts, 8 images" in found.text
    assert "These prompts" in found.text
    assert "Planted for" not in found.text  # the planted shares are those of one role


def test_a_sweep_says_whether_step_or_weight_moves_the_share(story: Story, page: Pages) -> None:
    found = page(story.swept)
    assert re.search(r"the (weight|step) moves the share more \(\d+ against \d+ points\)", found.text)
    assert ("★ best" in found.text) is (story.swept.best is not None)
    without = page(story.swept.model_copy(update={"best": None}))
    assert "No cell comes nearer to the target" in without.text
    assert "★ best" not in without.text


def test_every_chart_is_a_valid_figure_in_the_colours_of_the_theme(told: DemoResult, story: Story, page: Pages) -> None:
    found = page(told, story.swept)
    assert len(found.data) == 7
    for data in found.data:
        go.Figure(json.loads(data))
    used = set(re.findall(r'color": "(#[0-9a-f]{6})"', " ".join(found.data)))
    assert used <= THEME.keys()
    assert all(a.get("aria-label") for _, a in found.tags if a.get("class") == "chart")
    css = (Path(assembly.__file__).parent / "style.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    for colour, name in THEME.items():
        assert f"--{name}: {colour};" in light
        assert f"--{name}: " in dark
    assert json.dumps({colour: f"--{name}" for colour, name in THEME.items()}) in found.source


def test_nothing_clear_has_no_share_and_still_a_report(page: Pages) -> None:
    found = page(eq.audit_counts([eq.Counts(CONCEPT, "gender", {"woman": 0, "man": 0}, unclear=4)], axes=["gender"]))
    assert "no share (0 of 0)" in found.text
    assert "No image was clear enough" in found.text


def test_corrected_shares_are_shown_where_there_are_some(story: Story, page: Pages) -> None:
    counts = [eq.Counts(CONCEPT, "gender", {"woman": 12, "man": 30})]
    confusion = Confusion(("woman", "man"), ((90, 10, 0), (5, 95, 0)))
    corrected = Measures(confusions={"gender": confusion}).audit(counts)
    found = page(corrected)
    assert f"Corrected for the detector: {words.corrected(corrected['gender']['woman'])}." in found.text
    assert "not yet corrected" not in found.text
    assert "not yet corrected" in page(Measures().audit(counts)).text


def test_equal_runs_give_equal_bytes(told: DemoResult, tmp_path: Path) -> None:
    pages = [reporting.report(folder(told), tmp_path / name).read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]


def test_several_runs_have_a_table_of_contents_and_ids_of_their_own(
    told: DemoResult, story: Story, page: Pages
) -> None:
    found = page(told, story.before, story.after, story.swept)
    ids = [str(a["id"]) for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a["href"]) for a in found.all("a")]
    assert {"#run-1", "#run-2", "#run-2-limits", "#run-3-sweeps"} <= set(links)
    assert all(link[1:] in ids for link in links)
    assert "4 runs" in found.text
    assert found.source.count("plotly.js v") == 1


def test_what_a_plan_made_can_be_reported(told: DemoResult, page: Pages) -> None:
    made = folder(told) / "plan"
    verified = page(made / "verification")
    assert verified.sections == ["asked", "pictures", "shares", "provenance", "limits"]
    assert page(made).source == verified.source
    assert page(made / "pilots").sections == ["asked", "pictures", "provenance", "limits"]
    assert "plan" in page(told.plan).sections
    assert isinstance(read_result(made), AuditResult)


def test_large_pictures_are_made_small(story: Story, page: Pages) -> None:
    run = replace(story.before.run, folder=None, previews={"0-0": Image.effect_noise((1024, 1024), 50)})
    found = page(story.before.with_run(run))
    assert 1000 < max(len(str(a["src"])) for a in found.all("img")) < 100_000


def damage(run: Path, how: str) -> None:
    image, card, table = run / "images" / "0-0.png", run / "run.json", run / "images" / "metadata.jsonl"
    if how == "no run.json":
        card.unlink()
    elif how == "not JSON":
        card.write_text("{")
    elif how == "no results":
        card.write_text('{"about": {}, "version": 2}')
    elif how in {"results of another kind", "another version", "another command"}:
        content = json.loads(card.read_text())
        content["results"]["audits"] = [{"axis": "gender"}] if how == "results of another kind" else []
        content["version"] = 1 if how == "another version" else 2
        content["about"]["command"] = "collect" if how == "another command" else "audit"
        card.write_text(json.dumps(content))
    elif how == "no metadata":
        table.unlink()
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
        table.write_text(table.read_text().replace('"id": "0-0"', '"id": "../../secret"'))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("no run.json", "not a finished run"), ("not JSON", "damaged"), ("no results", "damaged"),
        ("results of another kind", "damaged: audits.0.concept: Field required"), ("another version", "make it again"),
        ("another command", "'collect'"), ("no metadata", "not a finished run"), ("no image", "no such image"),
        ("truncated image", "not a readable image"), ("not an image", "not a readable image"),
        ("huge image", "too large"), ("image elsewhere", "not the image of the id"),
    ],
)  # fmt: skip
def test_damage_is_one_line_and_writes_nothing(story: Story, tmp_path: Path, how: str, says: str) -> None:
    run = shutil.copytree(folder(story.before), tmp_path / "run")
    damage(run, how)
    with pytest.raises(EquinoiseError, match=says) as caught:
        reporting.report(run, tmp_path / "report.html")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_a_fault_of_ours_is_a_traceback(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("audits")

    monkeypatch.setattr(assembly, "headlines", broken)
    with pytest.raises(KeyError, match="audits"):
        reporting.report(story.before, tmp_path / "report.html")


def test_no_run_and_no_place_are_one_line_errors(story: Story, tmp_path: Path) -> None:
    with pytest.raises(EquinoiseError, match="no run"):
        reporting.report([], tmp_path / "report.html")
    with pytest.raises(EquinoiseError, match="not a finished run"):
        reporting.report(tmp_path / "nowhere", tmp_path / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(EquinoiseError, match="cannot write"):
        reporting.report(story.swept, tmp_path / "file" / "report.html")


def test_wording(told: DemoResult, story: Story, page: Pages) -> None:
    text = page(told, story.swept).text.lower()
    assert not re.search(r"debias|unbiased|solved|misalign|intrusion", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0%"), (0.0001, "<0.1%"), (0.004, "0.4%"), (0.117, "12%"), (0.995, "99.5%"),
     (0.9999, ">99.9%"), (1.0, "100%")],
)  # fmt: skip
def test_percent(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_words() -> None:
    assert points(-0.004) == "0"
    assert points(-0.04) == "−4"
    assert words.numbers([5, 6, 7, 9]) == "5–7 (3), 9"
    assert words.numbers([0.5, 1, 2]) == "0.5, 1, 2"
    assert words.people("dark", "tone") == "Dark (tone)"
    assert words.kept(0.75, 4) == "75% (30–95%, 3 of 4)"
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_json_cannot_end_its_script_element() -> None:
    chart = Chart("id", "label", go.Figure(layout={"title": {"text": "</script>&<!--"}}))
    assert not re.search(r"[<>&]", chart.json)
    assert json.loads(chart.json) == chart.content


def test_reporting_needs_neither_torch_nor_a_model(story: Story, told: DemoResult, tmp_path: Path) -> None:
    runs = [str(folder(result)) for result in (story.before, story.swept, told)]
    code = (
        "import sys; from equinoise.page.assembly import write_report; from pathlib import Path; "
        f"write_report({runs}, Path({str(tmp_path / 'r.html')!r})); "
        "print(*sorted({'torch', 'diffusers', 'transformers', 'matplotlib'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == ""


def test_sources_of_every_kind_are_read(story: Story) -> None:
    home, run = folder(story.before), story.before.run
    sources: list[Source] = [story.before, run, home, str(home)]
    assert [read_result(source).to_json() for source in sources] == [story.before.to_json()] * 4
    memory = RunContent(run.file, run.records)
    assert read_result(memory).run is memory


def test_what_was_found_in_a_run_joins_its_article(story: Story, page: Pages, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hut\nmansion\n")
    made = {"out": tmp_path / "run", "engine": story.engine, "progress": False}
    building = "a photo of a building"
    audited = eq.audit(story.model, building, axes=["house"], n=8, **made)
    related = eq.relate(story.model, building, attributes=tmp_path / "a.txt", n=2, **made)
    whole = page(audited)
    assert {"Text encoder", "Vision encoder", "Social"} <= set(whole.texts)
    assert page(related).source == whole.source
    both = page(audited, related)
    assert len(both.all("article")) == 1
    texts = eq.relate(story.model, building, attributes=tmp_path / "a.txt", n=0, progress=False)
    assert "Text encoder" in page(texts).texts
    with pytest.raises(EquinoiseError, match="no place for ChangesResult"):
        page(eq.compare_runs(story.before, story.after))
