"""Labels from elsewhere: a CSV of counts → the same counts that images give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from equinoise.axes import UNCLEAR, Axis
from equinoise.errors import EquinoiseError
from equinoise.understanding.counts import Counts
from equinoise.understanding.tables import number, read_table


def read_labels(path: Path, axes: Sequence[Axis]) -> list[Counts]:
    """A CSV of `concept`, `axis`, `class` (may be `unclear`), `count`: counts of each concept on each of the axes.

    Rows add up, so a file may hold a row an image with a count of 1. Rows of other axes are left out. Declared
    classes that do not come are 0.

    Raises:
        EquinoiseError: a column is missing, a class is not declared, a count is no whole number of at least 0, or the
            file says nothing of one of the axes.
    """
    known = {axis.name: axis for axis in axes}
    found: Counter[tuple[str, str, str]] = Counter()
    for (concept, axis, label, count), times in read_table(path, ("concept", "axis", "class", "count"))[1].items():
        if axis in known:
            found[concept, axis, label] += times * int(number(count, whole=True, path=path))
    if any(not concept for concept, _, _ in found):
        raise EquinoiseError(f"{path} has a row without a concept")
    for concept, axis, label in found:
        if label != UNCLEAR and label not in known[axis].classes:
            classes = ", ".join(known[axis].classes)
            raise EquinoiseError(f"{path}: '{label}' ({concept}) is no class of '{axis}'; it has {classes}, {UNCLEAR}")
    silent = [name for name in known if all(axis != name for _, axis, _ in found)]
    if silent:
        raise EquinoiseError(f"{path} has no rows of axis '{silent[0]}'; give another --axis")
    groups = dict.fromkeys((concept, axis) for concept, axis, _ in found)
    return [
        Counts(c, a, {name: found[c, a, name] for name in known[a].classes}, found[c, a, UNCLEAR]) for c, a in groups
    ]
