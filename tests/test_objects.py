"""Objects: real classes built tiny, recorded outputs of the real Kosmos-2 format, counts and boxes in a run."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import equinoise as eq
from equinoise import EquinoiseError, Record, read_records
from equinoise.axes import Axis
from equinoise.detectors.boxes import PhraseDetector
from equinoise.detectors.grounded import GroundedCaptioner, read_caption
from equinoise.detectors.object_loading import ObjectSpec, default_object_detector, load_object_detector
from equinoise.detectors.objects import Found, clipped, from_pipeline
from equinoise.page.assembly import write_report
from equinoise.results.audits import AuditResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.parts import read_part
from equinoise.run import MemoryRun, RunFolder
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.frequency import classes_read, frequencies
from equinoise.understanding.objects import count_objects, is_a, spellings
from equinoise.understanding.phrases import merge
from equinoise.understanding.wordings import Attribute

PLACES = [f"<image_{i}>" for i in range(64)]
WORDS = ["<s>", "<pad>", "</s>", "<unk>", *PLACES, "An", "image", "of", "a", "house", "hut"]


def picture(size: tuple[int, int] = (32, 32), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def kosmos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Kosmos-2 of the real classes with random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        Kosmos2Config,
        Kosmos2ForConditionalGeneration,
        Kosmos2Processor,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    base = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        model_max_length=200,
    )  # fmt: skip
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    processor = Kosmos2Processor(images, tokenizer)
    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = Kosmos2ForConditionalGeneration(
        Kosmos2Config(
            text_config={
                "vocab_size": len(tokenizer), "embed_dim": 16, "layers": 1, "ffn_dim": 16, "attention_heads": 2,
                "max_position_embeddings": 256,
            },
            vision_config={**tiny, "image_size": 16, "patch_size": 8},
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("kosmos")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def captioner(kosmos: Path) -> GroundedCaptioner:
    found = load_object_detector(ObjectSpec(str(kosmos)))
    assert isinstance(found, GroundedCaptioner)
    return found


@pytest.fixture(scope="session")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved YOLOS of the real classes, as the emoji world's own, with random weights."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    torch.manual_seed(0)
    names = ["house", "hut", "man"]
    model = YolosForObjectDetection(
        YolosConfig(
            image_size=[32, 32], patch_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, num_detection_tokens=4, use_mid_position_embeddings=False,
            id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("yolos")
    model.save_pretrained(folder)
    YolosImageProcessorPil(size={"height": 32, "width": 32}, do_pad=False).save_pretrained(folder)
    return folder


def test_a_caption_with_boxes(captioner: GroundedCaptioner) -> None:
    """The format of the paper's model: 32×32 patches, upper left and lower right, several boxes by a delimiter."""
    text = (
        "<image></image><grounding> An image of<phrase> a man in a suit</phrase><object><patch_index_0010>"
        "<patch_index_0989></object> in front of<phrase> an old house</phrase><object><patch_index_0000>"
        "<patch_index_0527></delimiter_of_multi_objects/><patch_index_0016><patch_index_1023></object>, and"
        "<object><patch_index_0100><patch_index_0300></object> with<phrase> a car</phrase><object><patch_index_0989>"
        "<patch_index_0010></object>."
    )
    found = read_caption(captioner.processor, text, (320, 640))
    assert [item.phrase for item in found] == ["a man in a suit", "an old house", "an old house"]
    assert all(item.score is None for item in found)
    # patch 10 is column 10 of row 0, patch 989 is column 29 of row 30; boxes go through the middles of patches
    assert found[0].box == pytest.approx(((10 + 0.5) * 10, 0.5 * 20, (29 + 0.5) * 10, (30 + 0.5) * 20))
    assert read_caption(captioner.processor, "<grounding> An image of nothing.", (8, 8)) == []


def test_what_the_real_kosmos_said(captioner: GroundedCaptioner) -> None:
    """Its output for the picture of a snowman, and how its authors' code reads it, as transformers documents them."""
    from transformers.models.kosmos2 import modeling_kosmos2

    recorded = inspect.getsource(modeling_kosmos2)
    said = re.search(r"^ *'(<grounding> An image of.*)'$", recorded, re.MULTILINE)
    read = re.search(r"^ *(\[\('a snowman'.*\])$", recorded, re.MULTILINE)
    assert said
    assert read
    found = read_caption(captioner.processor, said[1], (640, 480))
    expected = [
        (phrase, tuple(x * size for x, size in zip(box, (640, 480, 640, 480), strict=True)))
        for phrase, _, boxes in ast.literal_eval(read[1])
        for box in boxes
    ]
    assert [(item.phrase, item.box) for item in found] == expected
    assert [item.phrase for item in found] == ["a snowman", "a fire"]


