"""Zero-shot detection against the transformers pipeline, and a worker's whole batch in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equinoise import Axis, EquinoiseError, Job, ModelSpec, Request, Sampling, load_axis
from equinoise.detectors import DetectorSpec, load_detector, role_axis
from equinoise.detectors.loading import default_detector, fingerprint
from equinoise.encoders import ClipEncoder
from equinoise.engine import worker
from equinoise.models.loading import EMOJI


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
    assert all(result.image and result.image.size == (64, 64) for result in results)
    assert all(sum(result.detections["gender"].values()) == pytest.approx(1, abs=1e-5) for result in results)
    assert results[0].latents[1].shape == (4, 16, 16)
    alone = worker.work(request, [Job("2", "a photo of a doctor", 2)])
    assert alone[0].image is not None
    assert results[1].image is not None
    assert alone[0].image.tobytes() == results[1].image.tobytes()
    assert alone[0].detections == results[1].detections
