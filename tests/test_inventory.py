"""What a folder holds: images, metadata, what is hidden, what is named; links; and which pictures are the same."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import equinoise as eq
from equinoise import EquinoiseError, load_axis
from equinoise.errors import EquinoiseWarning
from equinoise.folders.evidence import settle_evidence
from equinoise.folders.inventory import take_inventory
from equinoise.folders.reading import ImageFolder, read_folder

Cli = Callable[..., Any]
GENDER = [load_axis("gender")]


def picture(path: Path, number: int, **options: Any) -> Path:
    """A small picture of its own for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 255, (8, 6, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def table(folder: Path, *rows: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def labelled(folder: ImageFolder) -> dict[str, dict[str, str]]:
    return {str(record.source): dict(record.labels) for record in folder.records}


# what is an image, and what is not


def test_hidden_files_are_no_images_and_others_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "sub/c.webp", "sub/d.jfif", "e.avif", "f.jpe"):
        picture(tmp_path / name, len(name), **({"format": "JPEG"} if name.endswith(("jfif", "jpe")) else {}))
    hidden = [
        "._a.png",
        ".x.png",
        ".ipynb_checkpoints/a-checkpoint.png",
        "__MACOSX/._a.png",
        "Thumbs.db",
        "desktop.ini",
    ]
    for name in (*hidden, "notes.txt", "sub/g.heic", "metadata.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = take_inventory(tmp_path)
    assert found.images == ("a.png", "b.JPG", "e.avif", "f.jpe", "sub/c.webp", "sub/d.jfif")
    assert found.others == ("metadata.json", "notes.txt", "sub/g.heic")
    with pytest.warns(EquinoiseWarning, match=r"no images: metadata.json, notes.txt, sub/g.heic") as w:
        read_folder(tmp_path, GENDER)
    assert "pip install pillow_heif" in str(w[0].message)
    assert "metadata.csv, metadata.jsonl, metadata.parquet" in str(w[0].message)


def test_all_broken_images_are_named_before_anything_is_written(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    for index in range(3):
        picture(folder / f"{index}.png", index)
    for index in range(12):
        whole = picture(folder / f"z{index:02}.png", index).read_bytes()
        (folder / f"z{index:02}.png").write_bytes(whole[:60])
    done = cli("audit", folder, "--axis", "gender", "--detector", "emoji", "-o", tmp_path / "run")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "12 files cannot be read as images: z00.png (" in done.err
    assert "z09.png" in done.err
    assert "z10.png" not in done.err
    assert "and 2 more; mend or remove them" in done.err
    assert not (tmp_path / "run").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    picture(tmp_path / "y.png", 0)
    assert take_inventory(tmp_path).others == ("x.png",)


def test_a_run_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "0.png", 0)
    (tmp_path / "run.partial.json").write_text("{}")
    with pytest.raises(EquinoiseError, match="a run that was cut off"):
        read_folder(tmp_path, GENDER)


def test_folders_called_like_classes_get_a_hint(tmp_path: Path) -> None:
    for index, name in enumerate(["woman", "man", "nurse"]):
        picture(tmp_path / name / "0.png", index)
    with pytest.warns(EquinoiseWarning, match="man, woman are called like classes of gender .* calibrate-detector"):
        read_folder(tmp_path, GENDER).warn_of_class_names(GENDER)
    read_folder(tmp_path / "nurse", GENDER).warn_of_class_names(GENDER)


# links


def test_links_inside_a_folder_are_read_in_their_own_place(tmp_path: Path) -> None:
    """Whether they are named before or after what they lead to; loops end."""
    for link, real in (("a", "z"), ("z", "a")):
        root = tmp_path / link
        picture(root / real / "0.png", 0)
        (root / link).symlink_to(root / real)
        (root / real / "loop").symlink_to(root)
        (root / "m.png").symlink_to(f"{real}/0.png")
        assert set(take_inventory(root).images) == {f"{real}/0.png", "m.png"}
    (tmp_path / "a" / ".store").mkdir()
    picture(tmp_path / "a" / ".store" / "1.png", 1)
    (tmp_path / "a" / "shown").symlink_to(".store")
    assert "shown/1.png" in take_inventory(tmp_path / "a").images


@pytest.mark.parametrize("link", ["x.png", "folder", "metadata.csv"])
def test_links_that_lead_out_are_refused(tmp_path: Path, link: str) -> None:
    picture(tmp_path / "d" / "0.png", 0)
    outside = picture(tmp_path / "secret" / "p.png", 1)
    (tmp_path / "d" / link).symlink_to(outside.parent if link == "folder" else outside)
    with pytest.raises(EquinoiseError, match=rf"{link} is a link that leads out of the folder"):
        take_inventory(tmp_path / "d")


def test_a_snapshot_in_the_cache_of_the_hub_is_read(tmp_path: Path) -> None:
    """Its files are links to `blobs`, beside it."""
    blob = picture(tmp_path / "blobs" / "0.png", 0)
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "0.png").symlink_to(blob)
    table(snapshot, {"file_name": "0.png", "gender": "woman"})
    assert labelled(read_folder(snapshot, GENDER)) == {"0.png": {"gender": "woman"}}


@pytest.mark.parametrize("name", ["../secret/p.png", "{root}/secret/p.png", "..\\secret\\p.png", "C:\\p.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "d" / "0.png", 0)
    picture(tmp_path / "secret" / "p.png", 1)
    table(tmp_path / "d", {"file_name": "0.png"}, {"file_name": name.format(root=tmp_path)})
    with pytest.raises(EquinoiseError, match="does not stand for a file inside"):
        read_folder(tmp_path / "d", GENDER)


def test_a_run_reads_nothing_outside_itself(tmp_path: Path) -> None:
    picture(tmp_path / "d" / "0.png", 0)
    table(tmp_path / "d", {"file_name": "0.png", "gender": "man"})
    eq.audit_images(tmp_path / "d", axes="gender", out=tmp_path / "run")
    secret = picture(tmp_path / "p.png", 1)
    (image,) = (tmp_path / "run" / "images").glob("*.png")
    image.unlink()
    image.symlink_to(secret)
    with pytest.raises(EquinoiseError, match="leads out of the folder"):
        read_folder(tmp_path / "run", GENDER)
    lines = tmp_path / "run" / "images" / "metadata.jsonl"
    lines.write_text(lines.read_text().replace('"id": "', '"id": "../../'))
    with pytest.raises(EquinoiseError, match="make the run again"):
        read_folder(tmp_path / "run", GENDER)


# metadata


def test_metadata_of_splits_lie_in_sub_folders(tmp_path: Path) -> None:
    for index, split in enumerate(["train", "test"]):
        picture(tmp_path / split / "0.png", index)
        table(tmp_path / split, {"file_name": "0.png", "Gender ": " Woman", "PROMPT": "a nurse"})
    found = read_folder(tmp_path, GENDER)
    assert labelled(found) == {"test/0.png": {"gender": "woman"}, "train/0.png": {"gender": "woman"}}
    assert {record.prompt for record in found.records} == {"a nurse"}


def test_two_tables_beside_each_other_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 0)
    table(tmp_path, {"file_name": "0.png"})
    (tmp_path / "metadata.csv").write_text("file_name\n0.png\n")
    with pytest.raises(EquinoiseError, match=r"holds two tables of metadata, metadata.csv and metadata.jsonl"):
        read_folder(tmp_path, GENDER)


def test_parquet_is_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    picture(tmp_path / "0.png", 0)
    picture(tmp_path / "1.png", 1)
    rows = {"file_name": ["0.png", "1.png"], "gender": ["woman", None], "seed": [3.0, 4.0]}
    pandas.DataFrame(rows).to_parquet(tmp_path / "metadata.parquet")
    found = read_folder(tmp_path, GENDER)
    assert labelled(found) == {"0.png": {"gender": "woman"}, "1.png": {}}
    assert [record.seed for record in found.records] == [3, 4]
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(EquinoiseError, match="cannot be read as Parquet"):
        read_folder(tmp_path, GENDER)


def test_json_lines_with_marks_and_whole_numbers(tmp_path: Path) -> None:
    """A byte-order mark, Windows' ends of lines, classes that are numbers."""
    axis = '[g]\nclasses.0 = { generate = ["a"], detect = ["a"] }\nclasses.1 = { generate = ["b"], detect = ["b"] }\n'
    (tmp_path / "g.toml").write_text(axis)
    for encoding in ("utf-8-sig", "utf-16"):
        folder = tmp_path / encoding
        rows = []
        for index in range(3):
            picture(folder / f"{index}.png", index)
            rows.append(json.dumps({"file_name": f"{index}.png", "g": [0, 1, 1.0][index]}))
        (folder / "metadata.jsonl").write_text("\r\n".join(rows), encoding=encoding, newline="")
        found = read_folder(folder, [load_axis(str(tmp_path / "g.toml"))])
        assert [record.labels["g"] for record in found.records] == ["0", "1", "1"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: not an object"),
        ("[" * 100_000, "line 2: not JSON"),
        ('{"file_name": "1.png", "gender": "woman", "Gender": "man"}', "line 2: the column Gender comes twice"),
        ('{"file_name": "1.png", "gender": ["woman"]}', "line 2: a text or a number belongs into the column gender"),
        ('{"file_name": "0.png"}', "line 2: the metadata name 0.png twice"),
        ('{"file_name": "2.png"}', "line 2: the metadata name 2.png, which is not there"),
        ('{"file_name": ".1.png"}', "line 2: the metadata name .1.png, which is hidden, or no image"),
        ('{"file_name": ""}', "line 2: the row has no file_name"),
        ('{"file_name": "1.png", "seed": 1.5}', "the seed"),
        ('{"file_name": "1.png", "seed": -1}', "the seed"),
        ('{"file_name": "1.png", "seed": true}', "the seed"),
        ('{"filename": "1.png"}', "line 2: the row has no file_name"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    for name in ("0.png", "1.png", ".1.png"):
        picture(tmp_path / name, len(name))
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "0.png"}\n' + line)
    with pytest.raises(EquinoiseError) as error:
        read_folder(tmp_path, GENDER)
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("filename,prompt", "has a column 'filename'; call it file_name"),
        ("file_name,skin tone", "has a column 'skin tone'; call it skin-tone"),
        ("file_name,gender,Gender", "twice"),
    ],
)
def test_columns_that_are_nearly_called_so_are_no_silence(tmp_path: Path, header: str, says: str) -> None:
    picture(tmp_path / "0.png", 0)
    (tmp_path / "metadata.csv").write_text(f"{header}\n0.png,x{',y' * (header.count(',') - 1)}\n")
    tones = "".join(f'classes.{name} = {{ generate = ["{name}"], detect = ["{name}"] }}\n' for name in "ax")
    (tmp_path / ".axis.toml").write_text(f"[skin-tone]\n{tones}")
    with pytest.raises(EquinoiseError, match=says):
        read_folder(tmp_path, [*GENDER, load_axis(str(tmp_path / ".axis.toml"))])


def test_seeds_of_tables_are_whole_numbers(tmp_path: Path) -> None:
    for index in range(3):
        picture(tmp_path / f"{index}.png", index)
    (tmp_path / "metadata.csv").write_text("file_name,SEED\n0.png,12.0\n1.png, 7\n2.png,0x1F\n")
    found = read_folder(tmp_path, GENDER)
    assert [record.seed for record in found.records] == [12, 7, 31]
    (tmp_path / "2.png").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,seed\n0.png,12\n1.png,\n")
    with pytest.raises(EquinoiseError, match="line 3: the seed '' is no whole number; mend it or leave the column out"):
        read_folder(tmp_path, GENDER)


def test_names_are_found_in_either_form_and_with_either_slash(tmp_path: Path) -> None:
    picture(tmp_path / "sub" / "cafe\u0301.png", 0)
    (tmp_path / "metadata.csv").write_text("file_name,gender\nsub\\caf\u00e9.png,man\n", encoding="utf-8")
    assert list(labelled(read_folder(tmp_path, GENDER)).values()) == [{"gender": "man"}]


def test_images_without_a_row_are_counted(tmp_path: Path) -> None:
    for index in range(6):
        picture(tmp_path / f"{index}.png", index)
    table(tmp_path, {"file_name": "0.png"})
    with pytest.warns(EquinoiseWarning, match=r"5 images have no row .* left out: 1.png, 2.png, 3.png and 2 more"):
        read_folder(tmp_path, GENDER)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # of theirs
@pytest.mark.parametrize("form", ["csv", "jsonl", "splits", "folders"])
def test_files_and_labels_are_those_of_the_datasets_library(tmp_path: Path, form: str) -> None:
    datasets = pytest.importorskip("datasets")
    for index, name in enumerate(["train/nurse/0.png", "train/nurse/1.jpg", "train/pilot/2.png", "test/pilot/3.png"]):
        picture(tmp_path / "d" / name, index)
    names = sorted(path.relative_to(tmp_path / "d").as_posix() for path in (tmp_path / "d").rglob("*.*"))
    rows = [{"file_name": name, "gender": "man" if "pilot" in name else "woman"} for name in names]
    if form == "csv":
        text = "file_name,gender\n" + "".join(f"{row['file_name']},{row['gender']}\n" for row in rows)
        (tmp_path / "d" / "metadata.csv").write_text(text)
    elif form == "jsonl":
        table(tmp_path / "d", *rows)
    elif form == "splits":
        for split in ("train", "test"):
            inside = [
                {**row, "file_name": row["file_name"][len(split) + 1 :]} for row in rows if split in row["file_name"]
            ]
            table(tmp_path / "d" / split, *inside)
    files = {"train": "**", "test": "**"} if form in ("csv", "jsonl") else None
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"),
        **({"data_files": {"train": "**"}} if files else {}),
    )  # fmt: skip
    theirs = set()
    for split in loaded.values():
        for row in split.cast_column("image", datasets.Image(decode=False)):
            label = row["gender"] if form != "folders" else split.features["label"].int2str(row["label"])
            theirs.add((Path(row["image"]["path"]).resolve(), label))
    found = read_folder(tmp_path / "d", GENDER)
    # where folders are concepts, ours has the whole path; its last part is their label
    ours = {
        (file.resolve(), record.labels.get("gender") or Path(record.prompt).name)
        for file, record in zip(found.files, found.records, strict=True)
    }
    assert ours == theirs


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # of theirs
def test_where_the_datasets_library_reads_otherwise(tmp_path: Path) -> None:
    """It drops files beside a folder `train`, labels where depths differ, and AVIF; ours keeps all and says so."""
    datasets = pytest.importorskip("datasets")

    def theirs(folder: Path) -> list[str]:
        loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
        images = [row["image"] for row in loaded["train"].cast_column("image", datasets.Image(decode=False))]
        assert list(loaded) == ["train"]
        assert "label" not in loaded["train"].features
        return sorted(Path(image["path"]).relative_to(folder).as_posix() for image in images)

    for folder, names, read in [
        ("split", ["0.png", "train/1.png", "more/2.png"], ["train/1.png"]),
        ("depths", ["0.png", "a/1.png", "b/c/2.avif"], ["0.png", "a/1.png"]),
    ]:
        for index, name in enumerate(names):
            picture(tmp_path / folder / name, index)
        found = read_folder(tmp_path / folder, GENDER)
        assert sorted(str(record.source) for record in found.records) == sorted(names)
        concepts = {str(Path(name).parent) if "/" in name else folder for name in names}
        assert {record.prompt for record in found.records} == concepts
        assert theirs(tmp_path / folder) == read