@pytest.mark.parametrize("module", ["owlv2.modeling_owlv2", "grounding_dino.modeling_grounding_dino"])
def test_what_the_real_detectors_found(module: str) -> None:
    """Two cats, and remote controls for Grounding DINO: what transformers documents of COCO's picture 39769."""
    recorded = inspect.getsource(importlib.import_module(f"transformers.models.{module}"))
    rows = re.findall(r"Detected (a .+) with confidence ([\d.]+) at location (\[.+\])", recorded)
    assert len(rows) >= 2
    stop = "." if "dino" in module else ""
    sides = ("xmin", "ymin", "xmax", "ymax")
    given = [
        {
            "score": float(score),
            "label": phrase + stop,
            "box": dict(zip(sides, map(int, ast.literal_eval(box)), strict=True)),
        }
        for phrase, score, box in rows
    ]
    kind = SimpleNamespace(config=SimpleNamespace(model_type="grounding-dino" if stop else "owlv2"))

    class Pipeline:
        model = kind

        def __call__(self, asked: list[dict[str, Any]], threshold: float) -> list[list[dict[str, Any]]]:
            assert all(entry["label"] in asked[0]["candidate_labels"] for entry in given)
            return [[entry for entry in given if entry["score"] >= threshold]]

    phrases = list(dict.fromkeys(phrase for phrase, _, _ in rows))
    (found,) = PhraseDetector(Pipeline(), phrases, 0.1).objects([Image.new("RGB", (640, 480))])
    assert [item.score for item in found] == sorted((float(score) for _, score, _ in rows), reverse=True)
    assert {item.phrase for item in found} == set(phrases)
    assert all(0 <= item.box[0] < item.box[2] <= 640 and 0 <= item.box[1] < item.box[3] <= 480 for item in found)
    merged = merge({phrase: sum(item.phrase == phrase for item in found) for phrase in phrases}, "head")
    assert next(group.times for group in merged if group.name == "cat") == 2


