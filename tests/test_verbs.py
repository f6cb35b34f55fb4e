"""The verbs from Python, on the mixture, whose images cost nothing: typed results, in memory and in folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image
from pydantic import ValidationError

import equinoise as eq
from equinoise.results.audits import AuditResult
from equinoise.results.comparisons.runs import ChangesResult
from equinoise.results.images import ImagesResult
from equinoise.results.plans import PlanResult
from equinoise.results.sweeps import SweepResult
from equinoise.run import PREVIEWS
from equinoise.statistics import paired_difference, share_intervals
from equinoise.workflows.collecting import TraceFolder

DOCTOR, FARMER = "a photo of a doctor", "a photo of a farmer"
AXES = ["gender", "tone"]
COUNTED = {"count", "share", "low", "high", "corrected", "corrected_low", "corrected_high"}
AUDITED = {
    "concept", "axis", "n", "unclear", "classes", "target", "spd", "spd_low", "spd_high", "tv", "tv_low", "tv_high",
    "kl_bits", "entropy_bits", "mean_pairwise_gap", "heim_imbalance", "floor", "gap_squared_unbiased",
    "concept_fidelity",
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> eq.Model:
    return eq.load("mixture", steps=8)


@pytest.fixture(scope="module")
def engine(model: eq.Model) -> eq.Engine:
    """In this process: the verbs' own engines start workers."""
    return eq.Engine(model=model.backend)


@pytest.fixture(scope="module")
def before(model: eq.Model, engine: eq.Engine) -> AuditResult:
    return eq.audit(model, DOCTOR, axes=AXES, n=80, engine=engine)


@pytest.fixture(scope="module")
def directions(model: eq.Model, engine: eq.Engine) -> eq.DirectionSet:
    traces = eq.collect(model, "gender", n=24, capture=[4], engine=engine)
    return eq.fit(traces, estimator="paired", permutations=9)


@pytest.fixture(scope="module")
def plan(model: eq.Model, engine: eq.Engine, directions: eq.DirectionSet) -> eq.Plan:
    """Every image with a shift towards women."""
    change = eq.Intervention((eq.Shift(directions.find("woman", 4), 3.0),))
    return eq.Plan(DOCTOR, {"gender": {"woman": 0.5, "man": 0.5}}, (eq.Part(change, 1.0),))


@pytest.fixture(scope="module")
def after(model: eq.Model, engine: eq.Engine, plan: eq.Plan) -> AuditResult:
    return eq.audit(model, DOCTOR, axes=AXES, n=80, plan=plan, engine=engine)


def test_a_number_is_an_attribute(before: AuditResult) -> None:
    woman = before["gender"]["woman"]
    assert woman.count + before["gender"]["man"].count == before["gender"].clear == 80
    assert woman.share == woman.count / 80
    assert woman.interval == share_intervals([woman.count, 80 - woman.count])[0]
    assert before[DOCTOR]["gender"] is before["gender"]
    assert (before.concepts, before.axes) == ([DOCTOR], AXES)
    with pytest.raises(eq.EquinoiseError, match="no axis or concept 'age'; it has gender, tone"):
        before["age"]
    with pytest.raises(eq.EquinoiseError, match="no class 'girl'; it has woman, man"):
        before["gender"]["girl"]


def test_of_several_concepts_the_concept_comes_first(model: eq.Model, engine: eq.Engine) -> None:
    found = eq.audit(model, [DOCTOR, FARMER], axes="gender", n=8, engine=engine)
    with pytest.raises(eq.EquinoiseError, match=r"2 concepts: .* before\[concept\]\[axis\]") as refused:
        found["gender"]
    assert f"before['{DOCTOR}']['gender']" in str(refused.value)
    assert found[FARMER]["gender"].concept == FARMER
    assert found[DOCTOR]["gender"]["man"].count != found[FARMER]["gender"]["man"].count