# the same evidence twice


def settled(path: Path) -> ImageFolder:
    return settle_evidence(read_folder(path, GENDER))


def test_a_copy_and_a_link_of_one_picture_are_one(tmp_path: Path) -> None:
    first = picture(tmp_path / "0.png", 0)
    picture(tmp_path / "1.png", 1)
    shutil.copy(first, tmp_path / "0 (1).png")
    Image.open(first).save(tmp_path / "0.bmp")
    (tmp_path / "link.png").symlink_to("0.png")
    (tmp_path / "text.png").write_text("0.png")  # what git makes of a link where there are none
    with pytest.warns(EquinoiseWarning, match=r"doubles left out: 4: 0.bmp \(of 0 \(1\).png\), .* and 1 more"):
        assert len(settled(tmp_path).files) == 2


def test_one_picture_may_be_evidence_for_two_concepts_but_has_one_label(tmp_path: Path) -> None:
    for name in ("nurse/0.png", "doctor/0.png"):
        picture(tmp_path / "plain" / name, 0)
    assert len(settled(tmp_path / "plain").files) == 2
    for name in ("0.png", "1.png"):
        picture(tmp_path / "d" / name, 0)
    rows = [{"file_name": "0.png", "gender": "woman"}, {"file_name": "1.png", "gender": "man"}]
    table(tmp_path / "d", *rows)
    with pytest.raises(EquinoiseError, match=r"0.png and 1.png are one picture, labelled 'woman' and 'man'"):
        settled(tmp_path / "d")
    rows[1]["gender"] = ""
    table(tmp_path / "d", *reversed(rows))
    with pytest.warns(EquinoiseWarning, match="doubles left out: 1: 0.png"):
        (record,) = settled(tmp_path / "d").records
    assert record.labels == {"gender": "woman"}


