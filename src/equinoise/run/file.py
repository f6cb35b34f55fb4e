"""`run.json`: what a run was asked, on which packages, and its typed results; and a run as it is read back."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from equinoise.errors import EquinoiseError
from equinoise.files import read_json, readable, typed, write_whole
from equinoise.run.records import Record, line_of, read_record

VERSION = 2
"""Of run.json. Runs of version 0.1 of equinoise carry none; they are refused in one line."""
PACKAGES = ("equinoise", "torch", "diffusers", "transformers", "scikit-learn", "numpy", "safetensors")
METADATA = "images/metadata.jsonl"
ROLE = "role"
"""The axis of roles and scenes, read beside the axes asked for where the detector knows them."""

Json = dict[str, JsonValue]


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
    return typed(RunFile, content, str(card))


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
    plain = json.loads(json.dumps(readable({"about": dict(about), "results": dict(results)}), allow_nan=False))
    return RunFile(**plain, environment=environment(), world=world, role=role)


def write_run_file(path: Path, file: RunFile) -> None:
    """Write `run.json` into a folder: the last file of a run, so that its presence says that the run is complete."""
    write_whole(path / "run.json", _json(file).encode())


def _json(file: RunFile) -> str:
    content = {key: value for key, value in file.model_dump(mode="json").items() if value is not None}
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def read_records(path: Path) -> list[Record]:
    """The records of a finished run.

    Raises:
        EquinoiseError: the folder is not a finished run, or a line of its list of images is damaged or comes twice.
    """
    table = path / METADATA
    if not table.exists():
        raise EquinoiseError(f"{path} is not a finished run: it has no {METADATA}")
    try:
        lines = table.read_bytes().split(b"\n")
    except OSError as error:
        raise EquinoiseError(f"cannot read {table}: {error.strerror or error}") from error
    found: dict[str, Record] = {}
    for number, line in enumerate(lines, 1):
        if line:
            record = read_record(line, f"line {number} of {table}")
            if record.id in found:
                raise EquinoiseError(f"line {number} of {table}: the image {record.id} comes twice; make the run again")
            found[record.id] = record
    return list(found.values())


def rewrite_records(path: Path, records: Sequence[Record]) -> None:
    """Put the records of a finished run in place of those it has, with more known of the same images.

    Raises:
        EquinoiseError: they are not the same images, or the folder cannot be written.
    """
    if [record.id for record in records] != [record.id for record in read_records(path)]:
        raise EquinoiseError(f"the images of {path} have changed meanwhile; read them again")
    write_whole(path / METADATA, "".join(map(line_of, records)).encode())
