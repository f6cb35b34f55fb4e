"""What people write in TOML and JSON, checked by strict schemas: what is wrong is said with its place, in one line."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from equinoise.errors import EquinoiseError
from equinoise.files import read_text


class Strict(BaseModel):
    """A table in which every key is known and no value is turned into one of another kind."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1)]
Whole = Annotated[int, Field(ge=0, lt=2**53)]

SAID = {
    "list_type": "needs a list, such as ['…', '…']",
    "string_type": "must be a text, in quotes",
    "bool_type": "is true or false, without quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "dict_type": "needs a table, such as { name = '…' }",
    "model_type": "needs a table, such as { name = '…' }",
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "is empty: without prompts or names there is nothing to go by",
    "finite_number": "must be a finite number",
}
"""What pydantic finds → what is said of it."""

_VALUES = re.compile(r"""("[^"]*"|'[^']*')(?!\s*[=.])""")
"""Texts in a line of TOML that are no keys."""

Model = TypeVar("Model", bound=Strict)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, in UTF-8 or with the mark of another encoding.

    Raises:
        EquinoiseError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # the first also of a number of thousands of digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise EquinoiseError(f"{path} is not valid TOML: {reason}") from error


def checked(schema: type[Model], content: object, where: str, path: Path | None = None) -> Model:
    """The content as the schema has it.

    Args:
        schema: of the content.
        content: as TOML or JSON gives it.
        where: begins the message.
        path: the file, to find the line of what is wrong where that is certain.

    Raises:
        EquinoiseError: a key is unknown, missing, or of another kind; of several faults the first.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        # a misspelt key is a key that is missing too: the slip is said, not what it leads to
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        keys = [str(part) for part in first["loc"] if part != "[key]"]
        line = _line(path, keys) if path and first["type"] != "missing" else None
        place = f"{where}, line {line}" if line else where
        raise EquinoiseError(f"{place}: {_said(schema, first['type'], first['msg'], keys)}") from error


def _said(schema: type[BaseModel], kind: str, message: str, keys: Sequence[str]) -> str:
    name = ".".join(keys) or "the file"
    if kind == "extra_forbidden":
        known = sorted(_at(schema, keys[:-1]).model_fields)
        close = get_close_matches(keys[-1], known, 1, 0.6)
        hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}"
        return f"`{name}` is no known key; {hint}"
    if kind == "value_error":
        return f"`{name}`: {message.removeprefix('Value error, ')}"
    return f"`{name}` {SAID.get(kind) or message[:1].lower() + message[1:]}"


def _at(schema: type[BaseModel], keys: Sequence[str]) -> type[BaseModel]:
    """The schema of the table that a path of keys leads to."""
    for key in keys:
        inner = _schemas_in(schema.model_fields[key].annotation) if key in schema.model_fields else []
        schema = inner[0] if inner else schema
    return schema


def _schemas_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _schemas_in(part)]


def _line(path: Path, keys: Sequence[str]) -> int | None:
    """The line of a TOML file where the last key is set; None where several may be meant."""
    named = [key for key in keys if not key.isdigit()]
    found = [(n, [key for key in named if _sets(line, key)]) for n, line in enumerate(read_text(path).split("\n"), 1)]
    setting = [(n, there) for n, there in found if named and named[-1] in there]
    within = [(n, there) for n, there in setting if len(there) == len(named)] or setting
    return within[0][0] if len(within) == 1 else None


def _sets(line: str, key: str) -> bool:
    """Whether a line of TOML names a key, other than within a text."""
    plain = line if line.lstrip().startswith("[") else _VALUES.sub("", line)
    return bool(re.search(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=.\]]", plain))


def require_probabilities(detections: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
    """What a detector said of one image, axis → class → probability, if those of each axis sum to no more than 1.

    Raises:
        ValueError: they sum to more.
    """
    for axis, row in detections.items():
        if math.fsum(row.values()) > 1 + 1e-6 * max(1, len(row)):  # each is rounded to 6 digits
            raise ValueError(f"the probabilities of axis '{axis}' sum to more than 1")
    return detections
