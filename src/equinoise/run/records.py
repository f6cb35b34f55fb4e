"""The record of one image, the line that holds it in a list or a journal, and whether its file is what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from equinoise.errors import EquinoiseError, reason_of
from equinoise.files import component, parse_json, readable, typed
from equinoise.no_picture import NoPicture
from equinoise.schemas import Probability, require_probabilities

UNTOUCHED = "none"
PNG_ENDS = (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82")
"""The first and the last bytes of a PNG: one that was emptied or cut off lacks the last."""


Id = Annotated[str, AfterValidator(component)]
"""Of a record: one component of a path, so that no id leads out of a run's folder."""
Detections = Annotated[Mapping[str, Mapping[str, Probability]], AfterValidator(require_probabilities)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64)]


def _require_phrase(found: Mapping[str, Any]) -> Mapping[str, Any]:
    box, score = found.get("box"), found.get("score")
    numbers = [*(box if isinstance(box, list) else ()), *([] if score is None else [score])]
    if not isinstance(found.get("phrase"), str) or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError("an object has a phrase, a score and a box of numbers")
    return found


def _require_attempt(draw: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(draw.get("kept"), bool):
        raise ValueError("an attempt says whether it was kept")
    return draw


Phrase = Annotated[Mapping[str, Any], AfterValidator(_require_phrase)]
Draw = Annotated[Mapping[str, Any], AfterValidator(_require_attempt)]


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

    __pydantic_config__ = ConfigDict(extra="forbid")  # for records that are read; those made here are as they are

    id: Id
    prompt: str
    seed: Seed
    intervention: str = UNTOUCHED
    detections: Detections = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    objects: Sequence[Phrase] | None = None
    draws: Sequence[Draw] | None = None
    no_picture: NoPicture | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "source"):  # which may be names of files, and those need not be UTF-8
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, readable(text))

    @property
    def file(self) -> str:
        """Path of the image inside the run folder."""
        return f"images/{self.id}.png"


@dataclass(frozen=True)
class Content:
    """What a file held when it was written: its size in bytes and the SHA-256 of its content."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Content:
        """The size and the hash of bytes."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    def is_at(self, path: Path) -> bool:
        """Whether a file holds exactly this; False where it is gone or cannot be read."""
        try:
            return path.stat().st_size == self.size and Content.of(path.read_bytes()) == self
        except OSError:
            return False


def is_whole_png(path: Path) -> bool:
    """Whether a PNG is there from its first bytes to its last; False where it is gone or cannot be read."""
    start, end = PNG_ENDS
    try:
        with path.open("rb") as file:
            if file.read(len(start)) != start:
                return False
            file.seek(-len(end), 2)
            return file.read() == end
    except OSError:
        return False


@dataclass(frozen=True)
class Kept:
    """A record with what its image file held; None where that is not known: the metadata of a finished run."""

    record: Record
    content: Content | None = None

    @classmethod
    def parse(cls, line: bytes, where: str) -> Kept:
        """A line of a journal or of metadata.

        Raises:
            EquinoiseError: it is damaged.
        """
        row = _row(line, where)
        content = typed(Content, row.pop("image"), where) if "image" in row else None
        return cls(typed(Record, row, where), content)

    def line(self) -> str:
        """As the journal keeps it."""
        return line_of(self.record, vars(self.content) if self.content else None)

    def is_there(self, folder: Path) -> bool:
        """Whether the image is what it was when it was written."""
        file = folder / self.record.file
        return self.content.is_at(file) if self.content else is_whole_png(file)

    def has_its_size(self, folder: Path) -> bool:
        """Whether the image is there, without reading all of it again."""
        file = folder / self.record.file
        try:
            return file.stat().st_size == self.content.size if self.content else is_whole_png(file)
        except OSError:
            return False


def line_of(record: Record, image: Mapping[str, Any] | None = None) -> str:
    """A line of metadata; with `image`, of a journal."""
    row = {"file_name": f"{record.id}.png", **vars(record)}
    for name in ("source", "objects", "draws", "no_picture"):
        if row[name] is None:
            del row[name]
    more = {"image": dict(image)} if image else {}
    return json.dumps({**row, **more}, allow_nan=False, ensure_ascii=False) + "\n"


def read_record(line: bytes, where: str) -> Record:
    """The record in a line of metadata.

    Raises:
        EquinoiseError: the line is damaged.
    """
    return typed(Record, _row(line, where), where)


def _row(line: bytes, where: str) -> dict[str, Any]:
    """The fields of a record in a line."""
    try:
        row = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise EquinoiseError(f"{where} is damaged: {reason_of(error)}; make the run again") from error
    if not isinstance(row, dict):
        raise EquinoiseError(f"{where} is damaged: the line is no JSON object; make the run again")
    if row.pop("file_name", None) != f"{row.get('id')}.png":
        raise EquinoiseError(f"{where} is damaged: file_name is not the image of the id; make the run again")
    return row
