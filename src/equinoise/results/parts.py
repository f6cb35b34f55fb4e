"""Results that are kept in a run's folder beside `run.json`: relations, objects, disagreements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from equinoise.errors import EquinoiseError
from equinoise.files import read_json, write_json
from equinoise.results.base import Result, Value
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.relations import RelationsResult
from equinoise.run import VERSION, Json

NAMES: Mapping[type[Result], str] = {
    RelationsResult: "relations",
    ObjectsResult: "objects",
    DisagreementsResult: "disagreements",
}
"""Type of a result → its file in the run folder, without the suffix."""
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class KeptResult(Generic[R]):
    """A result with the arguments of the verb, given or defaulted."""

    about: Json
    result: R


class ResultFile(Value):
    """What the file of a result holds; `results` as the command line prints them with `--json`."""

    version: int
    about: Json
    results: Json


def write_part(folder: Path, result: Result, about: Mapping[str, Any]) -> None:
    """Write a result beside `run.json`, into the file of its type."""
    content = {"version": VERSION, "about": dict(about), "results": result.to_json()}
    write_json(folder / f"{NAMES[type(result)]}.json", content)


def read_part(folder: Path, kind: type[R]) -> KeptResult[R] | None:
    """The result of a type that is kept in a run's folder; None where there is none.

    Raises:
        EquinoiseError: its file is damaged, or of another version.
    """
    path = folder / f"{NAMES[kind]}.json"
    if not path.is_file():
        return None
    content = read_json(path)
    require_version(content, path)
    file = ResultFile.from_json(content, str(path))
    return KeptResult(file.about, kind.from_json(file.results, str(path)))


def require_version(content: object, path: Path) -> None:
    """Check that the content of a file is of the version that this equinoise writes.

    Raises:
        EquinoiseError: it is of another version.
    """
    made = content.get("version") if isinstance(content, dict) else VERSION
    if made != VERSION:
        by = "version 0.1 of equinoise" if made is None else f"schema version {made}"
        raise EquinoiseError(f"{path} was made by {by}; this equinoise reads schema version {VERSION}: make it again")
