"""The record of one image, and the run that holds them: on disk or in memory, written and read by the same types.

A run is a folder that other tools open: `images/` with a `metadata.jsonl` beside them (the imagefolder convention of
the datasets library) and `run.json` with every argument, package versions and typed results. While a run is being made
its folder also holds a journal, to which a line is added for each image: a run that was interrupted goes on from there,
and ends byte-identical to one that was not. Nothing in a run depends on the time of day.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from equinoise.blanks import REASONS, NoPicture
from equinoise.errors import EquinoiseError
from equinoise.files import append, read_json, write_json, write_whole

VERSION = 2
"""Of run.json. Runs of version 0.1 of equinoise carry none; they are refused in one line."""
PACKAGES = ("equinoise", "torch", "diffusers", "transformers", "scikit-learn", "numpy", "safetensors")
UNTOUCHED = "none"
PREVIEWS = 64
"""Images that a run in memory holds on to."""
PNG_LEVEL = 1
"""Of zlib: a third of the time of its default for files a quarter larger; an accelerator outruns anything slower."""
ROLE = "role"
"""The axis of roles and scenes, read beside the axes asked for where the detector knows them."""

Json = dict[str, JsonValue]


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
        objects: what an object detector found: phrase, score and box in pixels; None where no detector was run.
        draws: with rejection sampling, each attempt's `seed` of the noise, `seen` (axis → class that the early
            classifier told) and `kept` (whether it was accepted); the last attempt is this image. None without.
        no_picture: why the image is no picture; it is then unclear on every axis that a detector reads. None for a
            picture, and for an image that nobody looked at.
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
    no_picture: NoPicture | None = None

    @property
    def file(self) -> str:
        """Path of the image inside the run folder."""
        return f"images/{self.id}.png"


class RunFile(BaseModel):
    """What `run.json` holds.

    Attributes:
        version: of this schema.
        about: the command with every argument, given or defaulted.
        environment: versions of the packages that the numbers depend on.
        world: of a test fixture, what was planted in its world.
        role: the role that the (first) concept asks for, where the detector knows roles.
        results: as the command prints them with `--json`; `results.reading` gives them their types.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    about: Json
    environment: dict[str, str]
    world: Json | None = None
    role: str | None = None
    results: Json = Field(default_factory=dict)

    @field_validator("about")
    @classmethod
    def _require_tables(cls, about: Json) -> Json:
        for name in ("model", "sampling", "detector"):
            if not isinstance(about.get(name), dict | None):
                raise ValueError(f"{name} is no object")
        return about

    @property
    def command(self) -> str:
        """The command that made the run."""
        return str(self.about.get("command") or "")

    @property
    def concepts(self) -> list[str]:
        """The neutral prompts of the run, as recorded."""
        named = self.about.get("concepts") or self.about.get("concept") or []
        return [named] if isinstance(named, str) else [str(name) for name in named] if isinstance(named, list) else []

    def part(self, name: str) -> Json:
        """A table of `about`, such as `model`, `sampling` or `detector`; empty where there is none."""
        found = self.about.get(name)
        return found if isinstance(found, dict) else {}


def read_run_file(path: Path) -> RunFile:
    """The `run.json` of a finished run's folder.

    Raises:
        EquinoiseError: the folder is not a finished run, its file is damaged, or it is of another version.
    """
    card = path / "run.json"
    if not card.is_file():
        raise EquinoiseError(f"{path} is not a finished run: it has no run.json; make one with audit … -o RUN")
    content = read_json(card)
    made = content.get("version") if isinstance(content, dict) else None
    if isinstance(content, dict) and "about" in content and made != VERSION:
        by = "version 0.1 of equinoise" if made is None else f"schema version {made}"
        raise EquinoiseError(f"{path} was made by {by}; this equinoise reads schema version {VERSION}: make it again")
    return parse_run_file(content, str(card))


def parse_run_file(content: object, where: str) -> RunFile:
    """A run file from JSON.

    Raises:
        EquinoiseError: the JSON is not one.
    """
    try:
        return RunFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise EquinoiseError(f"{where} is damaged: {place}: {first['msg']}; make the run again") from error


