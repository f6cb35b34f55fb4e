"""What understanding adds to a run: files beside `run.json`, each with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, read_json, write_arrays, write_json
from equinoise.understanding.relations import Relations, TextRelation, VisionRelation
from equinoise.understanding.wordings import Attribute

RELATIONS, OBJECTS, DISAGREEMENTS = "relations", "objects", "misalignment"
PARTS = (RELATIONS, OBJECTS, DISAGREEMENTS)


def write_part(run: Path, name: str, about: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """`RUN/NAME.json` with what was asked and what came of it."""
    write_json(run / f"{name}.json", {"about": dict(about), "results": dict(results)})


def read_part(run: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What `write_part` wrote; None where it is not there.

    Raises:
        EquinoiseError: damaged.
    """
    path = run / f"{name}.json"
    if not path.is_file():
        return None
    content = read_json(path)
    about, results = (content.get(key) if isinstance(content, dict) else None for key in ("about", "results"))
    if not (isinstance(about, dict) and isinstance(results, dict)):
        raise EquinoiseError(f"{path} is damaged: it lacks about or results; make it again")
    return about, results


def require_run(run: Path) -> None:
    """Check that a folder is a finished run.

    Raises:
        EquinoiseError: it is not.
    """
    if not (run / "run.json").is_file():
        raise EquinoiseError(f"{run} is not a finished run; make one with audit … -o RUN, of a model or of images")


def write_relations(run: Path, found: Relations) -> None:
    """`RUN/relations.safetensors`: cosines by wording and vectors of images, for intervals of any comparison."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, text in found.text.items():
        arrays |= {f"text/{name}/raw": text.raw, f"text/{name}/centred": text.centred}
    for name, seen in found.vision.items():
        arrays |= {f"vision/{name}/concept": seen.concept, f"vision/{name}/attributes": seen.attributes}
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    about = {
        "concept": found.concept,
        "attributes": [asdict(entry) for entry in found.attributes],
        "text": list(found.text),
        "vision": list(found.vision),
    }
    write_arrays(run / f"{RELATIONS}.safetensors", arrays, about)


def read_relations(run: Path) -> Relations:
    """What `write_relations` wrote.

    Raises:
        EquinoiseError: the run has no relations, or they are damaged.
    """
    path = run / f"{RELATIONS}.safetensors"
    if not path.is_file():
        raise EquinoiseError(f"{run} has no relations yet; equinoise relate MODEL --concept … -o {run} adds them")
    arrays, about = read_arrays(path)
    try:
        found = {key: array.astype(np.float64) for key, array in arrays.items()}
        attributes = [Attribute(**{**entry, "shown": tuple(entry["shown"])}) for entry in about["attributes"]]
        text = {n: TextRelation(found[f"text/{n}/raw"], found[f"text/{n}/centred"]) for n in about["text"]}
        vision = {
            n: VisionRelation(found[f"vision/{n}/concept"], found[f"vision/{n}/attributes"]) for n in about["vision"]
        }
        return Relations(str(about["concept"]), tuple(attributes), text, vision)
    except (KeyError, TypeError) as error:
        raise EquinoiseError(f"{path} is damaged ({error}); relate again") from error