def test_seeds_and_blank_pictures_are_told_apart(tmp_path: Path) -> None:
    """Two seeds may give one picture; a black one says nothing of where it comes from."""
    for name in ("0.png", "1.png"):
        picture(tmp_path / "seeds" / name, 0)
        (tmp_path / "black").mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "black" / name)
    table(tmp_path / "seeds", {"file_name": "0.png", "seed": 1}, {"file_name": "1.png", "seed": 2})
    assert len(settled(tmp_path / "seeds").files) == 2
    assert len(settled(tmp_path / "black").files) == 2


def test_a_picture_in_two_splits_counts_in_each_and_this_is_said(tmp_path: Path) -> None:
    for split in ("train", "test"):
        picture(tmp_path / split / "0.png", 0)
        table(tmp_path / split, {"file_name": "0.png", "gender": "man", "prompt": "a nurse"})
    with pytest.warns(EquinoiseWarning, match="1 pictures are in several tables"):
        assert len(settled(tmp_path).files) == 2


def test_two_folders_that_hold_one_picture_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / name / f"{name}.png", 0)
        table(tmp_path / name, {"file_name": f"{name}.png", "gender": "man", "prompt": name})
    with pytest.raises(EquinoiseError, match=r"a and .*b hold the same image \(b.png\)"):
        eq.audit_images([tmp_path / "a", tmp_path / "b"], axes="gender")


