"""What two trees wrote, compared: JSON value by value, pictures and tensors byte by byte."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

Json = Mapping[str, "Json"] | list["Json"] | str | float | bool | None
Leaf = str | float | bool | None


@dataclass(frozen=True)
class Compared:
    """Two JSON values.

    Attributes:
        values: numbers, booleans, nulls and words that were compared.
        changed: those that differ, in one line each; texts of several words apart.
        missing: keys that were there before and are not after.
        extra: keys that came.
        texts: keys of texts of several words that differ.
        largest: the largest difference of two numbers.
    """

    values: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    texts: tuple[str, ...]
    largest: float

    @property
    def same(self) -> bool:
        """Whether everything that was there before is there as it was."""
        return not self.changed and not self.missing


def compare(before: Json, after: Json) -> Compared:
    """Every value of the one looked up in the other."""
    old, new = dict(leaves(before)), dict(leaves(after))
    both = [key for key in old if key in new]
    differing = [key for key in both if not is_same(old[key], new[key])]
    prose = [key for key in differing if _is_prose(old[key]) and _is_prose(new[key])]
    changed = [key for key in differing if key not in prose]
    return Compared(
        len(both) - len(prose),
        tuple(f"{key}: {old[key]!r} → {new[key]!r}" for key in changed),
        _without_numbers(key for key in old if key not in new),
        _without_numbers(key for key in new if key not in old),
        _without_numbers(prose),
        max((_difference(old[key], new[key]) for key in changed), default=0.0),
    )


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Dotted path and value of everything that is no object and no list, and the length of every list."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for index, part in enumerate(value):
            yield from leaves(part, f"{path}[{index}]")
    else:
        yield path, value


def is_same(old: Leaf, new: Leaf) -> bool:
    """Equal, `True` and 1 apart; no difference of floating point is passed over."""
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def pictures(folder: Path) -> Counter[tuple[str, str]]:
    """File name and SHA-256 of every PNG below a folder, or of what lies beside it under its name."""
    return Counter((path.name, _sha256(path.read_bytes())) for path in _files(folder, ".png"))


def tensors(folder: Path) -> Counter[tuple[str, str]]:
    """Shape and SHA-256 of every tensor in the safetensors files there, whatever it is called."""
    return Counter(found for path in _files(folder, ".safetensors") for found in _tensors(path.read_bytes()))


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    for start in (folder, *folder.parent.glob(f"{folder.name}.*")):
        yield from start.rglob(f"*{suffix}") if start.is_dir() else [start] if start.suffix == suffix else []


def _tensors(content: bytes) -> Iterator[tuple[str, str]]:
    """By the format: eight bytes of the header's length, a header of JSON, the data."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for entry in (value for key, value in header.items() if key != "__metadata__"):
        first, last = entry["data_offsets"]
        yield f"{entry['dtype']} {entry['shape']}", _sha256(content[start + first : start + last])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_prose(value: Leaf) -> bool:
    return isinstance(value, str) and " " in value.strip()


def _difference(old: Leaf, new: Leaf) -> float:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(old - new)
    return inf


def _without_numbers(keys: Iterable[str]) -> tuple[str, ...]:
    """Each key once, whatever its place in a list."""
    return tuple(dict.fromkeys(re.sub(r"\[\d+\]", "[]", key) for key in keys))