@dataclass(frozen=True, eq=False)
class RunContent:
    """A run: what its file says, the record of each image, and the images, in a folder or some of them in memory."""

    file: RunFile
    records: tuple[Record, ...] = ()
    folder: Path | None = None
    previews: Mapping[str, Image.Image] = field(default_factory=dict)

    @property
    def concepts(self) -> list[str]:
        """The neutral prompts of the run: as recorded, else those of the images."""
        return self.file.concepts or list(dict.fromkeys(record.prompt for record in self.records))

    @property
    def name(self) -> str:
        """Name of the folder; `in memory` where nothing was kept."""
        return self.folder.resolve().name if self.folder else "in memory"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of run.json."""
        return hashlib.sha256(_json(self.file).encode()).hexdigest()

    def shows(self, record: Record) -> bool:
        """Whether the picture of a record can be shown: a run in memory holds the first 64."""
        return self.folder is not None or record.id in self.previews

    def require_folder(self) -> Path:
        """The folder.

        Raises:
            EquinoiseError: the run was kept in memory only.
        """
        if self.folder is None:
            raise EquinoiseError("this run was kept in memory only; make it again with out=FOLDER (-o)")
        return self.folder


def png(image: Image.Image) -> bytes:
    """A PNG without metadata blocks: equal pixels give equal bytes."""
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


class MemoryRun:
    """A run that is kept in memory: all records, and by default 64 images."""

    def __init__(self, about: Mapping[str, Any], most: int = PREVIEWS) -> None:
        """`most`: images to hold on to: the first so many of those announced, else the first that are added."""
        self._about = dict(about)
        self._most = most
        self._announced: set[str] | None = None
        self.records: dict[str, Record] = {}
        self._previews: dict[str, Image.Image] = {}

    def announce(self, ids: Iterable[str]) -> None:
        """Say which images come next, so that it does not depend on which is finished first what is held on to."""
        known = self._announced or set()
        self._announced = known | set(islice(ids, self._most - len(known)))

    def takes(self, key: str) -> bool:
        """Whether the picture of a record will be held on to."""
        return key in self._announced if self._announced is not None else len(self._previews) < self._most

    def add(self, record: Record, image: Image.Image | None) -> None:
        """Take in one image."""
        self.records[record.id] = record
        if image is not None and self.takes(record.id):
            self._previews[record.id] = image

    def finish(
        self, order: Iterable[str], results: Mapping[str, Any], world: Json | None = None, role: str | None = None
    ) -> RunContent:
        """The run, with its records in the given order."""
        file, keys = run_file(self._about, results, world, role), list(order)
        shown = {key: self._previews[key] for key in keys if key in self._previews}
        return RunContent(file, tuple(self.records[key] for key in keys), None, shown)


class RunFolder:
    """A run that is being made, or made, in a folder: images, their records, and `run.json`.

    Nothing is written before the first image, so that a command that fails at once leaves nothing behind.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Open a folder for the run that `about` describes; one that was interrupted or is complete goes on.

        Raises:
            EquinoiseError: the folder holds another run, or something else.
        """
        self.path = path
        self._about = dict(about)
        self._same = {"about": self._about, "environment": environment()}
        self.records: dict[str, Record] = {}
        self._journal = path / "journal.jsonl"
        self._partial = path / "run.partial.json"
        if (path / "run.json").exists():
            require_same(path, read_run_file(path).model_dump(mode="json"), self._same)
            self.records = {record.id: record for record in read_records(path)}
            self._clean()
        elif self._partial.exists():
            require_same(path, read_json(self._partial), self._same)
            self._read_journal()
        else:
            require_empty(path)

    def add(self, record: Record, image: Image.Image) -> None:
        """Keep one image: first the file, then the line that says it is there."""
        if not self._partial.exists():
            write_json(self._partial, self._same)
        write_whole(self.path / record.file, png(image))
        append(self._journal, _line(record))
        self.records[record.id] = record

    def finish(
        self, order: Iterable[str], results: Mapping[str, Any], world: Json | None = None, role: str | None = None
    ) -> RunContent:
        """Write the records in the given order and, last, `run.json`; drop the journal."""
        kept = tuple(self.records[key] for key in order)
        write_whole(self.path / "images" / "metadata.jsonl", "".join(map(_line, kept)).encode())
        file = run_file(self._about, results, world, role)
        write_run_file(self.path, file)
        self._clean()
        return RunContent(file, kept, self.path)

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


def start_run(out: Path | None, about: Mapping[str, Any]) -> RunFolder | MemoryRun:
    """The run of a verb: in the folder `out` where one is given, else in memory.

    Raises:
        EquinoiseError: the folder holds another run, or something else.
    """
    return MemoryRun(about) if out is None else RunFolder(out, about)


def read_content(path: Path) -> RunContent:
    """A finished run from its folder.

    Raises:
        EquinoiseError: the folder is not a finished run, or it is damaged or of another version.
    """
    return RunContent(read_run_file(path), tuple(read_records(path)), path)


def run_file(
    about: Mapping[str, Any], results: Mapping[str, Any], world: Json | None = None, role: str | None = None
) -> RunFile:
    """What `run.json` of a run says, on this machine."""
    # through JSON, so that a run in memory says what a run on disk says
    plain = json.loads(json.dumps({"about": dict(about), "results": dict(results)}, allow_nan=False))
    return RunFile(**plain, environment=environment(), world=world, role=role)


def write_run_file(path: Path, file: RunFile) -> None:
    """Write `run.json` into a folder: the last file of a run, so that its presence says that the run is complete."""
    write_whole(path / "run.json", _json(file).encode())


def _json(file: RunFile) -> str:
    content = {key: value for key, value in file.model_dump(mode="json").items() if value is not None}
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def require_same(folder: Path, kept: object, ours: Mapping[str, Any]) -> None:
    """Check that a kept description says what ours says.

    Raises:
        EquinoiseError: the two differ; the message names where.
    """
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
    for name in ("source", "objects", "draws", "no_picture"):
        if row[name] is None:
            del row[name]
    return json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n"


def _parse(line: bytes) -> Record:
    try:
        row = json.loads(line)
        row.pop("file_name")
        if row.get("no_picture") not in (None, *REASONS):
            raise ValueError(f"no_picture is none of {', '.join(REASONS)}")
        return Record(**row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EquinoiseError(f"a run's list of images is damaged ({error}); make the run again") from error
