"""Tables that other tools write, a row a face: the output of FairFace's `predict.py`, and the JSON of DeepFace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.axes import load_axis
from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.tables.rows import read_rows
from equinoise.tables.source import has_columns

FAIRFACE_MARK = "face_name_align"
"""The column by which the table of FairFace is known."""
FAIRFACE = {"gender": "gender", "race": "fairface-race", "age": "fairface-age"}
"""Column of FairFace's table → the axis that has its classes."""
DEEPFACE = {"dominant_gender": "gender", "dominant_race": "race"}
"""Key of DeepFace's JSON → the axis. Its races are not FairFace's: `asian` is one of them."""
AGE, AGES, MOST_AGE = "age", "fairface-age", 150


@dataclass(frozen=True)
class FaceLabels:
    """What a tool says of faces.

    Attributes:
        labels: axis and class, for every face and axis.
        note: how the file was read.
    """

    labels: tuple[tuple[str, str], ...]
    note: str


def read_foreign(path: Path) -> FaceLabels | None:
    """The labels in a table of FairFace or in a JSON file of DeepFace; None where a CSV file is of another kind.

    Raises:
        EquinoiseError: a file that cannot be read, or JSON that DeepFace does not write.
    """
    if path.suffix.lower() == ".json":
        tool, found = "DeepFace", tuple(_deepface(path))
    elif has_columns(path, [FAIRFACE_MARK]):
        tool, found = "FairFace", tuple(_fairface(path))
    else:
        return None
    note = f"{path}: read as {tool} writes it, a row a face, all of one concept that is called like the file"
    return FaceLabels(found, note)


def _fairface(path: Path) -> Iterator[tuple[str, str]]:
    for row in read_rows(path, [FAIRFACE_MARK]):
        for column, axis in FAIRFACE.items():
            if label := row.values.get(column):
                yield axis, label


def _deepface(path: Path) -> Iterator[tuple[str, str]]:
    content, found = read_json(path), False
    for face in _faces(content):
        for key, axis in DEEPFACE.items():
            if isinstance(face.get(key), str):
                found = True
                yield axis, face[key]
        age = face.get(AGE)
        if isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age < MOST_AGE:
            found = True
            yield AGES, _decade(age)
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
