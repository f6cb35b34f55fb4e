"""A reference table: the shares in the training data or in published statistics that a model is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError
from equinoise.understanding.tables import number, read_table


@dataclass(frozen=True)
class Reference:
    """Shares of an axis's classes for one concept; `counts` where they were counted, and so are uncertain too."""

    shares: Mapping[str, float]
    counts: Mapping[str, int] | None = None


def read_reference(path: Path, axes: Sequence[Axis]) -> dict[tuple[str, str], Reference]:
    """A CSV of `concept`, `axis`, `class` and either `share` or `count`; by concept and axis.

    Rows of other axes are left out.

    Raises:
        EquinoiseError: a column, class or share is missing or wrong, or shares do not sum to 1.
    """
    known = {axis.name: axis for axis in axes}
    columns, rows = read_table(path, ("concept", "axis", "class"), ("share", "count"))
    of_counts = "count" in columns
    tables: dict[tuple[str, str], dict[str, float]] = {}
    for (concept, axis, label, value), times in rows.items():
        if axis in known:
            table = tables.setdefault((concept, axis), {})
            if known[axis].require(label) in table or times > 1:
                raise EquinoiseError(f"{path}: '{label}' of '{concept}' comes twice on axis '{axis}'")
            table[label] = number(value, whole=of_counts, where=path)
    return {key: _reference(path, key, known[key[1]], table, of_counts) for key, table in tables.items()}


def _reference(path: Path, key: tuple[str, str], axis: Axis, table: Mapping[str, float], of_counts: bool) -> Reference:
    missing = [name for name in axis.classes if name not in table]
    if missing:
        raise EquinoiseError(f"{path}: '{key[0]}' lacks class '{missing[0]}' of axis '{axis.name}'")
    total = sum(table.values())
    if total <= 0 or (not of_counts and abs(total - 1) > 0.005):
        wanted = "be more than 0" if of_counts else "sum to 1"
        raise EquinoiseError(f"{path}: the values of '{key[0]}' on '{axis.name}' sum to {total:g}; they must {wanted}")
    counts = {name: int(table[name]) for name in axis.classes} if of_counts else None
    return Reference({name: table[name] / total for name in axis.classes}, counts)
