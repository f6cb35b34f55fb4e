"""Moving one axis, and what it does to the others; and skin tone by colour."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import color

import equinoise as eq
from equinoise import EquinoiseError, Record, load_axis, statistics
from equinoise.detectors import DetectorSpec, load_detector
from equinoise.detectors.skin_colour import MONK, SkinColour, looks_like_skin, skin_colour, to_lab
from equinoise.results.interactions import InteractionsResult
from equinoise.run import MemoryRun, RunFolder
from equinoise.understanding.interactions import measure_effects

CLASSES = {"gender": ["woman", "man"], "tone": ["light", "dark"]}


def records(n: int = 200, seed: int = 0) -> list[Record]:
    """The shift makes every second man a woman, and a fifth of them darker; nothing happens to the house."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        gender, tone = ("woman" if i % 10 == 0 else "man"), ("dark" if i % 5 == 0 else "light")
        objects = [{"phrase": "a house", "score": 0.9, "box": [0, 0, 4, 4]}] if rng.random() < 0.5 else []
        rows.append(Record(f"b{i}", "c", i, labels={"gender": gender, "tone": tone}, objects=objects))
        after = {"gender": "woman" if i % 2 else gender, "tone": "dark" if i % 5 == 1 else tone}
        if i == 3:
            after["gender"] = "unclear"
        rows.append(Record(f"a{i}", "c", i, "woman@5=3", labels=after, objects=objects))
    return rows


def test_the_matrix_says_what_moved_and_what_did_not() -> None:
    (row,) = measure_effects(records(), {**CLASSES, "object": ["house"]})
    assert (row.intervention, row.pairs) == ("woman@5=3", 200)
    gender, tone, house = row.axes["gender"], row.axes["tone"], row.axes["object"]
    assert (gender.n, tone.n) == (199, 200)
    assert gender.moved == ("woman", "man")
    assert tone.moved == ("light", "dark")
    assert house.moved == ()
    assert house.classes["house"].difference == 0
    dark = tone.classes["dark"]
    assert dark.difference == pytest.approx(0.2)
    assert dark.joint_low < dark.low < 0.2 < dark.high < dark.joint_high
    assert gender.classes["woman"].difference == pytest.approx(-gender.classes["man"].difference)


def test_cells_are_the_paired_difference_of_statistics() -> None:
    rows = records(60)
    (row,) = measure_effects(rows, {"tone": CLASSES["tone"]})
    before, after = ([r.labels["tone"] == "dark" for r in rows[start::2]] for start in (0, 1))
    value, interval = statistics.paired_difference(before, after)
    found = row.axes["tone"].classes["dark"]
    assert (found.difference, found.low, found.high) == pytest.approx((value, *interval))


