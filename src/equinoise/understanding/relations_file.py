"""`relations.safetensors`, beside a run's `run.json`: all that is needed for the interval of any pair of attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.results.base import Value
from equinoise.results.parts import require_version
from equinoise.run import VERSION
from equinoise.understanding.relations import Relations, TextRelation, VisionRelation
from equinoise.understanding.wordings import Attribute

FILE = "relations.safetensors"
TEXT_ENDS = ("raw", "centred")


class AttributeEntry(Value):
    """An attribute as a file holds it; see `wordings.Attribute`."""

    name: str
    phrase: str
    prompt: str
    shown: tuple[str, ...]


class RelationsAbout(Value):
    """What `relations.safetensors` says of its arrays: the names of the encoders of each kind."""

    version: int = VERSION
    concept: str
    attributes: tuple[AttributeEntry, ...]
    text: tuple[str, ...]
    vision: tuple[str, ...]


def write_relations(run: Path, found: Relations) -> None:
    """Write the cosines by wording, and the vectors of images, into a run's folder."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, text in found.text.items():
        arrays |= {f"text/{name}/raw": text.raw, f"text/{name}/centred": text.centred}
    for name, seen in found.vision.items():
        arrays |= {f"vision/{name}/concept": seen.concept, f"vision/{name}/attributes": seen.attributes}
    about = RelationsAbout(
        concept=found.concept,
        attributes=tuple(AttributeEntry(**asdict(entry)) for entry in found.attributes),
        text=tuple(found.text),
        vision=tuple(found.vision),
    )
    single = {key: array.astype(np.float32) for key, array in arrays.items()}
    write_arrays(run / FILE, single, about.to_json())


def read_relations(run: Path) -> Relations:
    """What `write_relations` wrote.

    Raises:
        EquinoiseError: the run has no relations, or their file is damaged or of another version.
    """
    path = run / FILE
    if not path.is_file():
        raise EquinoiseError(f"{run} has no relations yet; equinoise relate MODEL --concept … -o {run} adds them")
    arrays, content = read_arrays(path)
    require_version(content, path)
    about = RelationsAbout.from_json(content, str(path))
    k, wanted = len(about.attributes), _wanted(about, len(about.attributes))
    if lacking := [key for key in wanted if key not in arrays]:
        raise EquinoiseError(f"{path} is damaged: it lacks {lacking[0]}; relate again")
    for key, fits in wanted.items():
        if arrays[key].dtype.kind != "f" or not fits(arrays[key].shape) or not arrays[key].size:
            raise EquinoiseError(f"{path} is damaged: '{key}' does not fit {k} attributes; relate again")
        if not np.isfinite(arrays[key]).all():
            raise EquinoiseError(f"{path} is damaged: '{key}' holds NaN or infinity; relate again")
    for name in about.vision:
        if arrays[f"vision/{name}/concept"].shape[1] != arrays[f"vision/{name}/attributes"].shape[2]:
            raise EquinoiseError(f"{path} is damaged: the vectors of '{name}' differ in length; relate again")
    found = {key: array.astype(np.float64) for key, array in arrays.items()}
    return Relations(
        about.concept,
        tuple(Attribute(**dict(entry)) for entry in about.attributes),
        {name: TextRelation(found[f"text/{name}/raw"], found[f"text/{name}/centred"]) for name in about.text},
        {
            name: VisionRelation(found[f"vision/{name}/concept"], found[f"vision/{name}/attributes"])
            for name in about.vision
        },
    )


def _wanted(about: RelationsAbout, k: int) -> dict[str, Callable[[tuple[int, ...]], bool]]:
    """Name of each array → whether a shape is one that it can have, for k attributes."""
    texts = {f"text/{name}/{end}": lambda s: len(s) == 2 and s[1] == k for name in about.text for end in TEXT_ENDS}
    concepts = {f"vision/{name}/concept": lambda s: len(s) == 2 for name in about.vision}
    attributes = {f"vision/{name}/attributes": lambda s: len(s) == 3 and s[0] == k for name in about.vision}
    return {**texts, **concepts, **attributes}
