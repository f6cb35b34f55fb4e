"""The record of one image, and the run folder that keeps them.

A run is a folder that other tools open: `images/` with a `metadata.jsonl` beside them (the imagefolder convention of
the datasets library) and `run.json` with what was asked of what. While it is being made it also holds a journal, to
which a line is added for each image; a run that was interrupted goes on from there, and ends byte-identical to one
that was not. Nothing in it depends on the time of day.
"""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.files import read_json, write_json, write_whole

PACKAGES = ("equinoise", "torch", "diffusers", "transformers", "scikit-learn", "numpy", "safetensors")
UNTOUCHED = "none"


@dataclass(frozen=True)
class Record:
    """What is known of one image.

    Attributes:
        id: unique within the run.
        prompt: the text that was given to the model.
        seed: of its initial noise.
        intervention: what was done to the noise, in words; `none` for an untouched image.
        detections: axis → class → probability.
        labels: axis → the class read off the detections, or `unclear`.
    """

    id: str
    prompt: str
    seed: int
    intervention: str = UNTOUCHED
    detections: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Path of the image inside the run folder."""
        return f"images/{self.id}.png"


def png(image: Image.Image) -> bytes:
    """A PNG without metadata blocks: equal pixels give equal bytes."""
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, "PNG")
    return buffer.getvalue()


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


class RunFolder:
    """A run being made, or made: images, their records, and `run.json`."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Open a folder for the run that `about` describes; one that was interrupted or is complete is gone on with.

        Raises:
            EquinoiseError: the folder holds another run, or something else.
        """
        self.path = path
        self.about = {"about": dict(about), "environment": environment()}
        self.records: dict[str, Record] = {}
        self._journal = path / "journal.jsonl"
        self._partial = path / "run.partial.json"
        if (path / "run.json").exists():
            self._require_same(path / "run.json")
            self.records = {record.id: record for record in read_records(path)}
        elif self._partial.exists():
            self._require_same(self._partial)
            self._read_journal()
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise EquinoiseError(f"{path} exists and is not a run; choose another folder with -o")
        else:
            write_json(self._partial, self.about)

    def add(self, record: Record, image: Image.Image) -> None:
        """Keep one image: first the file, then the line that says it is there."""
        write_whole(self.path / record.file, png(image))
        try:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(_line(record))
        except OSError as error:
            raise EquinoiseError(f"cannot write {self._journal}: {error.strerror or error}") from error
        self.records[record.id] = record

    def finish(self, order: Iterable[str], results: Mapping[str, Any]) -> None:
        """Write the records in the given order and `run.json`, and drop the journal."""
        lines = [_line(self.records[key]) for key in order]
        write_whole(self.path / "images" / "metadata.jsonl", "".join(lines).encode())
        write_json(self.path / "run.json", {**self.about, "results": dict(results)})
        self._journal.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    def _require_same(self, path: Path) -> None:
        kept = read_json(path)
        for key in ("about", "environment"):
            ours, theirs = json.loads(json.dumps(self.about[key])), kept.get(key, {})
            for name in [*ours, *(name for name in theirs if name not in ours)]:
                if ours.get(name) != theirs.get(name):
                    was = json.dumps(theirs.get(name))[:60]
                    raise EquinoiseError(f"{self.path} holds a run with another {name} ({was}); choose another -o")

    def _read_journal(self) -> None:
        if not self._journal.exists():
            return
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            try:
                record = _parse(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue  # the line that was being written when the run was cut off
            self.records[record.id] = record


def read_records(path: Path) -> list[Record]:
    """The records of a finished run.

    Raises:
        EquinoiseError: the folder is not a finished run.
    """
    table = path / "images" / "metadata.jsonl"
    if not table.exists():
        raise EquinoiseError(f"{path} is not a finished run: it has no images/metadata.jsonl")
    try:
        return [_parse(json.loads(line)) for line in table.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError, KeyError) as error:
        raise EquinoiseError(f"{table} is damaged: {error}; make the run again") from error


def _line(record: Record) -> str:
    row = {"file_name": f"{record.id}.png", **asdict(record)}
    return json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n"


def _parse(row: dict[str, Any]) -> Record:
    row.pop("file_name")
    return Record(**row)
