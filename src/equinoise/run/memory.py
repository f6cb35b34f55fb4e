"""A run that is kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from PIL import Image

from equinoise.files import readable
from equinoise.run.file import Json, RunContent, run_file
from equinoise.run.records import Record

PREVIEWS = 64
"""Images that a run in memory holds on to."""


class MemoryRun:
    """A run that is kept in memory: all records, and by default 64 images."""

    def __init__(self, about: Mapping[str, Any], most: int = PREVIEWS) -> None:
        """`most`: images to hold on to: the first so many of those announced, else the first that are added."""
        self._about = readable(dict(about))
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