def test_runs_of_labelled_images_are_told_apart_by_their_pictures(tmp_path: Path) -> None:
    """Their seeds are numbers of rows, so that two runs of other pictures have the same ones."""
    for number, name in enumerate(["a", "b"]):
        picture(tmp_path / name / "0.png", number)
        table(tmp_path / name, {"file_name": "0.png", "gender": "man", "prompt": "a nurse"})
        eq.audit_images(tmp_path / name, axes="gender", out=tmp_path / f"run-{name}")
    both = eq.audit_images([tmp_path / "run-a", tmp_path / "run-b"], axes="gender")
    assert both["gender"].n == 2
    with pytest.raises(EquinoiseError, match="hold the same image"):
        eq.audit_images([tmp_path / "run-a", tmp_path / "a"], axes="gender")


@given(
    labels=st.dictionaries(st.integers(0, 5), st.sampled_from(["woman", "man"]), min_size=1),
    names=st.permutations("abcdefghijkl"),
    copies=st.lists(st.integers(0, 5), max_size=5),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=15)
@pytest.mark.filterwarnings("ignore::equinoise.errors.EquinoiseWarning")
def test_an_audit_does_not_depend_on_order_names_or_doubles(
    labels: dict[int, str], names: list[str], copies: list[int], order: Any
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "d"
        kinds = list(labels.items())
        used = [*kinds, *(kinds[copy % len(kinds)] for copy in copies)]
        rows = []
        for (number, label), name in zip(used, names, strict=False):
            file = picture(folder / f"{name}.{'bmp' if number % 2 else 'png'}", number)
            rows.append({"file_name": file.name, "gender": label, "prompt": "a nurse"})
        order.shuffle(rows)
        table(folder, *rows)
        found = eq.audit_images(folder, axes="gender")["gender"]
        assert found.n == len(kinds)
        assert found["woman"].count == sum(label == "woman" for _, label in kinds)


def test_calibration_counts_each_picture_once_and_finds_two_classes_of_one(cli: Cli, tmp_path: Path) -> None:
    for name, number in (("Woman", 0), ("man", 1), ("man", 0)):
        picture(tmp_path / "d" / name / f"{number}.png", number)
    done = cli(
        "calibrate-detector", tmp_path / "d", "--axis", "gender", "--detector", "emoji", "-o", tmp_path / "c.csv"
    )
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "Woman/0.png and man/0.png are one picture, labelled 'woman' and 'man'" in done.err
