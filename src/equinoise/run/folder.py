"""A run that is being made in a folder: images, a journal of what is there, and `run.json` at its end.

While a run is being made its folder holds a journal, to which a line is added for each image: a run that was
interrupted goes on from there, and ends byte-identical to one that was not.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from equinoise.errors import EquinoiseError, warn
from equinoise.files import (
    append,
    clean_leftovers,
    inside,
    is_leftover,
    read_json,
    readable,
    write_json,
    write_whole,
)
from equinoise.run.file import METADATA, Json, RunContent, environment, read_run_file, run_file, write_run_file
from equinoise.run.memory import MemoryRun
from equinoise.run.records import Content, Kept, Record, line_of

PNG_LEVEL = 1
"""Of zlib: a third of the time of its default for files a quarter larger; an accelerator outruns anything slower."""


def start_run(out: Path | None, about: Mapping[str, Any]) -> RunFolder | MemoryRun:
    """The run of a verb: in the folder `out` where one is given, else in memory.

    Raises:
        EquinoiseError: the folder holds another run, or something else.
    """
    return MemoryRun(about) if out is None else RunFolder(out, about)


class RunFolder:
    """A run that is being made, or made, in a folder: images, their records, and `run.json`.

    Nothing is written before the first image, so that a command that fails at once leaves nothing behind. A line of
    the journal holds size and hash of its image: a line that is damaged, and an image that is gone or changed, costs
    that image, which is made again. Of a finished run the images must be there and whole.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Open a folder for the run that `about` describes; one that was interrupted or is complete goes on.

        Raises:
            EquinoiseError: the folder holds another run, or something else.
        """
        self.path = path
        self._about = readable(dict(about))
        self._same = {"about": self._about, "environment": environment()}
        self.records: dict[str, Record] = {}
        """Of every image that is there, by id."""
        self._kept: dict[str, Kept] = {}
        self._lost: dict[str, Record] = {}
        self._journal = path / "journal.jsonl"
        self._partial = path / "run.partial.json"
        if (path / "run.json").exists():
            require_same(path, read_run_file(path).model_dump(mode="json"), self._same)
            self._open_finished()
        elif self._partial.exists():
            require_same(path, read_json(self._partial), self._same)
            self._take_in(self._read(self._journal))
            self._rewrite_journal()
        else:
            require_empty(path)

    def add(self, record: Record, image: Image.Image) -> None:
        """Keep one image: first the file, on the disk, then the line that says it is there.

        Raises:
            EquinoiseError: the folder cannot be written, or a link in it leads elsewhere.
        """
        if not self._partial.exists():
            write_json(self._partial, self._same)
        content = png(image)
        write_whole(inside(self.path, record.file), content)
        known = self._lost.get(record.id)
        kept = Kept(known if known and replace(known, objects=None) == record else record, Content.of(content))
        append(self._journal, kept.line())
        self._keep(kept)

    def finish(
        self, order: Iterable[str], results: Mapping[str, Any], world: Json | None = None, role: str | None = None
    ) -> RunContent:
        """Write the records in the given order and, last, `run.json`; drop the journal.

        Raises:
            EquinoiseError: an image is gone meanwhile, so that the run is not complete.
        """
        kept = [self._kept[key] for key in order]
        self._require_images(kept)
        records = tuple(entry.record for entry in kept)
        write_whole(self.path / METADATA, "".join(map(line_of, records)).encode())
        file = run_file(self._about, results, world, role)
        write_run_file(self.path, file)
        self._clean()
        return RunContent(file, records, self.path)

    def _open_finished(self) -> None:
        """The images of a run with a `run.json`; where some are gone the run is none that is finished any more."""
        found = self._read(self.path / METADATA)
        there = {kept.record.id for kept in found}
        more = [kept for kept in self._read(self._journal) if kept.record.id not in there]  # it was being added to
        self._take_in([*found, *more])
        lost = sum(kept.record.id not in self._kept for kept in found)
        if self._kept and not lost and not more:
            self._clean()
            return
        if lost or not found:
            warn(f"{self.path}: {lost} of {len(found)} images are gone or damaged: made again")
        write_json(self._partial, self._same)
        self._rewrite_journal()
        (self.path / "run.json").unlink()

    def _take_in(self, found: Iterable[Kept]) -> None:
        """Those whose images are there; the others are lost."""
        for kept in found:
            if kept.is_there(self.path):
                self._keep(kept)
            else:
                self._lost[kept.record.id] = kept.record

    def _keep(self, kept: Kept) -> None:
        self._kept[kept.record.id] = kept
        self.records[kept.record.id] = kept.record

    def _require_images(self, kept: Sequence[Kept]) -> None:
        gone = [entry.record.file for entry in kept if not entry.has_its_size(self.path)]
        if gone:
            raise EquinoiseError(
                f"{len(gone)} of {len(kept)} images of {self.path} are gone, such as {gone[0]}; run the same command "
                "again, which makes them again"
            )

    def _clean(self) -> None:
        self._journal.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)
        clean_leftovers(self.path, self.path / "images")

    def _read(self, path: Path) -> list[Kept]:
        """What the lines of a journal or of the metadata say, but for those that are damaged; of equal ids the last."""
        try:
            lines = path.read_bytes().split(b"\n") if path.exists() else []
        except OSError as error:
            raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error
        found = {}
        for line in lines:
            with suppress(EquinoiseError):
                kept = Kept.parse(line, str(path))
                found[kept.record.id] = kept
        return list(found.values())

    def _rewrite_journal(self) -> None:
        """Only the lines of what is there."""
        write_whole(self._journal, "".join(kept.line() for kept in self._kept.values()).encode())


def png(image: Image.Image) -> bytes:
    """A PNG without metadata blocks: equal pixels give equal bytes."""
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


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
        if any(not is_leftover(path) for path in folder.iterdir()):
            raise EquinoiseError(f"{folder} holds something else already; choose another folder with -o")
    elif folder.exists() or folder.is_symlink():
        raise EquinoiseError(f"{folder} is not a folder; choose a folder with -o")
