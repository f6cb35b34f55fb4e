"""Run folders: nothing computed is lost, nothing is half-written, other tools can open them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from PIL import Image, PngImagePlugin

from equinoise import Counts, EquinoiseError, Record, read_records
from equinoise.files import read_arrays, read_json, write_json, write_whole
from equinoise.run import VERSION, MemoryRun, RunFolder, png, read_content
from equinoise.understanding.audit import Measures

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


def test_a_finished_run_that_is_added_to_and_cut_off_loses_nothing(tmp_path: Path) -> None:
    make(tmp_path / "whole", [0, 1, 2, 3])
    make(tmp_path / "grown", [0, 1])
    make(tmp_path / "grown", [2, 3], stop_at=1)
    run = RunFolder(tmp_path / "grown", ABOUT)  # no image is gone, so nothing is warned of
    assert set(run.records) == {"a-0", "a-1", "a-2"}
    run.add(record(3), picture(3))
    run.finish([record(i).id for i in range(4)], {"x": 1})
    assert files(tmp_path / "whole") == files(tmp_path / "grown")


def test_a_kill_while_finishing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "whole", [0, 1])
    for killed_at in ("run.json", "metadata.jsonl"):
        folder = tmp_path / killed_at

        def write(path: Path, content: bytes, name: str = killed_at) -> None:
            if path.name == name:
                raise KeyboardInterrupt
            write_whole(path, content)

        with monkeypatch.context() as patch:
            for module in ("equinoise.run.folder", "equinoise.run.file", "equinoise.files"):
                patch.setattr(f"{module}.write_whole", write)
            with pytest.raises(KeyboardInterrupt):
                make(folder, [0, 1])
        make(folder, [0, 1])
        assert files(folder) == files(tmp_path / "whole")


def audited(path: Path) -> None:
    """A finished audit of two images."""
    run = RunFolder(path, {"command": "audit", "concepts": ["a photo of a doctor"], "n": 2, "detector": {"name": "x"}})
    for i in range(2):
        run.add(record(i), picture(i))
    counts = Counts("a photo of a doctor", "gender", {"woman": 0, "man": 2})
    run.finish(["a-0", "a-1"], Measures().audit([counts]).to_json())


def test_a_run_says_which_schema_it_is_of_and_comes_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r", ABOUT)
    run.add(record(0), picture(0))
    world = {"planted": {"doctor": {"gender": {"woman": 0.2, "man": 0.8}}}}
    made = run.finish(["a-0"], {"x": 1}, world, "doctor")
    content = json.loads((tmp_path / "r" / "run.json").read_text())
    assert list(content) == ["version", "about", "environment", "world", "role", "results"]
    assert content["version"] == VERSION == 2
    read = read_content(tmp_path / "r")
    assert (read.file, read.records, read.folder) == (made.file, made.records, made.folder)
    assert read.digest == made.digest
    assert (read.file.command, read.file.world, read.file.role) == ("audit", world, "doctor")
    held = MemoryRun(ABOUT)
    held.add(record(0), picture(0))
    assert held.finish(["a-0"], {"x": 1}, world, "doctor").file == read.file


def test_a_run_in_memory_holds_on_to_the_images_that_were_announced_first() -> None:
    """Whichever is finished first, and shows them in order."""
    run = MemoryRun(ABOUT, most=3)
    run.announce(["a-0", "a-1"])
    run.announce(["a-2", "a-3"])
    assert [run.takes(f"a-{i}") for i in range(4)] == [True, True, True, False]
    for i in (3, 2, 0, 1):
        run.add(record(i), picture(i))
    made = run.finish([f"a-{i}" for i in range(4)], {})
    assert list(made.previews) == ["a-0", "a-1", "a-2"]
    assert [made.shows(one) for one in made.records] == [True, True, True, False]


def commands(folder: Path, page: Path) -> list[tuple[object, ...]]:
    return [
        ("audit", folder, "--axis", "gender"),
        ("check", folder, "--max-tv", "0.1"),
        ("report", folder, "-o", page),
        ("detect", folder, "--objects", "--detector", "emoji"),
    ]


def test_a_run_of_another_version_is_refused_in_one_line(cli: Callable, tmp_path: Path) -> None:
    audited(tmp_path / "r")
    content = json.loads((tmp_path / "r" / "run.json").read_text())
    del content["version"]  # as 0.1 wrote it
    content["results"] |= {"model": {"name": "mixture"}, "world": {}, "role": "doctor"}
    for version, says in ((None, "version 0.1 of equinoise"), (3, "schema version 3")):
        write_json(tmp_path / "r" / "run.json", content if version is None else {"version": version, **content})
        for command in commands(tmp_path / "r", tmp_path / "page.html"):
            ran = cli(*command)
            assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
            assert f"{tmp_path / 'r'} was made by {says}; this equinoise reads schema version 2" in ran.err
        with pytest.raises(EquinoiseError, match="was made by"):
            RunFolder(tmp_path / "r", content["about"])
    assert not (tmp_path / "page.html").exists()


DAMAGE = [
    ({"version": "two"}, "schema version two"),
    ({"about": 3}, "about: "),
    ({"about": {"command": "audit", "detector": "x"}}, "about: detector is no object"),
    ({"environment": None}, "environment: "),
    ({"environment": {"torch": 2}}, "environment.torch: "),
    ({"role": ["doctor"]}, "role: "),
    ({"world": 1}, "world: "),
    ({"results": []}, "results: "),
    ({"more": 1}, "more: "),
]


@pytest.mark.parametrize(("change", "says"), DAMAGE, ids=[says for _, says in DAMAGE])
def test_a_damaged_run_is_one_line_that_says_where(
    cli: Callable, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    audited(tmp_path / "r")
    content = read_json(tmp_path / "r" / "run.json")
    write_json(tmp_path / "r" / "run.json", {**content, **change})
    for command in commands(tmp_path / "r", tmp_path / "page.html"):
        ran = cli(*command)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
        assert says in ran.err


def test_damaged_results_are_one_line_that_says_where(cli: Callable, tmp_path: Path) -> None:
    audited(tmp_path / "r")
    whole = (tmp_path / "r" / "run.json").read_text()
    for right, wrong, says in [
        ('"n": 2,\n        "unclear"', '"n": "many",\n        "unclear"', "audits.0.n: "),
        ('"spd": 1.0', '"spd": {}', "audits.0.spd: "),
        ('"count": 2', '"counts": 2', "audits.0.classes.man.count: Field required"),
        ('"pooled"', '"pool"', "pooled: Field required"),
        ('"command": "audit"', '"command": "dance"', "is of the command 'dance'"),
    ]:
        assert whole.count(right) == 1
        (tmp_path / "r" / "run.json").write_text(whole.replace(right, wrong))
        for command in (("check", tmp_path / "r", "--max-tv", "0.1"), ("report", tmp_path / "r", "-o", tmp_path / "p")):
            ran = cli(*command)
            assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
            assert says in ran.err
    (tmp_path / "r" / "run.json").write_text(whole[:-40])
    ran = cli("report", tmp_path / "r", "-o", tmp_path / "p")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "run.json is damaged or of another kind" in ran.err


DAMAGED_PARTS = [
    ({"model": {"name": 3}}, "run.json: model is damaged: name: "),
    ({"sampling": {"steps": "many"}}, "run.json: sampling is damaged: steps: "),
    ({"detector": {"thresholds": ["gender"]}}, "run.json: detector is damaged: thresholds: "),
    ({"sources": [3]}, "run.json: sources is damaged: "),
]


@pytest.mark.parametrize(("change", "says"), DAMAGED_PARTS, ids=[says for _, says in DAMAGED_PARTS])
def test_a_report_says_which_part_of_a_run_is_damaged(
    cli: Callable, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    audited(tmp_path / "r")
    content = read_json(tmp_path / "r" / "run.json")
    write_json(tmp_path / "r" / "run.json", {**content, "about": {**content["about"], **change}})
    ran = cli("report", tmp_path / "r", "-o", tmp_path / "page.html")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
    assert says in ran.err
    write_json(tmp_path / "r" / "run.json", {**content, "world": {"planted": {"doctor": 1}}})
    ran = cli("report", tmp_path / "r", "-o", tmp_path / "page.html")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "run.json: world is damaged: planted.doctor: " in ran.err


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
    def full(handle: int, mode: str) -> IO[bytes]:
        os.close(handle)
        return open("/dev/full", mode)  # type: ignore[return-value]  # noqa: PTH123

    monkeypatch.setattr(os, "fdopen", full)
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
