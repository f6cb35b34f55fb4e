"""Interactions: what moving one axis does to the others, on the same seeds before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from equinoise import statistics
from equinoise.axes import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.run import UNTOUCHED, Record
from equinoise.understanding.objects import ROLE, is_a, phrases_of

Measured = Mapping[str, Sequence[str]]
"""Axis → its classes; `object` → phrases."""
OBJECT = "object"


def interactions(records: Iterable[Record], measured: Measured, confidence: float = 0.95) -> list[dict[str, Any]]:
    """A row an intervention, over all its concepts: the change of every class of every axis, paired by seed.

    Each change has an interval that holds by itself (`low`, `high`) and one that holds together with all others of its
    row (`joint_low`, `joint_high`, Bonferroni), by which an axis counts as moved. Images that are unclear on an axis
    before or after are left out of that axis. `measured["object"]` are phrases whose presence is compared.

    Raises:
        EquinoiseError: nothing is measured, or no image has a partner from the same noise under another intervention.
    """
    cells = sum(map(len, measured.values()))
    if not cells:
        raise EquinoiseError("no axis and no object was read off these images; audit the run with --axis first")
    found = [
        {"intervention": name, "pairs": len(pairs), "axes": _row(pairs, measured, confidence, cells)}
        for name, pairs in _pairs(records).items()
    ]
    if not found:
        raise EquinoiseError("no image has a partner from the same seed, untouched and shifted: give before and after")
    return found


def _pairs(records: Iterable[Record]) -> dict[str, list[tuple[Record, Record]]]:
    """Intervention → (untouched, shifted) of the same concept and seed."""
    untouched: dict[tuple[str, int], Record] = {}
    shifted: dict[str, dict[tuple[str, int], Record]] = {}
    for record in records:
        key = record.prompt, record.seed
        if record.intervention == UNTOUCHED:
            untouched[key] = record
        else:
            shifted.setdefault(record.intervention, {})[key] = record
    found = {
        name: [(untouched[key], record) for key, record in rows.items() if key in untouched]
        for name, rows in shifted.items()
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def _row(
    pairs: Sequence[tuple[Record, Record]], measured: Measured, confidence: float, cells: int
) -> dict[str, dict[str, Any]]:
    row = {}
    for axis, classes in measured.items():
        read = [(a, b) for a, b in pairs if _is_read(a, axis) and _is_read(b, axis)]
        changes = {name: _change(read, axis, name, confidence, cells) for name in classes} if read else {}
        moved = [name for name, entry in changes.items() if entry["joint_low"] > 0 or entry["joint_high"] < 0]
        row[axis] = {"n": len(read), "classes": changes, "moved": moved}
    return row


def _change(
    pairs: Sequence[tuple[Record, Record]], axis: str, name: str, confidence: float, cells: int
) -> dict[str, float]:
    before, after = ([_shows(record, axis, name) for record in side] for side in zip(*pairs, strict=True))
    value, alone = statistics.paired_difference(before, after, confidence)
    _, joint = statistics.paired_difference(before, after, 1 - (1 - confidence) / cells)
    return {
        "before": sum(before) / len(before), "after": sum(after) / len(after), "difference": value,
        "low": alone.low, "high": alone.high, "joint_low": joint.low, "joint_high": joint.high,
    }  # fmt: skip


def _is_read(record: Record, axis: str) -> bool:
    if axis == OBJECT:
        return record.objects is not None
    return record.labels.get(axis, UNCLEAR) != UNCLEAR


def _shows(record: Record, axis: str, name: str) -> bool:
    if axis == OBJECT:
        return any(is_a(phrase, name) for phrase in phrases_of(record))
    return record.labels[axis] == name


def measured_of(classes: Mapping[str, Sequence[str]], objects: Sequence[str] = ()) -> dict[str, Sequence[str]]:
    """What is compared: every axis but the role, and objects."""
    axes = {axis: names for axis, names in classes.items() if axis != ROLE}
    return {**axes, **({OBJECT: tuple(objects)} if objects else {})}
