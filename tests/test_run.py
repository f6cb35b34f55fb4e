"""Run folders: nothing computed is lost, nothing is half-written, other tools can open them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from equinoise import EquinoiseError, Record, read_records
from equinoise.files import read_arrays, read_json, write_json, write_whole
from equinoise.run import RunFolder, png

ABOUT = {"command": "audit", "seed": 0, "weights": (1.0, 2.0)}


def picture(value: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (value, 2 * value, 3))


def record(i: int) -> Record:
    return Record(
        f"a-{i}", "a photo of a doctor", i, "none", {"gender": {"woman": 0.25, "man": 0.75}}, {"gender": "man"}
    )


def make(path: Path, order: list[int], stop_at: int | None = None) -> None:
    run = RunFolder(path, ABOUT)
    for i in order[:stop_at]:
        if record(i).id not in run.records:
            run.add(record(i), picture(i))
    if stop_at is None:
        run.finish([record(i).id for i in sorted(order)], {"x": 1})


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_a_resumed_run_ends_byte_identical_to_an_unbroken_one(tmp_path: Path) -> None:
    make(tmp_path / "whole", [0, 1, 2, 3])
    make(tmp_path / "broken", [3, 1, 0, 2], stop_at=2)
    with (tmp_path / "broken" / "journal.jsonl").open("a") as journal:
        journal.write('{"file_name": "a-0.png", "id": "a-é"'[:-2])  # the line that was being written
    with (tmp_path / "broken" / "journal.jsonl").open("ab") as journal_bytes:
        journal_bytes.write("é".encode()[:1])
    make(tmp_path / "broken", [0, 1, 2, 3])
    assert files(tmp_path / "whole") == files(tmp_path / "broken")
    assert set(files(tmp_path / "whole")) == {
        "run.json",
        "images/metadata.jsonl",
        *(f"images/a-{i}.png" for i in range(4)),
    }


def test_a_kill_while_finishing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "whole", [0, 1])
    for killed_at in ("run.json", "metadata.jsonl"):
        folder = tmp_path / killed_at

        def write(path: Path, content: bytes, name: str = killed_at) -> None:
            if path.name == name:
                raise KeyboardInterrupt
            write_whole(path, content)

        with monkeypatch.context() as patch:
            patch.setattr("equinoise.run.write_whole", write)
            patch.setattr("equinoise.files.write_whole", write)
            with pytest.raises(KeyboardInterrupt):
                make(folder, [0, 1])
        make(folder, [0, 1])
        assert files(folder) == files(tmp_path / "whole")


def test_nothing_is_written_before_the_first_image(tmp_path: Path) -> None:
    RunFolder(tmp_path / "r", ABOUT)
    assert not (tmp_path / "r").exists()


def test_records_come_back(tmp_path: Path) -> None:
    make(tmp_path / "r", [0, 1])
    assert read_records(tmp_path / "r") == [record(0), record(1)]
    assert RunFolder(tmp_path / "r", ABOUT).records.keys() == {"a-0", "a-1"}


def test_any_text_survives(tmp_path: Path) -> None:
    strange = Record("a", "a photo\u2028of a \x85 doctor é", 1)
    run = RunFolder(tmp_path / "r", ABOUT)
    run.add(strange, picture(1))
    assert RunFolder(tmp_path / "r", ABOUT).records == {"a": strange}
    run.finish(["a"], {})
    assert read_records(tmp_path / "r") == [strange]


def test_other_tools_open_a_run(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    make(tmp_path / "r", [0, 1, 2])
    table = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "r" / "images"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert table["seed"] == [0, 1, 2]
    assert table[1]["detections"]["gender"]["man"] == 0.75


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "r", [0])
    with pytest.raises(EquinoiseError, match="another seed"):
        RunFolder(tmp_path / "r", {**ABOUT, "seed": 1})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("do not touch")
    with pytest.raises(EquinoiseError, match="holds something else"):
        RunFolder(tmp_path / "other", ABOUT)
    assert files(tmp_path / "other").keys() == {"thesis.txt"}
    with pytest.raises(EquinoiseError, match="not a finished run"):
        read_records(tmp_path / "other")


def test_png_has_no_metadata_and_equal_pixels_are_equal_bytes(tmp_path: Path) -> None:
    noted = PngImagePlugin.PngInfo()
    noted.add_text("made", "today")
    picture(1).save(tmp_path / "noted.png", pnginfo=noted)
    assert png(Image.open(tmp_path / "noted.png")) == png(picture(1))
    assert b"tEXt" not in png(Image.open(tmp_path / "noted.png"))


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_json(target, {"a": 1})
    assert read_json(target) == {"a": 1}
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(target, {"a": float("nan")})
    assert read_json(target) == {"a": 1}
    (tmp_path / "file").write_text("")
    with pytest.raises(EquinoiseError, match="cannot write"):
        write_whole(tmp_path / "file" / "below", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with open("/dev/full", "wb") as device:  # noqa: PTH123
            return device.write(content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EquinoiseError, match="No space left"):
        write_whole(tmp_path / "x", b"x" * 100_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EquinoiseError, match="Permission denied"):
        write_whole(tmp_path / "x", b"x")


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(EquinoiseError, match="damaged or of another kind"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(EquinoiseError, match="no such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(EquinoiseError, match="cannot read"):
        read_json(tmp_path)
    from safetensors.numpy import save_file

    save_file({}, tmp_path / "foreign.safetensors")
    with pytest.raises(EquinoiseError, match="not written by equinoise"):
        read_arrays(tmp_path / "foreign.safetensors")
