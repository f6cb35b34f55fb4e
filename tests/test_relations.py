"""Relations of texts and images, kept beside a run, against what the mixture's chosen cosines say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import equinoise as eq
from equinoise import EquinoiseError, statistics
from equinoise.charts.placing import label, place
from equinoise.files import read_arrays, write_arrays
from equinoise.models.mixture import MixtureEncoder
from equinoise.models.mixture.embeddings import CHOSEN
from equinoise.page.assembly import write_report
from equinoise.results.parts import read_part
from equinoise.results.reading import read_additions
from equinoise.results.relations import RelationsResult
from equinoise.run import read_content
from equinoise.understanding.relations import Relations, VisionRelation, encode_images, relate_texts
from equinoise.understanding.relations_file import read_relations, write_relations
from equinoise.understanding.wordings import WORDINGS, Attribute, read_attributes, settle_attributes

BUILDING = "a photo of a building"
REFERENCE = ("a doctor", "a teacher", "a farmer", "a woman", "a man")
HOUSES = "hut\nderelict house\nhouse  # nothing grand\n\nmansion = a photo of a mansion\n"


class Letters:
    """An encoder of letter counts that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.seen: list[int] = []

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        rows = np.array([[1 + text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.seen.append(len(images))
        rows = np.array([np.asarray(image, float).mean(axis=(0, 1)) + 1 for image in images], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_raw_cosines_are_those_that_were_chosen() -> None:
    names = {"hut": "hut", "derelict house": "derelict", "house": "house", "mansion": "mansion"}
    entries = [Attribute.named(name, BUILDING) for name in names]
    found = relate_texts(MixtureEncoder(), BUILDING, entries, reference=REFERENCE)
    assert found.raw.shape == (len(WORDINGS), 4)
    expected = [CHOSEN["building", kind] for kind in names.values()]
    assert found.raw.mean(axis=0) == pytest.approx(expected, abs=1e-6)
    assert np.argsort(found.centred.mean(axis=0)).tolist() == np.argsort(expected).tolist()
    apart = found.difference(0, 3, centred=False)
    assert apart.value == pytest.approx(0.15, abs=1e-6)
    assert apart.clear


def test_every_text_and_image_is_encoded_once() -> None:
    encoder = Letters()
    words = [Attribute.named(name, "a cab") for name in ("bad", "face")]
    relate_texts(encoder, "a photo of a cab", words, reference=["a", "b", "c"])
    asked = [text for batch in encoder.asked for text in batch]
    assert len(asked) == len(set(asked)) == 6 * len(WORDINGS)
    assert len(encoder.asked) == -(-len(asked) // 64)
    images = [Image.new("RGB", (4, 4), (i, 9, 9)) for i in range(70)]
    assert encode_images(encoder, images).shape == (70, 3)
    assert encoder.seen == [64, 6]


def test_centring_takes_away_what_all_share_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    own, common = rng.standard_normal((5, 30)), 20 * rng.standard_normal(30)
    plain = own / np.linalg.norm(own, axis=1, keepdims=True)
    reference = common + rng.standard_normal((4000, 30))
    moved = statistics.centred(own + common, reference)
    assert (moved @ plain.T).diagonal() == pytest.approx(np.ones(5), abs=0.01)
    assert statistics.centred(np.ones((1, 3)), np.ones((2, 3))).tolist() == [[0, 0, 0]]


def test_intervals_over_images_hold() -> None:
    """In 120 worlds the true mean cosine lies in the 95% interval about as often as it says."""
    rng = np.random.default_rng(3)
    truth = np.array([0.6, 0.3]) @ np.array([0.6, 0.3])
    held = 0
    for _ in range(120):
        concept, other = (np.array([0.6, 0.3]) + rng.normal(0, 0.3, (40, 2)) for _ in range(2))
        interval = VisionRelation(concept, other[None]).one(0).interval
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert 0.9 <= held / 120 <= 1


def test_what_a_file_of_attributes_says(tmp_path: Path) -> None:
    lines = tmp_path / "a.txt"
    lines.write_text(HOUSES)
    found = read_attributes(lines, "a picture of a man and his house")
    assert [entry.name for entry in found] == ["hut", "derelict house", "house", "mansion"]
    assert found[0].prompt == "a picture of a hut"
    assert (found[3].prompt, found[3].phrase) == ("a photo of a mansion", "a mansion")
    table = tmp_path / "a.toml"
    table.write_text('["mud hut"]\nshown = ["house:hut"]\n[castle]\nprompt = "a photo of a castle"\n')
    hut, castle = read_attributes(table, BUILDING)
    assert (hut.prompt, hut.shown) == ("a photo of a mud hut", ("house:hut",))
    assert castle.shown == ()
    for text, message in (("hut\nhut\n", "twice"), ("# none\n", "no attribute")):
        lines.write_text(text)
        with pytest.raises(EquinoiseError, match=message):
            read_attributes(lines, BUILDING)


def test_attributes_given_in_python() -> None:
    whole = Attribute("castle", "a castle", "a painting of a castle", ("house:mansion",))
    found = settle_attributes(["mud hut", ("home", "a photo of a family house"), whole], "a picture of a man")
    assert [entry.prompt for entry in found] == ["a picture of a mud hut", "a photo of a family house", whole.prompt]
    assert found[1].phrase == "a family house"
    for bad, message in (([], "no attribute"), (["hut", whole, "hut"], "'hut' twice")):
        with pytest.raises(EquinoiseError, match=message):
            settle_attributes(bad, BUILDING)


def test_relations_are_kept_and_read(tmp_path: Path) -> None:
    entries = (Attribute.named("hut", BUILDING), Attribute.named("mansion", BUILDING, shown=["house:mansion"]))
    rng = np.random.default_rng(0)
    found = Relations(
        BUILDING,
        entries,
        {"t": relate_texts(MixtureEncoder(), BUILDING, entries, reference=REFERENCE)},
        {"v": VisionRelation(rng.random((3, 4)), rng.random((2, 5, 4)))},
    )
    write_relations(tmp_path, found)
    again = read_relations(tmp_path)
    assert again.attributes == entries
    assert again.vision["v"].values == pytest.approx(found.vision["v"].values, abs=1e-6)
    said = found.result().to_json()
    json.dumps(said, allow_nan=False)
    assert [d["than"] for d in said["differences"]] == ["mansion"]
    assert RelationsResult.from_json(said, "here") == found.result()
    path = tmp_path / "relations.safetensors"
    arrays, about = read_arrays(path)
    for changed, message in (
        ({**about, "version": None}, "made by version 0.1"),
        ({**about, "text": ["t", "u"]}, "lacks text/u/raw"),
        ({**about, "attributes": [{}]}, "is damaged: attributes"),
    ):
        write_arrays(path, arrays, changed)
        with pytest.raises(EquinoiseError, match=message):
            read_relations(tmp_path)
    path.write_bytes(b"no")
    with pytest.raises(EquinoiseError, match="damaged"):
        read_relations(tmp_path)


@pytest.fixture(scope="session")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Attributes of a building, where their frequency is read from the axis house."""
    path = tmp_path_factory.mktemp("houses") / "houses.toml"
    derelict, family = '["derelict house"]\nshown = ["house:derelict"]\n', '["family house"]\nshown = ["house:house"]\n'
    path.write_text(f"[hut]\n{derelict}{family}[mansion]\n")
    return path


def test_relate_then_misalign_on_the_mixture(cli: Callable, houses: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fast = ("--steps", 5, "--batch-size", 32, "--workers", 1)
    audited = cli("audit", "mixture", "--concept", BUILDING, "--axis", "house", "-n", 160, "-o", run, "--json", *fast)
    assert audited.code == 0, audited.err
    kept = (run / "run.json").read_bytes()
    ran = cli("relate", "mixture", "--concept", BUILDING, "--attributes", houses, "-n", 8, "-o", run, "--json", *fast)
    assert ran.code == 0, ran.err
    table = {row["attribute"]: row for row in ran.json["relations"]}
    assert table["hut"]["text"] == pytest.approx(0.45, abs=1e-5)
    assert max(table, key=lambda name: table[name]["vision"]) == "mansion"
    assert all(row["vision_low"] <= row["vision"] <= row["vision_high"] for row in table.values())
    assert (run / "run.json").read_bytes() == kept
    again = cli("relate", "mixture", "--concept", BUILDING, "--attributes", houses, "-n", 8, "-o", run, "--json", *fast)
    assert again.json == ran.json
    kept_result = read_part(run, RelationsResult)
    assert kept_result is not None
    assert kept_result.result.to_json() == ran.json
    assert kept_result.about["attributes"]["file"] == "houses.toml"

    found = cli("misalign", run, "--json")
    assert cli("disagreements", run, "--json").json == found.json
    assert read_additions(read_content(run)).disagreements.to_json() == found.json
    assert found.code == 0, found.err
    assert found.json["tested"] == 6
    pairs = {(entry["attribute"], entry["than"]) for entry in found.json["findings"]}
    assert ("hut", "mansion") in pairs
    assert all(a == "hut" or b == "mansion" for a, b in pairs)
    sentence = found.json["findings"][0]["sentence"]
    assert "closer to 'a photo of a building' than 'mansion' in the text encoder" in sentence
    seen = cli("misalign", run, "--space", "vision", "--json")
    assert seen.json["rank_correlation"] > 0.7
    for bad, message in ((("--space", "smell"), "use one of"), (("--encoder", "clip"), "were measured in mixture")):
        ran = cli("misalign", run, *bad)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert message in ran.err

    page = write_report([run], tmp_path / "report.html").read_text()
    assert "Where the encoder and the images disagree" in page
    for title in ("Text encoder", "Vision encoder", "Social"):
        assert f"<h4>{title}</h4>" in page
    drawn = cli("figures", run, "-o", tmp_path / "figures", "--formats", "svg", "--json")
    assert drawn.code == 0, drawn.err
    names = {Path(path).stem for path in drawn.json["figures"]}
    assert {"text", "vision", "text-against-vision", "radar", "differences", "shares-house"} <= names
    assert "mansion" in (tmp_path / "figures" / "text-against-vision.svg").read_text()


def test_relate_from_python_keeps_its_run_in_memory_or_in_a_folder(houses: Path, tmp_path: Path) -> None:
    model = eq.load("mixture", steps=4, batch_size=32)
    here = eq.Engine(model=model.backend)
    names = ["hut", ("mansion", "a photo of a mansion")]
    found = eq.relate(model, BUILDING, attributes=names, n=4, engine=here)
    assert found.run.folder is None
    assert len(found.run.previews) == len(found.run.records) == 4
    assert found["mansion"].vision is not None
    with pytest.raises(EquinoiseError, match="no attribute 'castle'"):
        _ = found["castle"]
    assert list(found.to_frame()["attribute"]) == ["hut", "mansion"]
    assert found.plot().data[0].text[0].startswith("hut: text ")
    assert "mansion" in str(found)
    assert "<table>" in found._repr_html_()
    texts = eq.relate(model, BUILDING, attributes=names, n=0)
    assert not texts.has_run
    assert not texts.measured("vision")
    assert len(texts.plot().data[0].x) == 2
    with pytest.raises(EquinoiseError, match="out=FOLDER"):
        eq.disagreements(found)

    kept = eq.relate(model, BUILDING, attributes=names, n=4, axes="house", out=tmp_path / "run", engine=here)
    assert kept.to_json() == found.to_json()
    compared = eq.disagreements(kept)
    assert compared.tested == 1
    assert [entry.source for entry in compared.attributes] == ["house:hut", "house:mansion"]
    with pytest.raises(EquinoiseError, match="its own words"):
        eq.relate(model, BUILDING, attributes=names, n=0, reference=["a cat", "a dog"])


def test_relate_refuses_in_one_line(cli: Callable, houses: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--attributes", tmp_path / "none.txt"), "cannot read "),
        (("--attributes", houses, "-n", 0, "-o", tmp_path / "run"), "makes no run"),
        (("--attributes", houses, "-n", -3), "at least one image"),
    ):
        ran = cli("relate", "mixture", "--concept", BUILDING, *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert message in ran.err
    texts = cli("relate", "mixture", "--concept", BUILDING, "--attributes", houses, "-n", 0, "--json")
    assert texts.json["relations"][0]["vision"] is None
    assert not (tmp_path / "run").exists()


def test_a_models_own_text_encoder(cli: Callable, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("man\nwoman\n")
    ran = cli(
        "relate", tiny, "--concept", "a photo of a doctor", "--attributes", tmp_path / "a.txt", "-n", 0, "--json",
        "--guidance-scale", 2,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["text_encoders"] == ["text_encoder"]
    (difference,) = ran.json["differences"]
    assert difference["text_low"] <= difference["text"] <= difference["text_high"]


def test_other_encoders_and_the_authors_formula(cli: Callable, tiny: Path, siglip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("man\nwoman\n")
    asked = ("relate", tiny, "--concept", "a photo of a doctor", "--attributes", tmp_path / "a.txt", "--json")
    ran = cli(*asked, "-n", 0, "--pooling", "pooled,tokens,authors", "--encoder", "minilm", "--encoder", siglip)
    assert ran.code == 0, ran.err
    named = ["text_encoder", "text_encoder (tokens)", "text_encoder (authors)", "minilm", siglip.name]
    assert ran.json["text_encoders"] == named
    assert set(ran.json["relations"][0]["encoders"]) == set(named[1:])
    for bad, message in ((("-n", 0, "--pooling", "max"), "no pooling"), (("-n", 2, *COLOUR), "no image encoder")):
        ran = cli(*asked, *bad)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert message in ran.err


COLOUR = ("--detector", "skin-colour", "--encoder", "minilm")


def test_labels_overlap_at_no_width() -> None:
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform(0.1, 0.9, (24, 2))]
    texts = ["an old mansion" if i % 3 else "hut" for i in range(24)]
    widths = (250.0, 420.0, 900.0)
    offsets = place(points, texts, widths, 530)
    assert sum(offset is not None for offset in offsets) >= 22
    for width in widths:
        rects = [label(p, t, o, width, 530) for p, t, o in zip(points, texts, offsets, strict=True) if o]
        assert not any(a.meets(b) for i, a in enumerate(rects) for b in rects[:i])
        assert all(r.left >= 0 and r.right <= width for r in rects)
