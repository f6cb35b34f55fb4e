"""Images that are no pictures (not finite, flagged by a safety checker, blank) count for no class anywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from broken_pipelines import GUIDANCE, STEPS, checked, overflowing
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tiny_pipelines import stable_diffusion

import equinoise as eq
from equinoise.axes import Axis, load_axis
from equinoise.detectors import read
from equinoise.engine import Engine, Job, JobResult
from equinoise.engine.images import make_images
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models.base import Sampling, draw_noise
from equinoise.models.decoding import DecoderWatch, pictures
from equinoise.models.pipeline import PipelineModel
from equinoise.no_picture import add_reasons, count_reasons, in_words, is_blank, require_pictures
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.results.objects import ObjectsResult
from equinoise.run import Record, read_records, rewrite_records
from equinoise.runtime.model import Model
from equinoise.statistics import Confusion
from equinoise.steering.early_classifier import EarlyClassifier, LinearClassifier
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import Counts, likeliest, tally
from equinoise.workflows import objects as object_workflow

PROMPT = "a photo of a doctor"
AXES = ("gender", "tone")
SURE = eq.DetectorSettings("emoji", unclear_below=0.0)
"""The detector says a class of every picture, however unlike a person it is."""

pytestmark = pytest.mark.filterwarnings("ignore::equinoise.errors.EquinoiseWarning")


def model_of(pipeline: Any) -> Model:
    """A live pipeline, which is run in this process."""
    pipeline.set_progress_bar_config(disable=True)
    return eq.load(pipeline, steps=STEPS, guidance_scale=GUIDANCE, batch_size=8, detector=SURE)


@pytest.fixture(scope="module", params=["filtered", "nan"])
def broken(request: pytest.FixtureRequest) -> tuple[str, Model]:
    """A model about half of whose images are none, and for which reason."""
    make: Callable[[str, float], Any] = {"filtered": checked, "nan": overflowing}[request.param]
    return request.param, model_of(make(PROMPT, 0.5))


def none_of_them_counts(records: Sequence[Record], reason: str) -> int:
    """Check that images that are none have their reason and no class, and all others a class; how many are none."""
    none = [record for record in records if record.no_picture]
    assert 0 < len(none) < len(records)
    assert {record.no_picture for record in none} == {reason}
    for record in none:
        assert set(record.labels.values()) <= {"unclear"}
        assert not any(value for found in record.detections.values() for value in found.values())
    assert all("unclear" not in record.labels.values() for record in records if not record.no_picture)
    return len(none)


def test_an_audit_and_later_passes_over_its_run(broken: tuple[str, Model], tmp_path: Path) -> None:
    reason, model = broken
    with pytest.warns(EquinoiseWarning, match=rf"no pictures? \(\d+ {reason}\), unclear on every axis"):
        found = eq.audit(model, PROMPT, axes=AXES, n=24, seed=0, crosses=[AXES], out=tmp_path / "run")
    none = none_of_them_counts(found.run.records, reason)
    for audit in found.audits:
        assert (audit.unclear, audit.no_picture) == (none, {reason: none})
        assert sum(share.count for share in audit.classes.values()) == 24 - none
    role = model.detector.role(PROMPT)
    shown = sum(likeliest(record, "role") == role for record in found.run.records if not record.no_picture)
    assert found["gender"].concept_fidelity == shown / 24
    assert found.to_json()["audits"][0]["no_picture"] == {reason: none}
    assert f"{none} images are no pictures ({none} {reason})" in " ".join(str(found).split())
    kept = read_records(tmp_path / "run")
    assert [record.no_picture for record in kept] == [record.no_picture for record in found.run.records]
    # a later pass trusts what is known, also where it reads everything anew
    for detector in (None, SURE):
        again = eq.audit_images(tmp_path / "run", axes=AXES, detector=detector)
        assert [a.no_picture for a in again.audits] == [{reason: none}] * 2
        assert [a.classes for a in again.audits] == [a.classes for a in found.audits[:2]]
    page = eq.report([tmp_path / "run"], tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{none} of 24; {none} images are no pictures ({none} {reason})" in page
    assert f"no picture ({reason})" in page


def test_a_sweep(broken: tuple[str, Model]) -> None:
    reason, model = broken
    directions = eq.fit(eq.collect(model, "gender", n=6, capture=[0]), permutations=1)
    found = eq.sweep(model, PROMPT, directions, towards="woman", weights=(1.0,), n=16, seed=0)
    none_of_them_counts(found.run.records, reason)
    for cell, start in zip((found.untouched, *found.cells), (0, 16), strict=True):
        none = count_reasons(record.no_picture for record in found.run.records[start : start + 16])
        assert cell.no_picture == (none or None)
        assert cell.unclear == sum(none.values())
        assert sum(share.count for share in cell.classes.values()) == 16 - cell.unclear
    assert reason in str(found)


def test_a_plan_with_early_checks(broken: tuple[str, Model], tmp_path: Path) -> None:
    reason, model = broken
    longer = replace(model, sampling=Sampling(4, GUIDANCE))
    made = eq.plan(longer, PROMPT, targets={"gender": "uniform"}, budget=60, verify=16, pairs=6, out=tmp_path / "plan")
    pilots = read_records(tmp_path / "plan" / "pilots")
    none_of_them_counts([*pilots, *made.verified.run.records], reason)
    none = count_reasons(record.no_picture for record in made.verified.run.records)
    assert made.verified.audits[0].no_picture == (none or None)
    assert made.verified.audits[0].unclear == sum(none.values())
    assert any(reason in warning for warning in made.warnings) == bool(none)


def test_quality_leaves_them_out(broken: tuple[str, Model], tmp_path: Path) -> None:
    reason, model = broken
    for name, seed in (("ours", 0), ("theirs", 100)):
        eq.audit(model, PROMPT, axes=["gender"], n=32, seed=seed, out=tmp_path / name)
    found = eq.quality(tmp_path / "ours", against=tmp_path / "theirs", before=tmp_path / "ours")
    none = {name: count_reasons(r.no_picture for r in read_records(tmp_path / name)) for name in ("ours", "theirs")}
    assert found.no_picture == {"run": none["ours"], "against": none["theirs"], "before": none["ours"]}
    assert found.fidelity is not None
    assert found.fidelity_kept is not None
    assert found.fidelity.n == found.fidelity_kept.pairs == 32 - none["ours"][reason]  # type: ignore[index]
    assert found.compared <= found.fidelity.n
    assert f"left out, run: {none['ours'][reason]} images are no pictures" in " ".join(str(found).split())  # type: ignore[index]
    # without what the records say, a black image is still found to be none
    rewrite_records(tmp_path / "ours", [replace(r, no_picture=None) for r in read_records(tmp_path / "ours")])
    blank = eq.quality(tmp_path / "ours", against=tmp_path / "theirs").no_picture
    assert blank is not None
    assert blank["run"] == {"blank": none["ours"][reason]}  # type: ignore[index]


def test_images_that_are_generated_and_related(broken: tuple[str, Model], tmp_path: Path) -> None:
    reason, model = broken
    made = eq.generate(model, PROMPT, n=16, seed=0, out=tmp_path / "made")
    none = [one for one in made.made if one.no_picture]
    assert {one.no_picture for one in none} == {reason}
    assert made.to_json()["images"][made.made.index(none[0])]["no_picture"] == reason
    assert "no_picture" not in made.to_json()["images"][[bool(one.no_picture) for one in made.made].index(False)]
    audited = eq.audit_images(tmp_path / "made", axes=["tone"], detector=SURE)
    assert audited["tone"].no_picture == {reason: len(none)}
    assert none_of_them_counts(audited.run.records, reason) == len(none)
    related = eq.relate(model, PROMPT, attributes=["a hat"], n=16, seed=0)
    assert related.no_picture is not None
    assert related.no_picture[reason] >= len(none)  # type: ignore[index]
    assert related["a hat"].vision is not None


def test_objects_are_looked_for_in_pictures_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(checked(PROMPT, 0.5))
    eq.audit(model, PROMPT, axes=["gender"], n=16, seed=0, out=tmp_path / "run")
    seen: list[Image.Image] = []

    class Everything:
        labels = None

        def objects(self, images: Sequence[Image.Image]) -> list[list[Any]]:
            seen.extend(images)
            found = SimpleNamespace(to_json=lambda: {"phrase": "a thing", "score": 1.0, "box": [0, 0, 1, 1]})
            return [[found] for _ in images]

    monkeypatch.setattr(object_workflow, "load_object_detector", lambda spec: Everything())
    for _ in range(2):  # the second time the records are enough
        found = eq.detect_objects(tmp_path / "run", detector="emoji")
        assert isinstance(found, ObjectsResult)
        none = sum(record.no_picture is not None for record in found.run.records)
        assert len(seen) == 16 - none
        assert found.no_picture == {"filtered": none}
        assert (found["thing"].count, found["thing"].n) == (16 - none, 16 - none)
    assert all((record.objects is None) == (record.no_picture is not None) for record in found.run.records)


def test_all_not_finite_is_refused_and_all_filtered_is_not(cli: Callable[..., Any], tmp_path: Path) -> None:
    overflowing(PROMPT, 1).save_pretrained(tmp_path / "model")  # on a worker, whose reasons come back as values
    more = ("--axis", "tone", "-n", 4, "--steps", 2, "--guidance-scale", 1, "--detector", "emoji", "--workers", 1)
    ran = cli("audit", tmp_path / "model", "--concept", PROMPT, *more)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()[-1:]) == 1
    assert "--dtype float32" in ran.err.strip().splitlines()[-1]
    model = model_of(overflowing(PROMPT, 1))
    with pytest.raises(EquinoiseError, match="--dtype float32"):
        eq.generate(model, PROMPT, n=4)
    with pytest.raises(EquinoiseError, match="--dtype float32"):
        eq.collect(model, "gender", concept=PROMPT, labels="detected", n=4, capture=["T"])
    found = eq.audit(model_of(checked(PROMPT, 1)), PROMPT, axes=AXES, n=8)
    assert [(audit.unclear, audit.no_picture) for audit in found.audits] == [(8, {"filtered": 8})] * 2
    assert found["tone"]["dark"].share is None


def test_directions_are_not_fitted_on_latents_that_are_not_finite() -> None:
    torch.manual_seed(0)
    pipeline = stable_diffusion()
    with torch.no_grad():
        pipeline.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(EquinoiseError, match="latents of 8 of 8 images are not finite"):
        eq.collect(model_of(pipeline), "gender", n=4, capture=[0])


def test_a_pipeline_whose_pictures_are_fine_is_as_before() -> None:
    torch.manual_seed(0)
    bare = stable_diffusion()
    bare.set_progress_bar_config(disable=True)
    model = PipelineModel(bare, "tiny")
    noise, decode = draw_noise([1, 2], model.latent_shape), bare.vae.decode
    made = model.generate(["a cat", "a dog"], noise, Sampling(2, 1.0))
    own = bare(["a cat", "a dog"], latents=noise, num_inference_steps=2, guidance_scale=1.0).images
    assert made.no_picture == [None, None]
    assert [image.tobytes() for image in made.images or []] == [image.tobytes() for image in own]
    assert "decode" not in vars(bare.vae)
    bare.vae.decode = decode  # of somebody who has replaced it already
    model.generate(["a cat", "a dog"], noise, Sampling(2, 1.0))
    assert vars(bare.vae)["decode"] is decode


def test_what_a_pipeline_says_of_its_images() -> None:
    values = torch.rand(3, 3, 4, 4)
    values[1, 0, 0, 0] = float("nan")
    for flags, reasons in (
        ({"nsfw_content_detected": None}, [None, "nan", None]),
        ({"nsfw_content_detected": [True, True, False]}, ["filtered", "nan", None]),
        ({"nsfw_detected": [False] * 3, "watermark_detected": [False, False, True]}, [None, "nan", "filtered"]),
        ({"nsfw_content_detected": True}, ["filtered", "nan", "filtered"]),
        ({"nsfw_content_detected": [True]}, ["filtered", "nan", None]),
    ):
        found = pictures(SimpleNamespace(images=values.clone(), **flags), DecoderWatch())
        assert found.no_picture == reasons
        assert found.images[1].getextrema() == ((0, 0),) * 3
        assert np.array_equal(np.asarray(found.images[2]), (values[2] * 255).round().byte().permute(1, 2, 0).numpy())
        blacks = [image.getextrema() == ((0, 0),) * 3 for image in found.blackened]
        assert blacks == [reason is not None for reason in reasons]


class SeesDark:
    """A detector that is sure of the last class, whatever it is shown."""

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        return np.tile(np.eye(len(axis.classes))[-1], (len(images), 1))


SPANS = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 12)), min_size=3, max_size=3)


@given(SPANS, st.integers(0, 2**32 - 1))
def test_blank_is_where_no_channel_spans_more_than_three(spans: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = [rng.integers(low, min(255, low + span) + 1, (5, 7)) for low, span in spans]
    image = Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))
    blank = all(int(channel.max()) - int(channel.min()) <= 3 for channel in channels)
    (found,) = read(SeesDark(), [image], [load_axis("tone")])
    assert is_blank(image) == blank
    assert found.no_picture == ("blank" if blank else None)
    assert found.detections["tone"]["dark"] == (0.0 if blank else 1.0)
    grey = image.convert("L")
    assert is_blank(grey) == (np.ptp(np.asarray(grey).astype(int)) <= 3)


@given(st.lists(st.sampled_from([None, "nan", "filtered", "blank"]), max_size=12), st.integers(0, 12))
def test_counts_of_parts_are_those_of_the_whole(reasons: list[Any], at: int) -> None:
    axis = load_axis("gender")
    records = [
        Record(str(i), PROMPT, i, detections={}, labels={"gender": "unclear" if r else "man"}, no_picture=r)
        for i, r in enumerate(reasons)
    ]
    whole = count_reasons(reasons)
    assert whole == {reason: count for reason, count in Counter(reasons).items() if reason}
    assert add_reasons([count_reasons(reasons[:at]), count_reasons(reasons[at:])]) == whole
    parts = [tally(part, [axis]) for part in (records[:at], records[at:]) if part]
    if parts:
        (first, *rest) = [found for (found,) in parts]
        assert sum(rest, first).no_picture == whole
    assert in_words(whole) == "" or str(sum(whole.values())) in in_words(whole)
    if reasons and set(reasons) == {"nan"}:
        with pytest.raises(EquinoiseError):
            require_pictures(reasons)
    else:
        require_pictures(reasons)


def test_shares_that_are_corrected_do_not_depend_on_them() -> None:
    often_unclear = Confusion(("woman", "man"), ((60, 0, 40), (0, 100, 0)))
    measures = Measures(confusions={"gender": often_unclear})
    counts = Counts(PROMPT, "gender", {"woman": 20, "man": 20}, 5)
    with_blanks = replace(counts, unclear=25, no_picture={"filtered": 20})
    plain, blanked = (measures.audit([found]).audits[0] for found in (counts, with_blanks))
    assert plain.classes == blanked.classes
    assert plain.classes["woman"].corrected != plain.classes["woman"].share


def test_labels_that_people_gave_stay(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (32, 32), "black").save(tmp_path / f"{name}.png")
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "c.png")
    rows = [{"file_name": f"{name}.png", "text": PROMPT, "gender": "woman"} for name in "abc"]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    labelled = eq.audit_images(tmp_path, axes=["gender"])
    assert (labelled["gender"]["woman"].count, labelled["gender"].no_picture) == (3, None)
    both = eq.audit_images(tmp_path, axes=AXES, detector=SURE)
    assert (both["gender"]["woman"].count, both["gender"].no_picture) == (3, None)
    assert (both["tone"].unclear, both["tone"].no_picture) == (2, {"blank": 2})
    assert both["tone"]["dark"].count <= 1


def test_a_calibration_leaves_them_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("woman", "man"):
        (tmp_path / "people" / label).mkdir(parents=True)
        for index in range(2):
            pixels = rng.integers(0, 255, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "people" / label / f"{index}.png")
        Image.new("RGB", (32, 32), "black").save(tmp_path / "people" / label / "black.png")
    with pytest.warns(EquinoiseWarning, match="2 images are no pictures .2 blank., left out"):
        found = eq.calibrate_detector(
            tmp_path / "people", "gender", detector="emoji", unclear_below=0.0, out=tmp_path / "c.csv"
        )
    assert found.n == 4
    for label in ("woman", "man"):
        for index in range(2):
            (tmp_path / "people" / label / f"{index}.png").unlink()
    with pytest.raises(EquinoiseError, match="woman"):
        eq.calibrate_detector(
            tmp_path / "people", "gender", detector="emoji", unclear_below=0.0, out=tmp_path / "c.csv"
        )


def test_early_checks_take_no_class_from_them() -> None:
    axis = load_axis("gender")
    vectors = np.ones((2, 1, 1, 1), np.float32)
    latents = LinearClassifier(axis.classes, vectors, (1.0, 0.0))
    check = EarlyClassifier(1, (axis,), {}, classifiers={"gender": latents})
    job = Job("1", PROMPT, 1)
    for value, label in ((0.0, "woman"), (np.nan, "unclear"), (np.inf, "unclear")):
        assert check.predict(JobResult(job, None, {1: np.full((1, 1, 1), value)}, {}))["gender"] == label
    reading = LinearClassifier(axis.classes, np.zeros((2, 2), np.float32), (1.0, 0.0))
    shown = EarlyClassifier(1, (axis,), {}, "emoji", readings={"gender": reading})
    nothing = {"gender": dict.fromkeys(axis.classes, 0.0)}
    assert shown.predict(JobResult(job, None, {}, {}, {1: nothing}))["gender"] == "unclear"
    always = SimpleNamespace(predict_proba=lambda x: np.array([[1.0, 0.0]]), classes_=np.array([0, 1]))
    assert EarlyStopping(1, (axis,), {"gender": always}).certain(nothing) is None  # type: ignore[dict-item]


def test_predicted_images_that_are_flagged_are_accepted_as_no_class() -> None:
    """Early checks read the predicted image: one that the safety checker blanks would else be a dark person."""
    model, axes = model_of(checked(PROMPT, 1)), (load_axis("gender"), load_axis("tone"))
    check = EarlyClassifier(1, axes, {}, "emoji", most_attempts=3)
    request = replace(model.request(axes), preview=check.preview("cpu"), early_classifier=check)
    accept = {axis.name: axis.classes for axis in axes}
    with Engine(model=model.backend) as engine:
        (seen,) = engine.run(replace(request, early_classifier=None), [Job("1", PROMPT, 1)])
        (record,) = make_images(engine, replace(request, preview=None), [Job("1", PROMPT, 1, accept=accept)])
    assert not any(value for found in seen.previews[1].values() for value in found.values())
    assert record.draws is not None
    assert [(set(draw["seen"].values()), draw["kept"]) for draw in record.draws] == [({"unclear"}, False)] * 3
    assert (record.no_picture, record.labels["tone"]) == ("filtered", "unclear")


def test_a_role_is_never_read_off_them() -> None:
    nothing = Record("1", PROMPT, 1, detections={"role": {"doctor": 0.0, "judge": 0.0}})
    kept = Record("2", PROMPT, 2, detections={"role": {"doctor": 0.9, "judge": 0.1}}, no_picture="filtered")
    assert (likeliest(nothing, "role"), likeliest(kept, "role")) == ("unclear", "unclear")


def test_a_reason_is_kept_and_read_typed(tmp_path: Path) -> None:
    broken_run = tmp_path / "run"
    eq.audit(model_of(checked(PROMPT, 1)), PROMPT, axes=["gender"], n=2, out=broken_run)
    lines = (broken_run / "images" / "metadata.jsonl").read_text()
    assert [json.loads(line)["no_picture"] for line in lines.splitlines()] == ["filtered"] * 2
    (broken_run / "images" / "metadata.jsonl").write_text(lines.replace('"filtered"', '"lost"'))
    with pytest.raises(EquinoiseError, match="no_picture"):
        read_records(broken_run)
