"""Files that anybody may have written: what they may not do, and what they cost where they are damaged."""

from __future__ import annotations

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from factories import direction
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_run import ABOUT, files, make, picture, record

from equinoise import DirectionSet, EquinoiseError, EquinoiseWarning, Intervention, Plan, Record, Shift, Traces
from equinoise.directions.npy import read_npy
from equinoise.display import plain, plain_json
from equinoise.engine.images import _is_of
from equinoise.files import (
    METADATA_KEY,
    base_name,
    component,
    parse_json,
    read_arrays,
    read_json,
    readable,
    typed,
    write_arrays,
    write_whole,
)
from equinoise.models.base import Sampling
from equinoise.results.tables import TextTable
from equinoise.run import Kept, RunFolder, read_content, read_records
from equinoise.steering.compatibility import check_fit


def test_a_link_named_like_a_temporary_file_is_never_written_through(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("mine")
    folder.mkdir()
    (folder / ".x.json.partial").symlink_to(victim)
    (folder / "x.json").symlink_to(victim)
    write_whole(folder / "x.json", b"theirs")
    assert (victim.read_text(), (folder / "x.json").read_text()) == ("mine", "theirs")
    assert not (folder / "x.json").is_symlink()


def test_data_are_on_the_disk_before_the_line_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    fsync, append = os.fsync, "equinoise.run.folder.append"
    monkeypatch.setattr(os, "fsync", lambda handle: said.append("disk") or fsync(handle))
    monkeypatch.setattr(append, lambda path, line: said.append("line"))
    run = RunFolder(tmp_path / "r", ABOUT)
    run.add(record(0), picture(0))
    assert said[-1] == "line"
    assert said.count("disk") >= 2  # the description of the run, and the image


def broken(folder: Path) -> None:
    """Three of four images made."""
    make(folder, [0, 1, 2, 3], stop_at=3)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an image is gone": lambda run: (run / "images" / "a-1.png").unlink(),
    "an image is empty": lambda run: (run / "images" / "a-1.png").write_bytes(b""),
    "an image is another": lambda run: (run / "images" / "a-1.png").write_bytes(
        (run / "images" / "a-2.png").read_bytes()
    ),
    "a line is damaged": lambda run: _spoil(run / "journal.jsonl"),
    "the journal is gone": lambda run: (run / "journal.jsonl").unlink(),
    "the images are gone": lambda run: [file.unlink() for file in (run / "images").iterdir()],
}


def _spoil(journal: Path) -> None:
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], lines[1][:40] + b"\x00\xff", *lines[2:]]))


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_costs_its_image_only(tmp_path: Path, damage: str) -> None:
    make(tmp_path / "whole", [0, 1, 2, 3])
    broken(tmp_path / "run")
    DAMAGE[damage](tmp_path / "run")
    left = RunFolder(tmp_path / "run", ABOUT).records
    assert "a-1" not in left
    assert ("a-0" in left) == (damage not in ("the journal is gone", "the images are gone"))
    make(tmp_path / "run", [0, 1, 2, 3])
    assert files(tmp_path / "whole") == files(tmp_path / "run")


