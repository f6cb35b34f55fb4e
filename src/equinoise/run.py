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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.files import append, read_json, write_json, write_whole

PACKAGES = ("equinoise", "torch", "diffusers", "transformers", "scikit-learn", "numpy", "safetensors")
UNTOUCHED = "none"
PNG_LEVEL = 1
"""Of zlib: a third of the time of its default for files a quarter larger; an accelerator outruns anything slower."""


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
        source: where an image came from that was not made here.
        objects: what an object detector found: phrase, score and box in pixels; None where none has looked.
        draws: where draws were selected by an early look, each one's `seed` of the noise, `seen` (axis → class) and
            whether it was `kept`; the last is this image. None where the first draw was taken unseen.
    """

    id: str
    prompt: str
    seed: int
    intervention: str = UNTOUCHED
    detections: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    objects: Sequence[Mapping[str, Any]] | None = None
    draws: Sequence[Mapping[str, Any]] | None = None

    @property
    def file(self) -> str:
        """Path of the image inside the run folder."""
        return f"images/{self.id}.png"


def png(image: Image.Image) -> bytes:
    """A PNG without metadata blocks: equal pixels give equal bytes."""
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


class RunFolder:
    """A run being made, or made: images, their records, and `run.json`.

    Nothing is written before the first image, so that a command that fails at once leaves nothing behind.
    """

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
            require_same(path, path / "run.json", self.about)
            self.records = {record.id: record for record in read_records(path)}
            self._clean()
        elif self._partial.exists():
            require_same(path, self._partial, self.about)
            self._read_journal()
        else:
            require_empty(path)

    def add(self, record: Record, image: Image.Image) -> None:
        """Keep one image: first the file, then the line that says it is there."""
        if not self._partial.exists():
            write_json(self._partial, self.about)
        write_whole(self.path / record.file, png(image))
        append(self._journal, _line(record))
        self.records[record.id] = record

    def finish(self, order: Iterable[str], results: Mapping[str, Any]) -> None:
        """Write the records in the given order and, last, `run.json`; drop the journal."""
        lines = [_line(self.records[key]) for key in order]
        write_whole(self.path / "images" / "metadata.jsonl", "".join(lines).encode())
        write_json(self.path / "run.json", {**self.about, "results": dict(results)})
        self._clean()

    def _clean(self) -> None:
        self._journal.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    def _read_journal(self) -> None:
        if not self._journal.exists():
            return
        *lines, rest = self._journal.read_bytes().split(b"\n")
        self.records = {record.id: record for record in map(_parse, lines)}
        if rest:  # the line that was being written when the run was cut off
            write_whole(self._journal, b"".join(line + b"\n" for line in lines))


def require_same(folder: Path, path: Path, ours: Mapping[str, Any]) -> None:
    """Check that a kept description says what ours says.

    Raises:
        EquinoiseError: it differs; the message names what.
    """
    kept = read_json(path)
    for key, value in json.loads(json.dumps(ours)).items():
        theirs = kept.get(key) if isinstance(kept, dict) else None
        if theirs == value:
            continue
        names = [*value, *(theirs if isinstance(theirs, dict) else {})]
        name = next((n for n in names if not isinstance(theirs, dict) or value.get(n) != theirs.get(n)), key)
        was = json.dumps(theirs.get(name) if isinstance(theirs, dict) else theirs)[:60]
        raise EquinoiseError(f"{folder} holds work with another {name} ({was}); choose another folder with -o")


def require_empty(folder: Path) -> None:
    """Check that a folder is free to be written to; what an interrupted write of ours left does not count.

    Raises:
        EquinoiseError: something is there.
    """
    if folder.is_dir():
        if any(not (p.name.startswith(".") and p.name.endswith(".partial")) for p in folder.iterdir()):
            raise EquinoiseError(f"{folder} holds something else already; choose another folder with -o")
    elif folder.exists():
        raise EquinoiseError(f"{folder} is not a folder; choose a folder with -o")


def read_records(path: Path) -> list[Record]:
    """The records of a finished run.

    Raises:
        EquinoiseError: the folder is not a finished run.
    """
    table = path / "images" / "metadata.jsonl"
    if not table.exists():
        raise EquinoiseError(f"{path} is not a finished run: it has no images/metadata.jsonl")
    try:
        return [_parse(line) for line in table.read_bytes().split(b"\n") if line]
    except OSError as error:
        raise EquinoiseError(f"cannot read {table}: {error.strerror or error}") from error


def rewrite_records(path: Path, records: Sequence[Record]) -> None:
    """Put the records of a finished run in place of those it has, with more known of the same images.

    Raises:
        EquinoiseError: they are not the same images, or the folder cannot be written.
    """
    if [record.id for record in records] != [record.id for record in read_records(path)]:
        raise EquinoiseError(f"the images of {path} have changed meanwhile; read them again")
    write_whole(path / "images" / "metadata.jsonl", "".join(map(_line, records)).encode())


def _line(record: Record) -> str:
    row = {"file_name": f"{record.id}.png", **vars(record)}
    for name in ("source", "objects", "draws"):
        if row[name] is None:
            del row[name]
    return json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n"


def _parse(line: bytes) -> Record:
    try:
        row = json.loads(line)
        row.pop("file_name")
        return Record(**row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EquinoiseError(f"a run's list of images is damaged ({error}); make the run again") from error