def test_false_alarms_are_rare() -> None:
    """Nothing moves: in at most about 5% of 200 worlds does any class count as moved."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        flips = rng.random((100, 2)) < 0.2  # images change at random, in neither direction
        start = rng.random((100, 2)) < 0.5
        rows = []
        for i in range(100):
            for k, side in enumerate((start[i], start[i] ^ flips[i])):
                labels = {a: CLASSES[a][int(v)] for a, v in zip(CLASSES, side, strict=True)}
                rows.append(Record(f"{k}-{i}", "c", i, "none" if k == 0 else "x@1=1", labels=labels))
        (row,) = measure_effects(rows, CLASSES)
        alarms += any(effect.moved for effect in row.axes.values())
    assert alarms / 200 <= 0.08


def test_without_pairs_or_labels_it_says_so() -> None:
    with pytest.raises(EquinoiseError, match="no image has a partner"):
        measure_effects(records()[::2], CLASSES)
    with pytest.raises(EquinoiseError, match="no axis"):
        measure_effects(records(), {})


def test_the_command(cli: Callable, tmp_path: Path) -> None:
    run, made = RunFolder(tmp_path / "run", {"command": "audit"}), records(40)
    for record in made:
        run.add(record, Image.new("RGB", (4, 4)))
    run.finish([record.id for record in made], {})
    ran = cli("interactions", tmp_path / "run", "--object", "house", "--json")
    assert ran.code == 0, ran.err
    assert set(ran.json["interactions"][0]["axes"]) == {"gender", "tone", "object"}
    assert "moved" in cli("interactions", tmp_path / "run").out
    line = json.loads((tmp_path / "run" / "images" / "metadata.jsonl").read_text().splitlines()[0])
    assert "objects" in line


def test_runs_in_memory_before_and_after() -> None:
    before, after = MemoryRun({"command": "audit"}), MemoryRun({"command": "audit"})
    for record in records(40):
        (before if record.intervention == "none" else after).add(record, Image.new("RGB", (4, 4)))
    runs = [run.finish(run.records, {}) for run in (before, after)]
    found = eq.interactions(runs)
    assert found.runs == ("in memory", "in memory")
    (effect,) = found.interactions
    assert effect.axes["gender"].moved == ("woman", "man")
    assert InteractionsResult.from_json(found.to_json(), "here") == found
    assert list(found.to_frame()["class"]) == ["woman", "man", "dark", "light"]
    assert len(found.plot().data[0].x) == 4


def patch(rgb: tuple[int, int, int], size: int = 64) -> Image.Image:
    """A patch of skin on a blue ground."""
    pixels = np.full((size, size, 3), (40, 90, 200), np.uint8)
    pixels[size // 4 : -size // 4, size // 4 : -size // 4] = rgb
    return Image.fromarray(pixels)


def test_lab_is_that_of_scikit_image() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (200, 3))
    theirs = color.rgb2lab(colours[None] / 255.0)[0]
    assert to_lab(colours.astype(float)) == pytest.approx(theirs, abs=0.02)


def test_tones_of_patches_fall_in_order() -> None:
    tones = [(240, 205, 180), (224, 187, 149), (191, 143, 104), (155, 100, 61), (89, 60, 45)]
    found = [skin_colour(patch(rgb)) for rgb in tones]
    assert all(isinstance(entry, SkinColour) for entry in found)
    angles = [entry.ita for entry in found if entry]
    assert angles == sorted(angles, reverse=True)
    assert all(entry.share == pytest.approx(0.25, abs=0.02) for entry in found if entry)
    monks = [entry.monk for entry in found if entry]
    assert monks == sorted(monks)
    detector, axis = load_detector(DetectorSpec("skin-colour")), load_axis("tone")
    rows = detector.probabilities([patch(rgb) for rgb in tones], axis)
    assert [axis.classes[int(row.argmax())] for row in rows][-1] == "dark"
    assert (np.diff(rows.argmax(axis=1)) >= 0).all()


def test_light_moves_it_and_little_skin_is_unclear() -> None:
    """What it gets wrong: the same skin under half the light is read as darker."""
    bright, dim = skin_colour(patch((224, 187, 149))), skin_colour(patch((130, 108, 86)))
    assert bright is not None
    assert dim is not None
    assert dim.ita < bright.ita - 15
    assert skin_colour(Image.new("RGB", (64, 64), (40, 90, 200))) is None
    tiny = Image.new("RGB", (64, 64), (40, 90, 200))
    tiny.putpixel((3, 3), (224, 187, 149))
    assert skin_colour(tiny) is None
    axis = load_axis("tone")
    (row,) = load_detector(DetectorSpec("skin-colour")).probabilities([tiny], axis)
    assert row == pytest.approx([0.2] * 5)
    with pytest.raises(EquinoiseError, match="tone only"):
        load_detector(DetectorSpec("skin-colour")).probabilities([tiny], load_axis("gender"))


def test_the_monk_colours_name_themselves_where_they_look_like_skin() -> None:
    colours = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in MONK]
    seen = [i for i, rgb in enumerate(colours, 1) if looks_like_skin(np.array([rgb], float))[0]]
    assert {5, 6, 7, 8} <= set(seen)
    for index in seen:
        found = skin_colour(patch(colours[index - 1]))  # type: ignore[arg-type]
        assert found is not None
        assert found.monk == index
