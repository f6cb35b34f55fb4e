"""The short form of `benchmarks.fuzz`: a few changed files of every kind, in this process."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from benchmarks.fuzz.fixtures import make_fixtures
from benchmarks.fuzz.kinds import KINDS
from benchmarks.fuzz.running import Box, Input, try_input

INPUTS = 3
MEASURED = {"hang", "memory"}
"""What depends on the machine and on the tests before; `benchmarks.fuzz` measures it in processes of their own."""


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fixtures(tmp_path_factory.mktemp("fuzz") / "fixtures")


def test_no_changed_file_ends_badly(fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    box, bad = Box.make(tmp_path), []
    for kind in KINDS:
        for number in range(INPUTS):
            asked = Input(kind.name, 1, number)
            found = try_input(asked, fixtures, box)
            if set(found.wrong) - MEASURED:
                bad.append(f"{', '.join(found.wrong)} at {asked}: {' '.join(found.command)}: {found.said}")
    assert not bad, "\n".join(bad)


def test_inputs_are_made_again_by_kind_seed_and_number(fixtures: Path, tmp_path: Path) -> None:
    changed = []
    for name in ("first", "second"):
        box = Box.make(tmp_path / name)
        try_input(Input("labels", 5, 3), fixtures, box)
        changed.append((box.work / "labels.csv").read_bytes())
    assert changed[0] == changed[1] != (fixtures / "tables" / "labels.csv").read_bytes()


def test_every_kind_has_its_files(fixtures: Path) -> None:
    assert all(list((fixtures / kind.fixture).glob(pattern)) for kind in KINDS for pattern in kind.files)