def test_an_audit_in_json_is_the_contracts(before: AuditResult) -> None:
    found = before.to_json()
    assert set(found) == {"audits", "pooled", "detector", "corrected_by"}
    assert [set(entry) for entry in found["audits"]] == [AUDITED, AUDITED]
    assert all(set(entry) == COUNTED for audit in found["audits"] for entry in audit["classes"].values())
    assert [set(entry) for entry in found["pooled"]] == [{"axis", "prompts", "n", "classes"}] * 2
    assert set(found["detector"]) == {"name", "weights", "unclear_below", "thresholds"}
    json.dumps(found, allow_nan=False)


def test_json_comes_back(before: AuditResult, after: AuditResult) -> None:
    for result in (before, after):
        again = AuditResult.from_json(json.loads(json.dumps(result.to_json())), "here")
        assert again == result
        assert again.to_json() == result.to_json()
        assert not again.has_run
        with pytest.raises(eq.EquinoiseError, match="holds no images"):
            _ = again.run
    assert before != after
    broken = before.to_json()
    broken["audits"][1]["classes"]["dark"]["count"] = "many"
    with pytest.raises(eq.EquinoiseError, match=r"^there is damaged: audits\.1\.classes\.dark\.count: "):
        AuditResult.from_json(broken, "there")
    with pytest.raises(eq.EquinoiseError, match=r"there is damaged: more: Extra inputs"):
        AuditResult.from_json({**before.to_json(), "more": 1}, "there")


def test_a_frame_has_a_row_a_class(before: AuditResult) -> None:
    frame = before.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["class"]) == ["woman", "man", "light", "medium-light", "medium", "medium-dark", "dark"]
    assert set(frame.columns) >= {"concept", "axis", "class", "count", "share", "low", "high", "target", "n", "unclear"}
    for row in frame.itertuples():
        found = before[row.axis][frame.loc[row.Index, "class"]]
        assert (row.count, row.share, row.low, row.high) == (found.count, found.share, found.low, found.high)
    assert list(frame.groupby("axis")["count"].sum()) == [80, 80]


def test_a_chart_a_table_in_a_terminal_and_in_a_notebook(before: AuditResult) -> None:
    assert isinstance(before.plot(), go.Figure)
    html = before._repr_html_()
    assert html.count("<svg") == 7
    assert "<table>" in html
    assert "medium-dark" in html
    assert str(before) == repr(before)
    assert f"{before['gender']['woman'].count} of 80" in str(before)
    assert "<" not in str(before)


def test_a_result_is_frozen(before: AuditResult) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        before.audits = ()  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        before["gender"]["woman"].count = 80


