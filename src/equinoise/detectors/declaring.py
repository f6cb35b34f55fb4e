"""The option `--detector` as a plain value: which model, how its output is mapped, and whether faces come first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError
from equinoise.files import base_name, read_json
from equinoise.schemas import read_toml

ZERO_SHOT, CLASSIFIER = "zero-shot", "classifier"
POLICIES = ("largest", "all")
MAPS = Path(__file__).with_name("maps")
"""Mappings that are part of the package, by name."""
SETTINGS = ("map", "faces", "margin", "none")
MARGIN = 0.4
Labels = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""For each axis its name, and pairs of a label of the model and the class that the label is mapped to."""


@dataclass(frozen=True)
class Declaration:
    """A detector as it is asked for, before anything is loaded.

    Attributes:
        model: `emoji`, `mixture`, a folder, or a hub name.
        kind: `zero-shot` (a CLIP or a SigLIP) or `classifier`.
        labels: for a classifier, the mapping of its labels to classes.
        none: for a SigLIP, whether "none of the classes" is a possible answer.
        faces: which faces the detector gets, `largest` or `all`; None for the whole image.
        margin: added on each side of a face, as a share of its width and height.
    """

    model: str
    kind: str = ZERO_SHOT
    labels: Labels = ()
    none: bool = False
    faces: str | None = None
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if not self.model:
            raise EquinoiseError("a detector needs a model: emoji, mixture, a folder, or a hub name")
        if self.kind not in (ZERO_SHOT, CLASSIFIER):
            raise EquinoiseError(f"no kind of detector '{self.kind}'; use {ZERO_SHOT} or {CLASSIFIER}")
        if (self.kind == CLASSIFIER) != bool(self.labels):
            what = "needs a mapping of its labels, map=FILE" if self.kind == CLASSIFIER else "takes no map"
            raise EquinoiseError(f"detector '{self.model}' ({self.kind}) {what}")
        if self.kind == CLASSIFIER and self.none:
            raise EquinoiseError("none=yes is for a SigLIP; what a classifier's mapping leaves out is unclear already")
        if self.faces not in (None, *POLICIES):
            raise EquinoiseError(f"faces={self.faces}: use {' or '.join(POLICIES)}")
        if not 0 <= self.margin <= 5:
            raise EquinoiseError(f"margin={self.margin:g}: a share of the face's size, from 0 to 5")

    @property
    def plain(self) -> bool:
        """Whether this is a zero-shot model without further settings."""
        return self == Declaration(self.model)

    def to_json(self) -> dict[str, Any]:
        """All settings but the model, for records and hashes."""
        return {
            "kind": self.kind,
            "map": {axis: dict(labels) for axis, labels in self.labels},
            "none": self.none,
            "faces": self.faces,
            "margin": self.margin if self.faces else None,
        }


def declare(name: str) -> Declaration:
    """Parse `MODEL` or `classifier:MODEL`, with settings as in `?map=FILE&faces=largest&none=yes`, or a TOML file.

    >>> declare("some/clip?faces=largest").faces
    'largest'

    Raises:
        EquinoiseError: a setting is unknown or makes no sense, or a file cannot be read.
    """
    if name.endswith(".toml") and "?" not in name:
        return _from_file(Path(name))
    model, _, query = name.partition("?")
    settings: dict[str, Any] = dict(_setting(part, name) for part in query.split("&")) if query else {}
    prefix = f"{CLASSIFIER}:"
    kind = CLASSIFIER if model.startswith(prefix) else ZERO_SHOT
    labels = read_map(settings["map"]) if "map" in settings else ()
    return _declaration(model.removeprefix(prefix), kind, labels, settings, name)


def record_name(name: str) -> str:
    """A detector's name as records hold it: as it was given, its files and folders by the last part of their paths.

    >>> record_name("classifier:/home/somebody/faces?map=/home/somebody/map.toml&faces=largest")
    'classifier:faces?map=map.toml&faces=largest'
    """
    model, mark, query = name.partition("?")
    prefix = f"{CLASSIFIER}:" if model.startswith(f"{CLASSIFIER}:") else ""
    settings = [part if not part.startswith("map=") else f"map={base_name(part[4:])}" for part in query.split("&")]
    return f"{prefix}{base_name(model.removeprefix(prefix))}{mark}{'&'.join(settings)}"


def read_map(name: str) -> Labels:
    """A mapping by name (`fairface`), or a TOML or JSON file with a table `label of the model = class` for each axis.

    Raises:
        EquinoiseError: no such file, or a file of another form.
    """
    path = MAPS / f"{name}.toml"
    if "/" in name or not path.is_file():
        path = Path(name)
    return _labels(_read(path), str(path))


def _setting(part: str, name: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not (equals and value):
        raise EquinoiseError(f"--detector {name}: '{part}' is no setting; give such as faces=largest after the ?")
    return key, value


def _from_file(path: Path) -> Declaration:
    content = _read(path)
    model = str(content.pop("model", ""))
    here = path.parent / model
    labels = _labels(content.get("map", {}), str(path))
    where = str(here) if model and here.is_dir() else model
    return _declaration(where, str(content.pop("kind", ZERO_SHOT)), labels, content, str(path))


def _declaration(model: str, kind: str, labels: Labels, settings: Mapping[str, Any], name: str) -> Declaration:
    strange = sorted(set(settings) - set(SETTINGS))
    if strange:
        raise EquinoiseError(f"--detector {name}: no setting '{strange[0]}'; there are {', '.join(SETTINGS)}")
    try:
        margin = float(settings.get("margin", MARGIN))
        return Declaration(model, kind, labels, _truth(settings.get("none", False)), settings.get("faces"), margin)
    except (TypeError, ValueError) as error:
        raise EquinoiseError(f"--detector {name}: {error}") from error


def _truth(value: object) -> bool:
    if value in (True, "yes"):
        return True
    if value in (False, "no"):
        return False
    raise ValueError(f"none={value}: use yes or no")


def _labels(tables: object, where: str) -> Labels:
    if not isinstance(tables, dict) or not all(_is_mapping(table) for table in tables.values()):
        raise EquinoiseError(f"{where} is no mapping: it needs a table an axis, with lines such as Female = 'woman'")
    return tuple((axis, tuple(table.items())) for axis, table in tables.items())


def _is_mapping(table: object) -> bool:
    return isinstance(table, dict) and bool(table) and all(isinstance(name, str) for name in table.values())


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.suffix == ".json" else read_toml(path)
    if not isinstance(content, dict):
        raise EquinoiseError(f"{path} is not a table")
    return content