def test_kosmos_generates_for_a_batch(captioner: GroundedCaptioner, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner.longest = 4
    found = captioner.objects([picture(), picture((40, 20))])
    assert len(found) == 2
    said = "<grounding> An image of<phrase> a hut</phrase><object><patch_index_0000><patch_index_1023></object>"
    monkeypatch.setattr(captioner.processor, "batch_decode", lambda tokens, **_: [said] * len(tokens))
    (hut,), (wide,) = captioner.objects([picture(), picture((40, 20))])
    assert hut.phrase == wide.phrase == "a hut"
    assert wide.box == pytest.approx((0.625, 0.3125, 39.375, 19.6875))


def test_labels_of_an_object_detection_model(yolos: Path) -> None:
    found = load_object_detector(ObjectSpec(str(yolos), threshold=0.0))
    assert found.labels == ("house", "hut", "man")
    rows = found.objects([picture(), picture((64, 32))])
    assert any(rows)
    for row, (width, height) in zip(rows, ((32, 32), (64, 32)), strict=True):
        assert [item.score for item in row] == sorted((item.score for item in row), reverse=True)
        for item in row:
            left, top, right, bottom = item.box
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
    with pytest.raises(EquinoiseError, match="takes no phrases"):
        load_object_detector(ObjectSpec(str(yolos), ("a hut",)))


def test_phrases_are_looked_for_by_owl(tmp_path: Path, tiny: Path) -> None:
    from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessorPil, Owlv2Processor

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(tiny / "tokenizer")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config={**small, "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    Owlv2ForObjectDetection(config).save_pretrained(tmp_path)
    Owlv2Processor(Owlv2ImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(tmp_path)
    found = load_object_detector(ObjectSpec(str(tmp_path), ("a hut", "a house"), threshold=0.0))
    rows = found.objects([picture(), picture((48, 32))])
    assert len(rows) == 2
    assert {item.phrase for row in rows for item in row} <= {"a hut", "a house"}
    with pytest.raises(EquinoiseError, match="give --phrases"):
        load_object_detector(ObjectSpec(str(tmp_path)))


def test_phrases_are_looked_for_by_grounding_dino(tmp_path: Path) -> None:
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "hut", "house"]
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=64,
        ),
        d_model=64, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=6, max_text_len=16, disable_custom_kernels=True,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(tmp_path)
    images = GroundingDinoImageProcessorPil(size={"height": 32, "width": 32})
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(tmp_path)
    found = load_object_detector(ObjectSpec(str(tmp_path), ("A hut", "a house."), threshold=0.0))
    asked: list[list[str]] = []
    pipeline = found.pipeline  # type: ignore[attr-defined]
    found.pipeline = lambda rows, **more: asked.extend(r["candidate_labels"] for r in rows) or pipeline(rows, **more)  # type: ignore[attr-defined]
    (row,) = found.objects([picture((48, 32))])
    assert asked == [["a hut.", "a house."]]
    assert {item.phrase for item in row} == {"A hut", "a house."}
    assert all(item.box[2] <= 48 and item.box[3] <= 32 for item in row)


def test_what_a_pipeline_gives_is_clipped_and_sorted() -> None:
    def entry(score: float, *box: int) -> dict[str, Any]:
        return {"score": score, "label": "hut", "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))}

    found = from_pipeline([entry(0.3, -4, 2, 8, 40), entry(0.9, 1, 1, 5, 5), entry(0.8, 6, 1, 5, 5)], (16, 32))
    assert found == [Found("hut", 0.9, (1, 1, 5, 5)), Found("hut", 0.3, (0, 2, 8, 32))]
    assert clipped((3, 3, 3, 9), (10, 10)) is None


def test_what_cannot_find_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EquinoiseError, match="cannot load object detector"):
        load_object_detector(ObjectSpec(str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EquinoiseError, match="finds no objects"):
        load_object_detector(ObjectSpec(str(tmp_path)))
    with pytest.raises(EquinoiseError, match="patterns without objects"):
        default_object_detector("mixture")
    assert default_object_detector("emoji") == "emoji"


def seen(index: int, *phrases: str, gender: str = "man") -> Record:
    objects = [{"phrase": phrase, "score": None, "box": [1.0, 1.0, 6.0, 7.0]} for phrase in phrases]
    return Record(f"i{index}", "a man and his house", index, labels={"gender": gender}, objects=objects)


def found_in(n: int = 20) -> list[Record]:
    """Houses in every second image, twice in some; a mansion with every woman."""
    return [
        seen(i, *["his house", "a house"][: 1 + i % 4 // 2] * (i % 2 == 0), *["an old mansion"] * (i % 5 == 0),
             gender="woman" if i % 5 == 0 else "man")
        for i in range(n)
    ]  # fmt: skip


def test_images_are_counted_and_not_boxes() -> None:
    records = found_in()
    entries = count_objects(records, merge(spellings(records)))
    house, mansion = entries
    assert (house.phrase, house.count, house.n, house.share) == ("house", 10, 20, 0.5)
    assert house.merged == {"his house": 10, "a house": 5}
    assert house.boxes == 15
    assert house.low is not None
    assert house.high is not None
    assert house.low < 0.5 < house.high
    assert mansion.by_class["gender"]["woman"].share == 1
    assert mansion.by_class["gender"]["man"].count == 0
    assert mansion.merged == {"an old mansion": 4}
    said = mansion.to_json()
    assert list(said) == ["concept", "phrase", "count", "n", "share", "low", "high", "merged", "boxes", "with"]
    shifted = [Record(f"s{r.id}", r.prompt, r.seed, "woman@5=3", objects=r.objects) for r in records]
    assert count_objects(shifted, merge(spellings(shifted)))[0].to_json()["intervention"] == "woman@5=3"


def test_frequencies_say_where_they_come_from_and_what_they_cannot_know() -> None:
    records = [*found_in(), seen(99, "a hut", gender="unclear")]
    asked = [Attribute.named(name, "c") for name in ("woman", "mansion", "mud hut", "couch")]
    found = frequencies(records, asked, {"gender": ["woman", "man"]}, ["house", "mansion", "hut"])
    assert found.sources == ("gender:woman", "mansion")
    assert np.isnan(found.shown[-1, 0])
    assert np.nansum(found.shown, axis=0).tolist() == [4, 4]
    assert [entry.attribute for entry in found.skipped] == ["mud hut", "couch"]
    assert "no label" in found.skipped[0].reason
    anything = frequencies(records, asked, {"gender": ["woman", "man"]}, None)
    assert len(anything.places) == 4
    assert is_a("a mud hut with a garden", "mud hut")


def test_classes_that_images_were_read_on() -> None:
    """As audited, classes that no image shows included; else as detected, else as labelled."""
    run, audit = MemoryRun({"command": "audit"}), audited(found_in())
    for record in [*found_in(2), Record("x", "c", 9, detections={"tone": {"light": 0.9, "dark": 0.1}})]:
        run.add(replace(record, id=f"{len(run.records)}"), picture())
    assert classes_read(run.finish(run.records, {})) == {"gender": ["woman", "man"], "tone": ["light", "dark"]}
    known = classes_read(run.finish(run.records, {"before": audit.to_json()}))
    assert known["gender"] == ["woman", "man", "nobody"]


def audited(records: list[Record]) -> AuditResult:
    axis = Axis("gender", ("woman", "man", "nobody"), False, {}, {})
    return Measures().audit(tally(records, [axis]))


def test_detect_writes_boxes_into_the_run(
    cli: Callable, tmp_path: Path, yolos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    made = RunFolder(run, {"command": "audit", "concepts": ["a photo of a man"]})
    for i in range(5):
        record = Record(f"i{i}", "a photo of a man", i, labels={"gender": "man"})
        made.add(record, picture(seed=i))
    made.finish([f"i{i}" for i in range(5)], {})
    card = (run / "run.json").read_bytes()
    ran = cli("detect", run, "--objects", "--detector", yolos, "--threshold", 0, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["objects"]
    assert {"phrase", "count", "share", "low", "high", "merged"} <= ran.json["objects"][0].keys()
    assert (run / "run.json").read_bytes() == card
    assert all(record.objects for record in read_records(run))
    kept = read_part(run, ObjectsResult)
    assert kept is not None
    assert kept.about["command"] == "detect"
    assert kept.result.to_json() == ran.json
    monkeypatch.setattr("equinoise.workflows.objects.load_object_detector", lambda _: pytest.fail("looked again"))
    result = eq.detect_objects(run, detector=str(yolos), threshold=0)
    assert result.to_json() == ran.json
    assert all(record.objects for record in result.run.records)
    assert result[ran.json["objects"][0]["phrase"]].count == ran.json["objects"][0]["count"]
    with pytest.raises(EquinoiseError, match="no object 'unicorn'"):
        _ = result["unicorn"]
    assert len(result.to_frame()) == len(ran.json["objects"])
    assert "merged" in str(result)
    assert len(result.plot().data[0].x) == len(ran.json["objects"])
    table = tmp_path / "table.csv"
    table.write_text("phrase,name\n" + "".join(f"{entry['phrase']},thing\n" for entry in ran.json["objects"]))
    again = cli(
        "detect", run, "--objects", "--detector", yolos, "--threshold", 0, "--merge", "head", "--table", table, "--json"
    )
    assert [entry["phrase"] for entry in again.json["objects"]] == ["thing"]
    page = write_report([run], tmp_path / "report.html").read_text()
    assert "<h4>Objects</h4>" in page
    assert page.count("<rect ") >= 5
    drawn = cli("figures", run, "-o", tmp_path / "out", "--formats", "png", "--json")
    assert {Path(path).name for path in drawn.json["figures"]} >= {"objects.png", "boxes.png"}
    rows = [json.loads(line) for line in (run / "images" / "metadata.jsonl").read_text().splitlines()]
    assert {"phrase", "score", "box"} == rows[0]["objects"][0].keys()


def test_a_kept_result_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "objects.json"
    for content, message in (
        ('{"about": {}, "results": {}}', "made by version 0.1"),
        ('{"version": 9, "about": {}, "results": {}}', "made by schema version 9"),
        ('{"version": 2, "about": {}, "results": {}}', "is damaged: objects"),
        ('{"version": 2, "about": {}}', "is damaged: results"),
        ("[]", "is damaged"),
    ):
        path.write_text(content)
        with pytest.raises(EquinoiseError, match=message) as refused:
            read_part(tmp_path, ObjectsResult)
        assert "\n" not in str(refused.value)


def test_a_run_in_memory_has_no_place_for_boxes() -> None:
    run = MemoryRun({"command": "audit"})
    run.add(Record("a", "c", 0), picture())
    with pytest.raises(EquinoiseError, match="out=FOLDER"):
        eq.detect_objects(run.finish(["a"], {}))
    with pytest.raises(EquinoiseError, match="--similar"):
        eq.Merging(similar=2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--objects"),
        (("--objects", "--merge", "loud"), "--merge loud"),
        (("--objects", "--threshold", 3), "not a score"),
        (("--objects", "--phrases", "a,,b"), "give different phrases"),
    ],
)
def test_senseless_detections_are_refused_in_one_line(
    cli: Callable, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    made = RunFolder(tmp_path / "run", {"command": "audit"})
    made.add(Record("a", "c", 0), picture())
    made.finish(["a"], {})
    ran = cli("detect", tmp_path / "run", *arguments)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert message in ran.err
    ran = cli("detect", tmp_path, "--objects")
    assert "not a finished run" in ran.err