def test_without_a_folder_all_labels_and_some_images_are_held(
    before: AuditResult, model: eq.Model, engine: eq.Engine
) -> None:
    run = before.run
    assert run.folder is None
    assert [record.seed for record in run.records] == list(range(80))
    assert sum(record.labels["gender"] == "woman" for record in run.records) == before["gender"]["woman"].count
    assert list(run.previews) == [f"0-{seed}" for seed in range(PREVIEWS)]
    assert all(isinstance(image, Image.Image) for image in run.previews.values())
    with pytest.raises(eq.EquinoiseError, match="kept in memory only; make it again with out=FOLDER"):
        run.require_folder()
    two = eq.audit(model, [DOCTOR, FARMER], axes="gender", n=40, engine=engine).run
    assert list(two.previews) == [f"{concept}-{seed}" for concept in (0, 1) for seed in range(PREVIEWS // 2)]


def test_with_a_folder_the_same_is_kept_and_read_back(
    before: AuditResult, model: eq.Model, engine: eq.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = eq.audit(model, DOCTOR, axes=AXES, n=80, out=tmp_path / "run", engine=engine)
    assert kept == before
    assert kept.to_json() == before.to_json()
    assert kept.run.folder == tmp_path / "run"
    assert kept.run.records == before.run.records
    assert len(list((tmp_path / "run" / "images").glob("*.png"))) == 80
    read = eq.read_result(tmp_path / "run")
    assert read == before
    assert read.run.records == before.run.records
    assert read.run.file == kept.run.file
    assert eq.read_result(before) is before
    assert eq.check(tmp_path / "run", max_tv=0.9) == eq.check(before, max_tv=0.9)
    monkeypatch.setattr(eq.Engine, "run", lambda _, request, jobs: pytest.fail("made again") if jobs else iter(()))
    assert eq.audit(model, DOCTOR, axes=AXES, n=80, out=str(tmp_path / "run"), engine=engine) == before


def test_changes_are_paired_by_seed(before: AuditResult, after: AuditResult) -> None:
    found = eq.compare_runs(before, after)
    assert isinstance(found, ChangesResult)
    assert [(change.concept, change.axis) for change in found.changes] == [(DOCTOR, "gender"), (DOCTOR, "tone")]
    for axis in AXES:
        labels = [[record.labels[axis] for record in result.run.records] for result in (before, after)]
        for name, change in found[axis].classes.items():
            was, now = ([label == name for label in part] for part in labels)
            value, interval = paired_difference(was, now)
            assert (change.difference, change.low, change.high, change.n) == (value, *interval, 80)
            assert (change.before, change.after) == (sum(was) / 80, sum(now) / 80)
    assert found["gender"].classes["woman"].moved
    assert found["gender"].classes["woman"].difference > 0.1
    assert list(found.to_frame()["class"])[:2] == ["woman", "man"]
    assert isinstance(found.plot(), go.Figure)
    assert "+" in str(found)


def test_changes_between_folders_are_those_in_memory(
    before: AuditResult, after: AuditResult, model: eq.Model, engine: eq.Engine, plan: eq.Plan, tmp_path: Path
) -> None:
    eq.audit(model, DOCTOR, axes=AXES, n=80, out=tmp_path / "a", engine=engine)
    plan.save(tmp_path / "plan.safetensors")
    eq.audit(model, DOCTOR, axes=AXES, n=80, plan=tmp_path / "plan.safetensors", out=tmp_path / "b", engine=engine)
    whole = eq.compare_runs(before, after)
    assert eq.compare_runs(tmp_path / "a", str(tmp_path / "b")) == whole
    assert eq.compare_runs(tmp_path / "a", after) == whole
    only = eq.compare_runs(before, after, axes=["tone"])
    assert [change.axis for change in only.changes] == ["tone"]


def test_what_cannot_be_compared_is_refused(
    before: AuditResult, model: eq.Model, engine: eq.Engine, tmp_path: Path
) -> None:
    others = eq.audit(model, DOCTOR, axes=AXES, n=80, seed=7, engine=engine)
    with pytest.raises(eq.EquinoiseError, match="not over the same seeds"):
        eq.compare_runs(before, others)
    elsewhere = eq.audit(model, FARMER, axes="gender", n=2, engine=engine)
    with pytest.raises(eq.EquinoiseError, match="share no concept and axis"):
        eq.compare_runs(before, elsewhere)
    with pytest.raises(eq.EquinoiseError, match="share no concept and axis of age"):
        eq.compare_runs(before, before, axes=["age"])
    eq.generate(model, DOCTOR, n=2, out=tmp_path / "images", engine=engine)
    with pytest.raises(eq.EquinoiseError, match="is not the run of an audit"):
        eq.compare_runs(before, tmp_path / "images")
    counted = eq.audit_counts([eq.Counts(DOCTOR, "gender", {"woman": 20, "man": 60})])
    with pytest.raises(eq.EquinoiseError, match="holds no images"):
        eq.compare_runs(before, counted)


def test_an_engine_serves_several_verbs(model: eq.Model) -> None:
    """Its worker processes go on, and give what this process gives."""
    with eq.Engine(1) as engine:
        first = eq.audit(model, DOCTOR, axes="gender", n=4, engine=engine, progress=False)
        pool = engine._pool
        assert pool is not None
        images = eq.generate(model, DOCTOR, n=2, engine=engine, progress=False)
        assert engine._pool is pool
    assert engine._pool is None
    here = eq.Engine(model=model.backend)
    assert eq.audit(model, DOCTOR, axes="gender", n=4, engine=here) == first
    assert [a.tobytes() for a in eq.generate(model, DOCTOR, n=2, engine=here).images] == [
        a.tobytes() for a in images.images
    ]


@pytest.mark.filterwarnings("ignore::equinoise.EquinoiseWarning")
def test_the_notebooks_lines(engine: eq.Engine, model: eq.Model, tmp_path: Path) -> None:
    """As the README has them, with fewer steps, images and seeds."""
    here: Mapping[str, Any] = {"engine": engine, "progress": False}
    before = eq.audit(model, DOCTOR, axes=AXES, n=16, **here)
    less: Mapping[str, Any] = {"budget": 72, "pairs": 2, "rejection": False}
    plan = eq.plan(model, DOCTOR, targets=dict.fromkeys(AXES, "uniform"), out=tmp_path / "plan", **less, **here)
    assert isinstance(plan, PlanResult)
    after = eq.audit(model, DOCTOR, axes=AXES, n=16, plan=plan, **here)
    assert after.plan is not None
    assert after.plan.digest == plan.plan.digest
    assert set(eq.compare_runs(before, after)["gender"].classes) == {"woman", "man"}
    assert eq.report([before, after], tmp_path / "report.html").stat().st_size > 100_000
    images = eq.generate(model, DOCTOR, n=8, plan=plan, **here).images
    assert [type(image) for image in images] == [Image.Image] * 8
    traces = eq.collect(model, "gender", n=8, **here)
    directions = eq.fit(traces, permutations=3)
    assert directions.skipped == ()
    swept = eq.sweep(model, DOCTOR, directions, towards="woman", steps=[4], weights=[2.0], n=8, **here)
    assert isinstance(swept, SweepResult)
    assert [(cell.step, cell.weight) for cell in swept.cells] == [(4, 2.0)]
    frame = pd.DataFrame({"concept": DOCTOR, "axis": "gender", "class": ["woman", "man"], "count": [3, 5]})
    assert eq.audit_counts(frame)["gender"]["man"].count == 5


def test_a_concept_as_a_whole(engine: eq.Engine, model: eq.Model, plan: eq.Plan, tmp_path: Path) -> None:
    here: Mapping[str, Any] = {"engine": engine, "progress": False}
    attributes = ["woman", ("man", "a photo of a man"), "hut"]
    related = eq.relate(model, DOCTOR, attributes=attributes, n=4, axes="gender", out=tmp_path / "run", **here)
    assert [row["attribute"] for row in related.to_json()["relations"]] == ["woman", "man", "hut"]
    assert eq.disagreements(tmp_path / "run").to_json()["tested"] == 1
    whole = eq.understand(model, DOCTOR, attributes=attributes, n=8, each=2, out=tmp_path / "whole", **here)
    assert whole.audit["gender"].n == 8
    assert Path(whole.report).is_file()
    shifted = eq.audit(model, DOCTOR, axes=AXES, n=8, plan=plan, out=tmp_path / "shifted", **here)
    moved = eq.interactions([whole, shifted]).to_json()["interactions"]
    assert [row["pairs"] for row in moved] == [8]
    assert eq.quality(shifted, against=whole, before=whole, axes=["gender"]).within == ("gender",)


def test_images_and_sweeps_are_results_too(
    model: eq.Model, engine: eq.Engine, directions: eq.DirectionSet, tmp_path: Path
) -> None:
    plain = eq.generate(model, [DOCTOR, FARMER], n=2, engine=engine)
    assert [one.seed for one in plain.made] == [5_000_000, 5_000_001] * 2
    kept = eq.generate(model, [DOCTOR, FARMER], n=2, out=tmp_path / "g", engine=engine)
    assert [a.tobytes() for a in kept.images] == [a.tobytes() for a in plain.images]
    assert [Path(one.file or "").is_file() for one in kept.made] == [True] * 4
    shift = eq.Shift(directions.find("woman", 4), 3.0)
    shifted = eq.generate(model, DOCTOR, n=2, intervention=shift, engine=engine)
    assert {one.intervention for one in shifted.made} == {"woman@4=3"}
    assert shifted.kl_nats == pytest.approx(4.5)
    assert set(kept.to_json()) == {"images", "intrusion_nats", "kl_nats"}
    swept = eq.sweep(model, DOCTOR, directions, towards="woman", weights=[1, 3], n=8, out=tmp_path / "s", engine=engine)
    for result, kind, folder, rows in ((kept, ImagesResult, "g", 4), (swept, SweepResult, "s", 6)):
        assert len(result.to_frame()) == rows
        assert isinstance(result.plot(), go.Figure)
        assert "<table>" in result._repr_html_()
        assert type(eq.read_result(tmp_path / folder)) is kind
    assert eq.read_result(tmp_path / "s") == swept


def test_directions_say_what_was_skipped(model: eq.Model, engine: eq.Engine, tmp_path: Path) -> None:
    traces = eq.collect(model, "gender", n=4, capture=["T", 0.5], out=tmp_path / "t", engine=engine)
    assert list(traces.latents) == ["T", 4]
    with pytest.warns(eq.EquinoiseWarning) as warned:
        found = eq.fit(tmp_path / "t", estimator="mean", permutations=1, out=tmp_path / "d.safetensors")
    assert any("no direction at step T" in str(warning.message) for warning in warned)
    assert [direction.origin.step for direction in found.directions] == [4, 4]
    assert [(one.axis, one.step) for one in found.skipped] == [("gender", "T")]
    again = eq.DirectionSet.load(tmp_path / "d.safetensors")
    assert [d.digest for d in again.directions] == [d.digest for d in found.directions]
    assert TraceFolder(tmp_path / "t", {}).path == tmp_path / "t"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: eq.audit(m, DOCTOR, axes=[]), "at least one axis"),
        (lambda m: eq.audit(m, [], axes="gender"), "concept is empty"),
        (lambda m: eq.audit(m, DOCTOR, axes="gendr"), "no axis 'gendr'"),
        (lambda m: eq.audit(m, DOCTOR, axes="gender", targets={"tone": "uniform"}), "target 'tone' is of none of"),
        (lambda m: eq.audit(m, DOCTOR, axes="gender", targets={"gender": "half"}), "not 'half'"),
        (lambda m: eq.audit(m, DOCTOR, axes="gender", targets={"gender": {"woman": 1}}), "names each of woman, man"),
        (lambda m: eq.audit(m, DOCTOR, axes=AXES, crosses=[("gender", "age")]), "two or more of the axes gender, tone"),
        (lambda m: eq.audit(m, DOCTOR, axes="gender", n=0), "-n 0"),
        (lambda m: eq.collect(m, "gender", classes=["woman"]), "two different classes"),
        (lambda m: eq.collect(m, "gender", capture=[99]), "step 99 does not exist"),
        (lambda m: eq.generate(m, DOCTOR, n=-1), "-n -1"),
        (lambda _: eq.fit([]), "no traces"),
        (lambda _: eq.audit_counts([]), "no counts"),
        (lambda _: eq.audit_images([], axes="gender"), "no folder"),
        (lambda _: eq.report([], "page.html"), "no run"),
        (lambda _: eq.interactions([]), "no run"),
        (lambda _: eq.check("/nowhere", max_tv=0.1), "/nowhere"),
        (lambda _: eq.load("mixture", batch_size=0), "at least one image makes a batch"),
        (lambda _: eq.load("mixture", guidance_scale=-1), "guidance"),
    ],
)
def test_what_makes_no_sense_is_one_line(call: Callable[[eq.Model], object], says: str, model: eq.Model) -> None:
    with pytest.raises(eq.EquinoiseError) as refused:
        call(model)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
