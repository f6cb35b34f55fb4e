"""Interactions: what an intervention does to every axis, paired over the images of the same concept and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from equinoise import statistics
from equinoise.axes import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.results.interactions import AxisEffect, InterventionEffect, PairedEffect
from equinoise.run import ROLE, UNTOUCHED, Record
from equinoise.understanding.objects import shows

Classes = Mapping[str, Sequence[str]]
"""Axis → its classes; `object` → the phrases whose presence is compared."""
OBJECT = "object"


def compared_classes(axes: Classes, objects: Sequence[str] = ()) -> dict[str, Sequence[str]]:
    """What is compared: every axis but the role, and the objects, where there are some."""
    classes = {axis: names for axis, names in axes.items() if axis != ROLE}
    return {**classes, **({OBJECT: tuple(objects)} if objects else {})}


def measure_effects(records: Iterable[Record], classes: Classes, confidence: float = 0.95) -> list[InterventionEffect]:
    """One effect an intervention, over all its concepts: the change of every class of every axis, paired by seed.

    Each change has an interval that holds by itself (`low`, `high`) and one that holds together with all others of its
    row (`joint_low`, `joint_high`, Bonferroni), by which a class counts as moved. Images that are unclear on an axis
    before or after are left out of that axis.

    Raises:
        EquinoiseError: there is nothing to compare, or no image has a partner from the same noise under another
            intervention.
    """
    cells = sum(map(len, classes.values()))
    if not cells:
        raise EquinoiseError("no axis and no object was read off these images; audit the run with --axis first")
    joint = 1 - (1 - confidence) / cells
    found = [
        InterventionEffect(intervention=name, pairs=len(pairs), axes=_axes(pairs, classes, confidence, joint))
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


def _axes(
    pairs: Sequence[tuple[Record, Record]], classes: Classes, confidence: float, joint: float
) -> dict[str, AxisEffect]:
    found = {}
    for axis, names in classes.items():
        read = [(a, b) for a, b in pairs if _is_read(a, axis) and _is_read(b, axis)]
        effects = {name: _effect(read, axis, name, confidence, joint) for name in names} if read else {}
        moved = tuple(name for name, effect in effects.items() if effect.moved)
        found[axis] = AxisEffect(n=len(read), classes=effects, moved=moved)
    return found


def _effect(
    pairs: Sequence[tuple[Record, Record]], axis: str, name: str, confidence: float, joint: float
) -> PairedEffect:
    before, after = ([_shows(record, axis, name) for record in side] for side in zip(*pairs, strict=True))
    value, alone = statistics.paired_difference(before, after, confidence)
    _, together = statistics.paired_difference(before, after, joint)
    return PairedEffect(
        before=sum(before) / len(before),
        after=sum(after) / len(after),
        difference=value,
        low=alone.low,
        high=alone.high,
        joint_low=together.low,
        joint_high=together.high,
    )


def _is_read(record: Record, axis: str) -> bool:
    if axis == OBJECT:
        return record.objects is not None
    return record.labels.get(axis, UNCLEAR) != UNCLEAR


def _shows(record: Record, axis: str, name: str) -> bool:
    if axis == OBJECT:
        return shows(record, name)
    return record.labels[axis] == name
