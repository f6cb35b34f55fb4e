"""Detectors against the transformers pipelines and by hand, on tiny models of the real classes; a worker's batch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from equinoise import Axis, EquinoiseError, ModelSpec, Sampling, load_axis
from equinoise.detectors import (
    ClassifierDetector,
    Declaration,
    DetectorSpec,
    FaceDetector,
    ZeroShotDetector,
    declare,
    detect,
    load_detector,
    read_label,
    role_axis,
)
from equinoise.detectors.declaring import read_map
from equinoise.detectors.faces import FaceBox, crop, load_faces
from equinoise.detectors.loading import default_detector, fingerprint
from equinoise.encoders import ClipEncoder, SiglipEncoder
from equinoise.engine import Job, Request, worker
from equinoise.models.worlds import EMOJI


def pictures(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(n)]


def one_prompt(axis: Axis) -> Axis:
    return Axis(axis.name, axis.classes, axis.ordered, axis.generate, {c: axis.detect[c][:1] for c in axis.classes})


def test_probabilities_are_those_of_the_transformers_pipeline() -> None:
    from transformers import AutoImageProcessor, pipeline

    axis, detector = one_prompt(load_axis("tone")), load_detector(DetectorSpec("emoji"))
    ours = detector.probabilities(pictures(3), axis)
    reference = pipeline(
        "zero-shot-image-classification",
        model=detector.encoder.model,
        tokenizer=detector.encoder.tokenizer,
        image_processor=AutoImageProcessor.from_pretrained(EMOJI / "clip", backend="pil"),
    )
    prompts = [axis.detect[name][0] for name in axis.classes]
    theirs = reference(pictures(3), candidate_labels=prompts, hypothesis_template="{}")
    for row, found in zip(ours, theirs, strict=True):
        scores = {entry["label"]: entry["score"] for entry in found}
        assert row == pytest.approx([scores[prompt] for prompt in prompts], abs=2e-4)


def test_rows_sum_to_one_and_do_not_depend_on_companions() -> None:
    detector, axis = load_detector(DetectorSpec("emoji")), load_axis("gender")
    together = detector.probabilities(pictures(4), axis)
    assert together.sum(axis=1) == pytest.approx(np.ones(4))
    assert detector.probabilities(pictures(4)[2:], axis) == pytest.approx(together[2:], abs=1e-5)


def test_encoders_give_unit_vectors() -> None:
    encoder = ClipEncoder.from_pretrained(str(EMOJI / "clip"))
    for vectors in (encoder.texts(["a photo of a doctor", "zebra"]), encoder.images(pictures(2))):
        assert vectors.shape == (2, 128)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    with pytest.raises(EquinoiseError, match="cannot load encoder"):
        ClipEncoder.from_pretrained(str(EMOJI / "unet"))


def test_which_detector_serves_which_model(tiny: Path) -> None:
    assert default_detector("emoji") == "emoji"
    assert "clip" in default_detector(str(tiny))
    roles = role_axis("emoji")
    assert roles is not None
    assert "doctor" in roles.classes
    assert role_axis(str(tiny)) is None
    assert fingerprint("emoji")
    assert fingerprint("some/hub-name") is None


def test_a_workers_batch() -> None:
    axis = load_axis("gender")
    request = Request(
        ModelSpec("emoji"), Sampling(4, 2.0), 4, capture=("T", 1), detector=DetectorSpec("emoji"), axes=(axis,)
    )
    results = worker.work(request, [Job(str(seed), "a photo of a doctor", seed) for seed in (1, 2, 3)])
    assert [result.job.id for result in results] == ["1", "2", "3"]
    assert all(result.image and result.image.size == (128, 128) for result in results)
    assert all(sum(result.detections["gender"].values()) == pytest.approx(1, abs=1e-5) for result in results)
    assert results[0].latents[1].shape == (8, 16, 16)
    alone = worker.work(request, [Job("2", "a photo of a doctor", 2)])
    assert alone[0].image is not None
    assert results[1].image is not None
    assert alone[0].image.tobytes() == results[1].image.tobytes()
    assert alone[0].detections == results[1].detections


def one_wording(axis: Axis) -> list[str]:
    return [axis.detect[label][0] for label in axis.classes]


def test_siglip_is_a_softmax_where_one_class_is_shown(siglip: Path) -> None:
    axis, detector = one_prompt(load_axis("tone")), load_detector(DetectorSpec(str(siglip)))
    ours = detector.probabilities(pictures(3), axis)
    assert ours == pytest.approx(torch.softmax(pair_scores(siglip, axis), dim=1).numpy(), abs=1e-5)
    assert ours.sum(axis=1) == pytest.approx(1)


def test_siglip_with_none_is_the_law_of_its_own_sigmoids(siglip: Path) -> None:
    """Enumerate which of the pairs hold, each independently as its sigmoid says, given that at most one does."""
    axis, detector = one_prompt(load_axis("tone")), load_detector(DetectorSpec(f"{siglip}?none=yes"))
    scores = torch.sigmoid(pair_scores(siglip, axis)).double().numpy()
    singles = np.stack(
        [np.prod(np.where(np.arange(5) == chosen, scores, 1 - scores), axis=1) for chosen in (*range(5), -1)], axis=1
    )
    expected = singles / singles.sum(axis=1, keepdims=True)
    found = detector.probabilities(pictures(3), axis)
    assert found == pytest.approx(expected[:, :5], abs=1e-5)
    assert (found.sum(axis=1) < 1).all()


def pair_scores(folder: Path, axis: Axis) -> torch.Tensor:
    """(images, classes): what the whole model says of each pair, before its sigmoid."""
    encoder = SiglipEncoder.from_pretrained(str(folder))
    ids = encoder.tokenizer(one_wording(axis), padding="max_length", return_tensors="pt").input_ids
    pixels = encoder.processor(pictures(3), return_tensors="pt").pixel_values
    with torch.inference_mode():
        return encoder.model(input_ids=ids, pixel_values=pixels).logits_per_image  # type: ignore[no-any-return]


def test_none_of_the_classes_is_not_for_a_clip() -> None:
    with pytest.raises(EquinoiseError, match="none=yes needs a SigLIP"):
        load_detector(DetectorSpec("emoji?none=yes"))


def test_templates_and_wordings_are_crossed(tmp_path: Path) -> None:
    """An ensemble is the mean of its prompts, scaled to length 1, whether written out or as templates."""
    short = "[hat]\ntemplates = ['a photo of {}', 'a drawing of {}']\n"
    (tmp_path / "hat.toml").write_text(
        short + "classes.a = {generate = ['x'], detect = ['a cook', 'a chef']}\n"
        "classes.b = {generate = ['x'], detect = ['a judge']}"
    )
    axis = load_axis(str(tmp_path / "hat.toml"))
    assert axis.detect["a"] == ("a photo of a cook", "a drawing of a cook", "a photo of a chef", "a drawing of a chef")
    detector = load_detector(DetectorSpec("emoji"))
    vectors = [detector.encoder.texts(axis.detect[label]).mean(axis=0) for label in "ab"]
    logits = detector.encoder.scale * np.stack(
        [detector.encoder.images(pictures(2)) @ vector / np.linalg.norm(vector) for vector in vectors], axis=1
    )
    expected = torch.softmax(torch.tensor(logits, dtype=torch.float64), dim=1).numpy()
    assert detector.probabilities(pictures(2), axis) == pytest.approx(expected, abs=1e-5)


def test_a_classifier_is_that_of_the_transformers_pipeline(faces_classifier: Path) -> None:
    from transformers import pipeline

    detector = load_detector(DetectorSpec(f"classifier:{faces_classifier}?map=fairface"))
    assert isinstance(detector, ClassifierDetector)
    found = detector.probabilities(pictures(3), load_axis("gender"))
    reference = pipeline("image-classification", model=detector.model, image_processor=detector.processor)
    for row, scores in zip(found, reference(pictures(3), top_k=3), strict=True):
        by_label = {entry["label"]: entry["score"] for entry in scores}
        assert row == pytest.approx([by_label["Female"], by_label["Male"]], abs=1e-5)
        assert 1 - row.sum() == pytest.approx(by_label["a mask"], abs=1e-5)  # not mapped: of no class


def test_labels_that_stand_for_one_class_add_up(faces_classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"gender": {"Female": "woman", "Male": "man", "a mask": "man"}}')
    detector = load_detector(DetectorSpec(f"classifier:{faces_classifier}?map={tmp_path / 'map.json'}"))
    assert detector.probabilities(pictures(2), load_axis("gender")).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mapping", "axis", "message"),
    [
        ("gender = {Female = 'woman', Male = 'man'}", "age", "no axis 'age'; it has gender"),
        ("gender = {female = 'woman', Male = 'man'}", "gender", "no label 'female'; its labels are Female, Male"),
        ("gender = {Female = 'woman'}", "gender", "no label of the detector stands for 'man'"),
        ("gender = {Female = 'woman', Male = 'man', 'a mask' = 'masked'}", "gender", "no class 'masked'"),
        ("Female = 'woman'", "gender", "needs a table an axis"),
        ("gender = {Female = 1}", "gender", "needs a table an axis"),
        ("gender = ", "gender", "is not valid TOML"),
    ],
)
def test_wrong_mappings(faces_classifier: Path, tmp_path: Path, mapping: str, axis: str, message: str) -> None:
    (tmp_path / "map.toml").write_text(mapping)
    with pytest.raises(EquinoiseError, match=message) as raised:
        load_detector(DetectorSpec(f"classifier:{faces_classifier}?map={tmp_path / 'map.toml'}")).probabilities(
            pictures(1), load_axis(axis)
        )
    assert "\n" not in str(raised.value)


def test_a_shipped_mapping_speaks_of_shipped_axes() -> None:
    for axis, labels in read_map("fairface"):
        assert {stands_for for _, stands_for in labels} == set(load_axis(axis).classes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("classifier:x", "needs a mapping of its labels, map=FILE"),
        ("emoji?map=fairface", "takes no map"),
        ("emoji?map=/nowhere", "cannot read /nowhere"),
        ("emoji?faces=both", "faces=both: use largest or all"),
        ("emoji?faces", "'faces' is no setting"),
        ("emoji?face=all", "no setting 'face'; there are map, faces, margin, none"),
        ("emoji?labels=all", "no setting 'labels'"),
        ("emoji?margin=wide", "could not convert"),
        ("emoji?margin=nan", "margin=nan"),
        ("emoji?none=maybe", "none=maybe: use yes or no"),
        ("classifier:x?map=fairface&none=yes", "unclear already"),
        ("?faces=all", "needs a model"),
        ("/nowhere/x.toml", "cannot read /nowhere/x.toml"),
    ],
)
def test_wrong_declarations(name: str, message: str) -> None:
    with pytest.raises(EquinoiseError, match=message) as raised:
        declare(name)
    assert "\n" not in str(raised.value)


def test_a_file_declares_what_a_line_does(tmp_path: Path, faces_classifier: Path) -> None:
    (tmp_path / "map.toml").write_text("[gender]\nFemale = 'woman'\nMale = 'man'")
    (tmp_path / "faces.toml").write_text(
        f"kind = 'classifier'\nmodel = '{faces_classifier}'\nfaces = 'all'\nmargin = 0.2\n"
        "[map.gender]\nFemale = 'woman'\nMale = 'man'"
    )
    line = f"classifier:{faces_classifier}?map={tmp_path / 'map.toml'}&faces=all&margin=0.2"
    assert declare(str(tmp_path / "faces.toml")) == declare(line)
    (tmp_path / "beside.toml").write_text("model = 'weights'")
    (tmp_path / "weights").mkdir()
    assert declare(str(tmp_path / "beside.toml")) == Declaration(str(tmp_path / "weights"))
    (tmp_path / "wrong.toml").write_text("model = 'x'\ncolour = 3")
    with pytest.raises(EquinoiseError, match="no setting 'colour'"):
        declare(str(tmp_path / "wrong.toml"))


def test_a_specification_travels_to_other_processes(faces_classifier: Path) -> None:
    """It is a plain value, and what it loads there says the same."""
    spec = DetectorSpec(f"classifier:{faces_classifier}?map=fairface", thresholds=(("gender", 0.7),))
    there = ForkingPickler.loads(ForkingPickler.dumps(spec))
    assert there == spec
    assert hash(there) == hash(spec)
    found = [load_detector(each).probabilities(pictures(1), load_axis("gender")) for each in (spec, there)]
    assert found[0].tolist() == found[1].tolist()


def test_fingerprints(tmp_path: Path, faces_classifier: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(faces_classifier, folder)
    line, weights = f"classifier:{folder}?map=fairface", folder / "model.safetensors"
    first = fingerprint(line)
    assert first == fingerprint(f"classifier:{faces_classifier}?map=fairface")
    assert first not in (fingerprint(str(folder)), fingerprint(f"{line}&faces=all"))
    assert fingerprint(f"{line}&faces=all") != fingerprint(f"{line}&faces=largest")
    kept = weights.read_bytes()
    weights.write_bytes(kept + b" ")
    assert fingerprint(line) != first
    weights.write_bytes(kept)
    os.utime(weights, (1, 1))  # the same bytes, written at another time
    assert fingerprint(line) == first
    assert fingerprint("classifier:some/hub-name?map=fairface")  # of the mapping alone


def test_a_fingerprint_reads_the_weights_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = fingerprint(str(tmp_path))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert fingerprint(str(tmp_path)) == first == hashlib.sha256(b"weights").hexdigest()[:16]


class Spots:
    """A stand-in for a face detector: it finds the boxes that it was told, by the size of the image."""

    def __init__(self, boxes: dict[tuple[int, int], list[FaceBox]]) -> None:
        self.known = boxes

    def boxes(self, image: Image.Image) -> list[FaceBox]:
        return self.known[image.size]


class Redness:
    """A stand-in for a detector: P(woman) is the mean of the red channel."""

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> np.ndarray:
        red = np.array([np.asarray(image.convert("RGB"))[..., 0].mean() / 255 for image in images])
        return np.stack([red, 1 - red], axis=1)


def two_people() -> Image.Image:
    image = Image.new("RGB", (80, 40), (0, 0, 255))
    image.paste((255, 0, 0), (10, 10, 30, 30))
    return image


LEFT, RIGHT = FaceBox(10, 10, 30, 30), FaceBox(50, 15, 60, 25)


def test_whose_face_counts() -> None:
    """The largest, or the mean over all; where no face is found every class has 0, whatever the threshold."""
    finder, axis = Spots({(80, 40): [LEFT, RIGHT], (20, 20): []}), load_axis("gender")
    images = [two_people(), Image.new("RGB", (20, 20), (255, 0, 0)), two_people()]
    largest = FaceDetector(finder, Redness(), "largest", 0.0).probabilities(images, axis)
    assert largest == pytest.approx(np.array([[1, 0], [0, 0], [1, 0]]))
    everybody = FaceDetector(finder, Redness(), "all", 0.0)
    every = everybody.probabilities(images, axis)
    assert every == pytest.approx(np.array([[0.5, 0.5], [0, 0], [0.5, 0.5]]))
    labels = [read_label(found["gender"], 0.0) for found in detect(everybody, images, [axis])]
    assert labels == ["woman", "unclear", "woman"]


def test_nobody_at_all() -> None:
    detector = FaceDetector(Spots({(20, 20): []}), Redness(), "all", 0.0)
    assert detector.probabilities([Image.new("RGB", (20, 20))] * 2, load_axis("gender")).tolist() == [[0, 0], [0, 0]]


def test_a_crop_has_a_margin_and_stays_inside() -> None:
    image = two_people()
    assert crop(image, LEFT, 0.25).size == (30, 30)
    assert crop(image, LEFT, 3).size == (80, 40)
    assert crop(image, RIGHT, 0).size == (10, 10)
    assert np.asarray(crop(image, LEFT, 0))[..., 0].min() == 255


@given(st.integers(0, 60), st.integers(0, 30), st.integers(1, 20), st.integers(1, 10), st.floats(0, 5))
def test_a_crop_holds_its_box(x: int, y: int, width: int, height: int, margin: float) -> None:
    image = Image.new("L", (80, 40))
    image.paste(255, (x, y, x + width, y + height))
    cut = np.asarray(crop(image, FaceBox(x, y, x + width, y + height), margin))
    assert (cut == 255).sum() == width * height


def photograph(name: str) -> Image.Image:
    """A photograph that comes with scikit-image: an astronaut (NASA), a cat, a cup of coffee."""
    import skimage.data

    with Image.open(Path(skimage.data.__file__).parent / f"{name}.png") as image:
        return image.convert("RGB")


def test_the_cascade_finds_a_face_where_there_is_one() -> None:
    finder, image = load_faces(), photograph("astronaut")
    (face,) = finder.boxes(image)
    assert face.left < 225 < face.right  # her nose
    assert face.top < 125 < face.bottom
    assert finder.boxes(photograph("chelsea")) == []
    pair = Image.new("RGB", (800, 512), "grey")
    pair.paste(image.crop((100, 0, 400, 300)), (0, 0))
    pair.paste(image.crop((100, 0, 400, 300)).resize((450, 450)), (320, 40))
    sizes = [box.right - box.left for box in finder.boxes(pair)]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]


def test_without_opencv_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(EquinoiseError, match=r"pip install 'equinoise\[faces\]'"):
        load_detector(DetectorSpec("emoji?faces=all"))
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(__version__="5.0.0", __file__="/cv2.py"))
    with pytest.raises(EquinoiseError, match=r"OpenCV 5.0.0 as installed has no cascades"):
        load_faces()


def test_other_kinds_of_model_are_refused(faces_classifier: Path, siglip: Path) -> None:
    for name, message in [
        (str(faces_classifier), r"type 'vit', not one of clip, siglip \(give --detector"),
        (f"classifier:{siglip}?map=fairface", "SiglipModel, not an image classifier"),
        (f"classifier:{siglip / 'nowhere'}?map=fairface", "cannot load detector"),
    ]:
        with pytest.raises(EquinoiseError, match=message):
            load_detector(DetectorSpec(name))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs" / "a photo"
    folder.mkdir(parents=True)
    for name in ("astronaut", "chelsea", "coffee"):
        photograph(name).save(folder / f"{name}.png")
    return folder.parent


def test_an_audit_with_faces_first(cli: Callable[..., Any], photographs: Path, faces_classifier: Path) -> None:
    """The cat and the coffee are unclear though nothing is below the threshold; the record says how many and why."""
    detector = f"classifier:{faces_classifier}?map=fairface&faces=largest"
    run = photographs.parent / "run"
    ran = cli(
        *("audit", photographs, "--axis", "gender", "--detector", detector, "--unclear-below", 0, "-o", run, "--json")
    )
    assert ran.code == 0, ran.err
    (found,) = ran.json["audits"]
    assert (found["n"], found["unclear"]) == (3, 2)
    assert ran.json["faces"] == {"policy": "largest", "images_without": 2}
    about = json.loads((run / "run.json").read_text())["about"]["detector"]
    assert about["settings"]["faces"] == "largest"
    assert about["settings"]["map"]["gender"] == {"Female": "woman", "Male": "man"}
    assert "haarcascade" in about["finder"]
    assert str(faces_classifier) not in (run / "run.json").read_text()
    lost = cli("audit", run, "--axis", "gender")  # the record names the detector, not where it lies
    assert (lost.code, lost.err.count("\n"), "say where with --detector" in lost.err) == (2, 1, True)
    again = cli("audit", run, "--axis", "gender", "--detector", detector, "--unclear-below", 0)
    assert "2 of 3" in again.err + again.out
    assert "no face found in 2 images" in again.err + again.out


def test_calibrating_a_classifier(cli: Callable[..., Any], tmp_path: Path, faces_classifier: Path) -> None:
    """Threshold and confusion matrix fit the detector they were counted with, and no other settings of it."""
    for label in ("woman", "man"):
        (tmp_path / "labelled" / label).mkdir(parents=True)
    for index, image in enumerate(pictures(8)):
        image.save(tmp_path / "labelled" / ("woman", "man")[index % 2] / f"{index}.png")
    detector, out = f"classifier:{faces_classifier}?map=fairface", tmp_path / "gender.json"
    read = (tmp_path / "labelled", "--axis", "gender", "--json")
    ran = cli("calibrate-detector", *read, "-o", out, "--detector", detector)
    assert ran.code == 0, ran.err
    assert ran.json["n"] == 4
    audit = ("audit", *read, "--confusion", out, "--detector")
    fits = cli(*audit, detector)
    assert fits.code == 0, fits.err
    assert fits.json["corrected_by"]["gender"]["detector"] == f"classifier:{faces_classifier.name}?map=fairface"
    other = cli(*audit, f"{detector}&faces=all")
    assert other.code == 2
    *warnings, error = other.err.strip().splitlines()
    assert "is of detector" in error
    assert all("called like classes" in line for line in warnings)


@pytest.mark.parametrize("detector", ["classifier:x", "emoji?faces=both", "/nowhere/x.toml"])
def test_the_command_line_says_in_one_line(cli: Callable[..., Any], photographs: Path, detector: str) -> None:
    ran = cli("audit", photographs, "--axis", "gender", "--detector", detector)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1


def striped(colour: str) -> Image.Image:
    """A picture of a colour that is not the only one in it."""
    image = Image.new("RGB", (64, 64), colour)
    image.paste("black", (0, 0, 64, 16))
    return image


def test_pictures_are_encoded_once_for_all_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, axes = load_detector(DetectorSpec("emoji")), [load_axis("gender"), load_axis("tone")]
    assert isinstance(detector, ZeroShotDetector)
    pictures = [striped("white"), striped("brown")]
    encoded = list[int]()
    images = detector.encoder.images
    monkeypatch.setattr(detector.encoder, "images", lambda batch: encoded.append(len(batch)) or images(batch))
    first = detect(detector, pictures, axes)
    assert encoded == [2]
    pictures[1] = striped("white")  # the same list, another picture
    second = detect(detector, pictures, axes)
    assert encoded == [2, 2]
    assert second[1] == second[0] == first[0] != first[1]