def test_a_journal_without_hashes_is_still_read(tmp_path: Path) -> None:
    make(tmp_path / "whole", [0, 1, 2, 3])
    broken(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    assert all(set(row.pop("image")) == {"size", "sha256"} for row in rows)
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(RunFolder(tmp_path / "run", ABOUT).records) == 3
    make(tmp_path / "run", [0, 1, 2, 3])
    assert files(tmp_path / "whole") == files(tmp_path / "run")


def test_a_finished_run_notices_that_images_are_gone(tmp_path: Path) -> None:
    make(tmp_path / "run", [0, 1, 2, 3])
    whole = files(tmp_path / "run")
    (tmp_path / "run" / "images" / "a-1.png").unlink()
    (tmp_path / "run" / "images" / "a-2.png").write_bytes(whole["images/a-2.png"][:-5])
    with pytest.warns(EquinoiseWarning, match="2 of 4 images are gone or damaged"):
        run = RunFolder(tmp_path / "run", ABOUT)
    assert set(run.records) == {"a-0", "a-3"}
    assert not (tmp_path / "run" / "run.json").exists()  # nobody takes it for complete meanwhile
    make(tmp_path / "run", [0, 1, 2, 3])
    assert files(tmp_path / "run") == whole


def test_a_run_that_is_removed_meanwhile_is_not_called_complete(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", ABOUT)
    for i in range(2):
        run.add(record(i), picture(i))
    (tmp_path / "run" / "images" / "a-0.png").unlink()
    with pytest.raises(EquinoiseError, match=r"1 of 2 images of .* are gone, such as images/a-0\.png; run the same"):
        run.finish(["a-0", "a-1"], {})
    assert not (tmp_path / "run" / "run.json").exists()


def test_images_stay_inside_the_run(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    run = RunFolder(tmp_path / "run", ABOUT)
    (tmp_path / "run" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EquinoiseError, match="inside"):
        run.add(record(0), picture(0))
    assert not list((tmp_path / "elsewhere").iterdir())


ROWS = [
    ({"id": "../../x", "file_name": "../../x.png"}, "id: "),
    ({"id": "a/b", "file_name": "a/b.png"}, "id: "),
    ({"file_name": "b.png"}, "file_name"),
    ({"seed": "1"}, "seed: "),
    ({"seed": -1}, "seed: "),
    ({"seed": True}, "seed: "),
    ({"labels": {"gender": 3}}, "labels.gender: "),
    ({"detections": {"gender": {"woman": 5}}}, "detections.gender.woman: "),
    ({"detections": {"gender": {"woman": -4}}}, "detections.gender.woman: "),
    ({"prompt": None}, "prompt: "),
    ({"more": 1}, "more: "),
    ({"objects": [{"score": 1}]}, "objects.0: "),
    ({"draws": [{}]}, "draws.0: "),
]


@pytest.mark.parametrize(("change", "says"), ROWS)
def test_records_are_read_by_a_schema(change: dict[str, Any], says: str) -> None:
    row = json.loads(Kept(record(0)).line()) | change
    with pytest.raises(EquinoiseError, match=says):
        Kept.parse(json.dumps(row).encode(), "line 1")


def test_probabilities_are_numbers_and_ids_come_once(tmp_path: Path) -> None:
    make(tmp_path / "run", [0, 1])
    table = tmp_path / "run" / "images" / "metadata.jsonl"
    line = table.read_text().splitlines()[0]
    for bad in (line.replace("0.25", "NaN"), line.replace("0.25", "1e999"), "[" * 100_000, "3"):
        table.write_text(bad + "\n")
        with pytest.raises(EquinoiseError, match="line 1 of "):
            read_content(tmp_path / "run")
    table.write_text(f"{line}\n{line}\n")
    with pytest.raises(EquinoiseError, match=r"line 2 of .* comes twice"):
        read_records(tmp_path / "run")


@given(st.text(max_size=40))
def test_a_component_names_one_file_in_a_folder(name: str) -> None:
    try:
        component(name)
    except ValueError:
        return
    assert Path("/root", name).parent == Path("/root")
    assert Path(os.path.normpath(Path("/root", name))).parent == Path("/root")


def test_records_of_other_jobs_are_made_again() -> None:
    from equinoise.engine import Job, Request
    from equinoise.models import ModelSpec, Sampling

    request = Request(ModelSpec("mixture"), Sampling(), 1)
    assert _is_of(record(0), Job("a-0", "a photo of a doctor", 0), request)
    assert not _is_of(record(0), Job("a-0", "a photo of a nurse", 0), request)
    assert not _is_of(record(0), Job("a-0", "a photo of a doctor", 1), request)


# what third-party parsers raise


def test_json_is_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    for content in (b"[" * 200_000, b"\xff\xfe\x00", b'{"a": NaN}', b'{"a": -Infinity}', b"1e400", b"9" * 5000, b""):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(
            EquinoiseError, match=r"x\.json(, line 1: not text in UTF-8| is damaged or of another kind)"
        ) as raised:
            read_json(tmp_path / "x.json")
        assert "\n" not in str(raised.value)
    assert parse_json('\ufeff{"a": 1.5}'.encode()) == {"a": 1.5}


def test_numbers_that_numpy_lacks_are_read(tmp_path: Path) -> None:
    for kind in (torch.bfloat16, torch.float8_e4m3fn):
        save_file({"a": torch.ones(2, 3).to(kind), "b": torch.ones(2)}, tmp_path / "x", {METADATA_KEY: "{}"})
        arrays, about = read_arrays(tmp_path / "x")
        assert (arrays["a"].dtype, arrays["a"].tolist(), about) == (np.float32, [[1.0] * 3] * 2, {})
        assert list(arrays) == ["a", "b"]


def test_headers_of_npy_files_ask_for_no_memory(tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4, 1000000, 1000000), }"
    for text in (
        header,
        header.replace("1000000", "9" * 30),
        header.replace("'<f4'", "'|O'"),
        "(" * 9000,
        "{" * 60_000,
    ):
        padded = text.encode() + b" " * (-(len(text) + 13) % 64) + b"\n"
        (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x02\x00" + len(padded).to_bytes(4, "little") + padded + b"\0" * 64)
        with pytest.raises(EquinoiseError, match=r"not a plain \.npy file"):
            read_npy(tmp_path / "x.npy", "gender", "woman", step=0)


def traces() -> Traces:
    return Traces(
        axis="gender", classes=("woman", "man"), ordered=False, prompts={"woman": "a", "man": "b"},
        labels=np.array([0, 1]), seeds=np.array([5, 5]), latents={0: np.ones((2, 3, 1, 1), np.float16)},
        detected=False, model={"name": "x"}, sampling={"steps": 4},
    )  # fmt: skip


def rewritten(path: Path, arrays: dict[str, Any] | None = None, about: dict[str, Any] | None = None) -> None:
    """A file with other arrays and another description; None leaves an array out."""
    have, said = read_arrays(path)
    have = {name: array for name, array in {**have, **(arrays or {})}.items() if array is not None}
    write_arrays(path, have, {**said, **(about or {})})


@pytest.mark.parametrize(
    ("arrays", "about"),
    [
        ({"labels": np.array([0, 2])}, {}),
        ({"labels": np.array([-1, 0])}, {}),
        ({"labels": np.array([0.0, 1.0])}, {}),
        ({"labels": np.array([0])}, {}),
        ({"labels": None}, {}),
        ({"seeds": np.array([1, 2, 3])}, {}),
        ({"seeds": np.array([-1, 2])}, {}),
        ({"step/0": np.ones((3, 3, 1, 1), np.float16)}, {}),
        ({"step/0": np.ones((2, 3), np.int32)}, {}),
        ({}, {"classes": "ab"}),
        ({}, {"classes": [1, 2]}),
        ({}, {"ordered": "maybe"}),
        ({}, {"steps": [7]}),
        ({}, {"steps": ["U"]}),
        ({}, {"steps": []}),
        ({}, {"model": 3}),
        ({}, {"sampling": {"steps": "four"}}),
    ],
)
def test_traces_fit_what_is_said_of_them(tmp_path: Path, arrays: dict[str, Any], about: dict[str, Any]) -> None:
    traces().save(tmp_path)
    assert Traces.load(tmp_path).classes == ("woman", "man")
    rewritten(tmp_path / "traces.safetensors", arrays, about)
    with pytest.raises(EquinoiseError, match="damaged"):
        Traces.load(tmp_path)


def changed(value: Any, place: Sequence[str | int], new: object) -> Any:
    """A copy of JSON with another value in one place."""
    if not place:
        return new
    found = copy.deepcopy(value)
    found[place[0]] = changed(found[place[0]], place[1:], new)
    return found


BAD = (None, [], {}, "x", 3, -1, 1e300, [[]], True)


@pytest.mark.parametrize("kind", [DirectionSet, Plan])
def test_any_value_in_any_place_is_read_or_refused(tmp_path: Path, kind: type[DirectionSet] | type[Plan]) -> None:
    """Nothing else is raised, whatever stands in a file of directions or of a plan."""
    path = tmp_path / "x.safetensors"
    if kind is DirectionSet:
        DirectionSet((direction(),)).save(path)
    else:
        from equinoise import Part

        plan = Plan(
            "a doctor", {"gender": {"woman": 0.5, "man": 0.5}}, (Part(Intervention((Shift(direction(), 2),)), 1),)
        )
        plan.save(path)
    arrays, about = read_arrays(path)
    for place in list(places(about)):
        for bad in BAD:
            write_arrays(path, arrays, changed(about, place, bad))
            with suppress(EquinoiseError):
                assert kind.load(path).to_json() is not None
    for array in (np.zeros((0,), np.float32), np.ones(2, np.int8), np.full((2, 2), np.inf, np.float32)):
        write_arrays(path, {"0": array}, about)
        with pytest.raises(EquinoiseError):
            kind.load(path)


def places(value: Any) -> list[tuple[str | int, ...]]:
    """Every place in JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in inner for place in ((key,), *((key, *rest) for rest in places(part)))]


def test_typed_says_where(tmp_path: Path) -> None:
    with pytest.raises(EquinoiseError, match=r"here is damaged: seed: .*; make it again"):
        typed(Record, {"id": "a", "prompt": "b", "seed": "c"}, "here")


# what is shown


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_shown(text: str) -> None:
    shown = plain(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 or letter in "\u202e\u2066\u2028" for letter in shown)
    shown.encode()  # also no half of a surrogate pair
    if text.isprintable():
        assert shown == text
    assert json.loads(plain_json(json.dumps(text, ensure_ascii=False))) == text
    json.dumps(readable({text: [text]}), ensure_ascii=False).encode()


def test_tables_show_markup_as_it_is() -> None:
    table = TextTable(("[bold]a[/]", "b"), (("[red]x", "\x1b[31my"), ("[/nonsense]", ":smile:")), caption="[link]c")
    shown = str(table)
    for text in ("[bold]a[/]", "[red]x", r"\x1b[31my", "[/nonsense]", ":smile:", "[link]c"):
        assert text in shown
    assert "\x1b" not in shown


def test_escapes_in_arguments_do_not_reach_the_terminal(cli: Callable[..., Any]) -> None:
    for arguments in (
        ("check", "\x1b[2J", "--max-tv", 1),
        ("\x1b[31m",),
    ):
        ran = cli(*arguments)
        assert ran.code == 2
        assert "\x1b" not in ran.err + ran.out
        assert r"\x1b" in ran.err


# records hold no paths


def test_names_of_local_things_have_no_path(tmp_path: Path) -> None:
    from equinoise.detectors.declaring import record_name

    (tmp_path / "somebody" / "tiny").mkdir(parents=True)
    assert base_name(str(tmp_path / "somebody" / "tiny")) == "tiny"
    assert [base_name(name) for name in ("emoji", "some/model", "C:\\Users\\me\\tiny")] == [
        "emoji",
        "some/model",
        "tiny",
    ]
    long = f"classifier:{tmp_path}/tiny?map={tmp_path}/map.toml&faces=largest"
    assert record_name(long) == "classifier:tiny?map=map.toml&faces=largest"
    assert record_name("some/clip?none=yes") == "some/clip?none=yes"


# strong weights, copies


@dataclass(frozen=True)
class Described:
    """A model of which only shape and provenance are known."""

    latent_shape: tuple[int, ...]
    provenance: dict[str, Any]


def test_weights_have_a_bound() -> None:
    """The paper's strongest weight, 15, is far below it."""
    d = direction()
    model, sampling = Described(d.vector.shape, dict(d.origin.model)), Sampling(50, 7.5)
    for weight in (15.0, -15.0, 141.0):
        check_fit(Intervention((Shift(d, weight),)), model, sampling)
    for weight in (142.0, -1e6, 1e30):
        with pytest.raises(EquinoiseError, match="nats away from what the model knows"):
            check_fit(Intervention((Shift(d, weight),)), model, sampling)
    for weight in (1e39, -1e308, float("nan"), float("inf")):
        with pytest.raises(EquinoiseError, match="is not a finite number in single"):
            Shift(direction(), weight)


# ends


LINE = "equinoise: error: stopped; with -o the same command goes on where it was\n"


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.argv = ['equinoise', *{list(arguments)!r}]; "
        "from equinoise.cli.start import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options,
    )  # fmt: skip


def test_a_reader_that_goes_away_is_no_failed_check(tmp_path: Path) -> None:
    """Two seconds: a process of its own, which nothing else can stand for."""
    (tmp_path / "l.csv").write_text(
        "concept,axis,class,count\n" + "".join(f"c{i},gender,woman,3\n" for i in range(200))
    )
    with started("audit", str(tmp_path / "l.csv"), "--axis", "gender") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(), "Traceback" in said, "error" in said) == (141, False, False)


def test_ctrl_c_is_one_line_at_whatever_moment(tmp_path: Path) -> None:
    """Half a second after the start, while modules are imported."""
    process = started("audit", "emoji", "--concept", "a", "--axis", "gender", "-o", str(tmp_path / "r"))
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, LINE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_swallows_still_counts(number: signal.Signals, code: int) -> None:
    from equinoise.cli.console import run_app

    def swallowed(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        except KeyboardInterrupt:
            pass
        raise ValueError("an import that was interrupted")

    before = signal.getsignal(number)
    assert run_app(swallowed) == code
    assert signal.getsignal(number) is before


def test_copies_of_an_attached_pipeline_are_refused_in_a_line(tiny: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from equinoise import attach

    pipe = StableDiffusionPipeline.from_pretrained(tiny, safety_checker=None)
    with attach(pipe, Intervention()):
        for copies in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(EquinoiseError, match="detach it first"):
                copies(pipe)
    assert type(copy.copy(pipe)) is StableDiffusionPipeline
