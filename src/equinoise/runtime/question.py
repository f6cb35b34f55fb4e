"""What an audit asks, wherever its labels come from: axes, their intersections, targets and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, catalogue, load_axis
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file
from equinoise.run import Record
from equinoise.understanding.counts import Counts, cross, crossed, tally
from equinoise.understanding.reference import Reference, read_reference
from equinoise.understanding.targets import Wanted, wanted_shares

Axes = str | Axis | Sequence[str | Axis]
"""An axis or several: of the catalogue by name, of a .toml file, or declared in Python."""


@dataclass(frozen=True)
class Question:
    """What an audit asks.

    Attributes:
        axes: in the order asked for.
        crosses: groups of these whose intersection is audited as well.
        targets: by axis, shares by class; uniform where there is none.
        references: published shares by concept and axis.
        reference_file: where these come from.
    """

    axes: tuple[Axis, ...]
    crosses: tuple[tuple[Axis, ...], ...] = ()
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    references: Mapping[tuple[str, str], Reference] = field(default_factory=dict)
    reference_file: Path | None = None

    @classmethod
    def asking(
        cls,
        axes: Axes,
        crosses: Sequence[Sequence[str]] = (),
        targets: Mapping[str, Wanted] | None = None,
        reference: str | Path | None = None,
        classes: Sequence[str] | None = None,
    ) -> Question:
        """The question in names: see the verb `audit`. `classes` declares those of an axis that is not built in.

        Raises:
            EquinoiseError: no such axis, one that is given twice, a target or reference that makes no sense.
        """
        asked = [axes] if isinstance(axes, str | Axis) else list(axes)
        if classes is not None and all(isinstance(axis, Axis) or _is_known(axis) for axis in asked):
            raise EquinoiseError("--classes declares those of an axis that is not built in, and all of these are")
        loaded = {axis.name: axis for axis in (_loaded(axis, classes) for axis in asked)}
        if not asked or len(loaded) < len(asked):
            raise EquinoiseError("give at least one axis, and each axis once")
        groups = tuple(_group(names, loaded) for names in crosses)
        known = loaded | {both.name: both for both in map(crossed, groups)}
        strange = next((name for name in targets or {} if name not in known), None)
        if strange is not None:
            raise EquinoiseError(f"target '{strange}' is of none of the axes {', '.join(known)}")
        file = Path(reference) if reference is not None else None
        return cls(
            tuple(loaded.values()),
            groups,
            {name: wanted_shares(value, known[name]) for name, value in (targets or {}).items()},
            read_reference(file, list(known.values())) if file else {},
            file,
        )

    @property
    def all_axes(self) -> tuple[Axis, ...]:
        """The axes and the intersections."""
        return (*self.axes, *map(crossed, self.crosses))

    def to_json(self) -> dict[str, Any]:
        """For the record of a run."""
        more = {
            "crosses": [axis.name for axis in map(crossed, self.crosses)],
            "reference": describe_file(self.reference_file) if self.reference_file else None,
        }
        return {
            "axes": {axis.name: axis.digest for axis in self.axes},
            "targets": {name: dict(shares) for name, shares in self.targets.items()},
            **{key: value for key, value in more.items() if value},
        }

    def count(self, records: Sequence[Record], roles: Mapping[str, str | None] | None = None) -> list[Counts]:
        """Counts on the axes and the intersections; `roles` maps a concept to the role that is faithful to it."""
        for group in self.crosses:
            records, _ = cross(records, group)
        return tally(records, self.all_axes, roles)


def _is_known(name: str) -> bool:
    return name in catalogue() or name.endswith(".toml")


def _loaded(axis: str | Axis, classes: Sequence[str] | None) -> Axis:
    if isinstance(axis, Axis):
        return axis
    if classes is None or _is_known(axis):
        return load_axis(axis)
    if len(set(classes)) < max(2, len(classes)) or not all(classes) or "unclear" in classes:
        raise EquinoiseError(f"--classes {','.join(classes)}: name two or more different classes, such as long,short")
    return Axis(axis, tuple(classes), False, {}, {})


def _group(names: Sequence[str], axes: Mapping[str, Axis]) -> tuple[Axis, ...]:
    if len(set(names)) < max(2, len(names)) or any(name not in axes for name in names):
        asked = ",".join(names)
        raise EquinoiseError(f"--cross {asked}: name two or more of the axes {', '.join(axes)}, such as gender,tone")
    return tuple(axes[name] for name in names)
