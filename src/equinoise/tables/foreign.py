"""Tables that other tools write, a row a face: the output of FairFace's `predict.py`, and the JSON of DeepFace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.axes import load_axis
from equinoise.errors import EquinoiseError, warn
from equinoise.files import read_json
from equinoise.tables.rows import read_rows
from equinoise.tables.source import has_columns

FAIRFACE_MARK = "face_name_align"
"""The column by which the table of FairFace is known."""
FAIRFACE = {"gender": "gender", "race": "fairface-race", "age": "fairface-age"}
"""Column of FairFace's table → the axis that has its classes."""
DEEPFACE = {"dominant_gender": "gender", "dominant_race": "race"}
"""Key of DeepFace's JSON → the axis. Its races are not FairFace's: `asian` is one of them."""
AGE, AGES = "age", "fairface-age"


@dataclass(frozen=True)
class FaceLabel:
    """What a tool says of one face on one axis."""

    concept: str
    axis: str
    label: str


def read_foreign(path: Path) -> list[FaceLabel] | None:
    """The labels in a table of FairFace or in a JSON file of DeepFace; None where a CSV file is of another kind.

    Neither names a concept: all faces are of one that is called like the file. A warning says so.

    Raises:
        EquinoiseError: a file that cannot be read, or JSON that DeepFace does not write.
    """
    if path.suffix.lower() == ".json":
        tool, found = "DeepFace", list(_deepface(path))
    elif has_columns(path, [FAIRFACE_MARK]):
        tool, found = "FairFace", list(_fairface(path))
    else:
        return None
    warn(f"{path}: read as {tool} writes it, a row a face, all of the concept '{path.stem}', by the file's name")
    return found


def _fairface(path: Path) -> Iterator[FaceLabel]:
    for row in read_rows(path):
        for column, axis in FAIRFACE.items():
            if label := row.values.get(column):
                yield FaceLabel(path.stem, axis, label)


def _deepface(path: Path) -> Iterator[FaceLabel]:
    content, found = read_json(path), False
    for face in _faces(content):
        for key, axis in DEEPFACE.items():
            if isinstance(face.get(key), str):
                found = True
                yield FaceLabel(path.stem, axis, face[key])
        if isinstance(face.get(AGE), int | float):
            found = True
            yield FaceLabel(path.stem, AGES, _decade(face[AGE]))
    if not found:
        raise EquinoiseError(
            f"{path} is not what DeepFace writes, a list of faces with dominant_gender, dominant_race or age; "
            "labels of other tools go into a CSV of concept,axis,class,count"
        )


def _faces(content: Any) -> Iterator[Mapping[str, Any]]:
    """One face, a list of faces, or a list of images with a list of faces each."""
    for entry in content if isinstance(content, list) else [content]:
        for face in entry if isinstance(entry, list) else [entry]:
            if isinstance(face, dict):
                yield face


def _decade(age: float) -> str:
    """The class of FairFace's ages in which an age lies.

    >>> _decade(31), _decade(88)
    ('30-39', 'over-69')
    """
    *bounded, last = load_axis(AGES).classes
    return next((name for name in bounded if age < int(name.split("-")[1]) + 1), last)
