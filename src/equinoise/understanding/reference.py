"""A reference table: the shares in the training data or in published statistics that a model is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equinoise.axes import UNCLEAR, Axis, same_name
from equinoise.errors import EquinoiseError
from equinoise.tables import CountedTable, read_counted


@dataclass(frozen=True)
class Reference:
    """Shares of an axis's classes for one concept; `counts` where they were counted, and so are uncertain too."""

    shares: Mapping[str, float]
    counts: Mapping[str, int] | None = None


def read_reference(path: Path, axes: Sequence[Axis]) -> dict[tuple[str, str], Reference]:
    """A CSV of `concept`, `axis`, `class` and either `share` or `count`; by concept, as first spelled, and axis.

    Names are compared without case and spaces. Rows of other axes are left out.

    Raises:
        EquinoiseError: a column, class or share is missing or wrong, or shares do not sum to 1.
    """
    known = {same_name(axis.name): axis for axis in axes}
    table = read_counted(path, ("concept", "axis", "class"), ("share", "count"))
    of_counts = "count" in table.columns
    found: dict[tuple[str, str], dict[str, float]] = {}
    spelled: dict[str, str] = {}
    for row, times in table.rows.items():
        axis = known.get(same_name(row[1]))
        if axis is None:
            continue
        concept = spelled.setdefault(same_name(row[0]), row[0])
        shares, label = found.setdefault((concept, axis.name), {}), require_class(table, row, axis, row[2])
        if label in shares or times > 1:
            raise EquinoiseError(f"{table.where(row)}: '{label}' of '{concept}' comes twice on axis '{axis.name}'")
        shares[label] = table.number(row, row[-1], whole=of_counts)
    return {key: _reference(path, key, known[same_name(key[1])], shares, of_counts) for key, shares in found.items()}


def require_class(table: CountedTable, row: tuple[str, ...], axis: Axis, text: str) -> str:
    """The class that a cell names.

    Raises:
        EquinoiseError: it names none, or `unclear`; the message has the line.
    """
    label = axis.match(text)
    if label is None or label == UNCLEAR:
        raise EquinoiseError(f"{table.where(row)}: {axis.lacks(text)}")
    return label


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
