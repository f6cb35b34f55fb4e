"""Targets: the distribution over classes that the user wants, on one axis or on several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from pathlib import Path
from typing import cast

from equinoise.axes import Axis, catalogue, load_axis, same_name
from equinoise.errors import EquinoiseError
from equinoise.tables import read_counted
from equinoise.understanding.counts import crossed
from equinoise.understanding.reference import read_reference, require_class

CSV, PRODUCT = ".csv", "product"


@dataclass(frozen=True)
class Target:
    """Wanted shares of the classes of one axis, or of every combination of classes of several (their cells).

    Attributes:
        axes: one, or those that are wanted together.
        shares: by class, or by cell as `crossed` names them ("woman & dark"), in its order; they sum to 1.
    """

    axes: tuple[Axis, ...]
    shares: Mapping[str, float]

    @property
    def axis(self) -> Axis:
        """The axis, or the intersection."""
        return _together(self.axes)

    @property
    def name(self) -> str:
        """`gender`, or `gender*tone`."""
        return self.axis.name

    def margin(self, axis: Axis) -> dict[str, float]:
        """What the target says of one of its axes alone."""
        place = [own.name for own in self.axes].index(axis.name)
        cells = zip(product(*(own.classes for own in self.axes)), self.shares.values(), strict=True)
        found = dict.fromkeys(axis.classes, 0.0)
        for cell, share in cells:
            found[cell[place]] += share
        return found


Wanted = str | Mapping[str, float]
"""What a user wants of an axis: "uniform", or class → share."""

WantedTargets = Mapping[str, Wanted | Path] | str | Path | Sequence[Target]
"""What a user wants of a plan.

A mapping: axis → `Wanted` or a CSV file with shares by concept; and a name such as `gender*tone` → "uniform", "product"
(of what the other targets say of these axes), shares by cell such as "woman & dark", or a CSV file with one column for
each axis. Or a CSV file with shares by concept, for every axis that it has. Or `Target` values.
"""


def wanted_shares(value: Wanted, axis: Axis) -> dict[str, float]:
    """The wanted share of every class.

    Raises:
        EquinoiseError: neither "uniform" nor a share for each class, or shares that do not sum to 1.
    """
    if isinstance(value, str):
        if value != "uniform":
            raise EquinoiseError(f"the target of '{axis.name}' is 'uniform' or a share for each class, not '{value}'")
        return uniform(axis.classes)
    if set(value) != set(axis.classes) or not all(0 <= share <= 1 for share in value.values()):
        raise EquinoiseError(f"a target for '{axis.name}' names each of {', '.join(axis.classes)} with a share in 0–1")
    if abs(sum(value.values()) - 1) > 1e-6:
        raise EquinoiseError(f"the shares of the target of '{axis.name}' sum to {sum(value.values()):g}, not to 1")
    return {name: float(value[name]) for name in axis.classes}


def uniform(classes: Sequence[str]) -> dict[str, float]:
    """The same share for every class."""
    return {name: 1 / len(classes) for name in classes}


def parse_target(text: str, axis: Axis, concept: str | None = None, parts: Sequence[Axis] = ()) -> dict[str, float]:
    """`uniform`; `woman:0.4,man:0.6` with every class named and a sum of 1; or a CSV file.

    For one axis the file holds published shares, columns `concept`, `axis`, `class` and `share` (or `count`), of which
    the concept's are taken; for an intersection of the axes `parts` a joint table, a column an axis and `share` (or
    `count`), with every combination in it.

    Raises:
        EquinoiseError: unknown or missing class, a share that is no number in 0–1, another sum, or a file without it.
    """
    if text == "uniform":
        return uniform(axis.classes)
    if text.endswith(CSV):
        return _joint(Path(text), parts) if parts else published(Path(text), axis, concept)
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        if axis.require(name.strip()) in shares:
            raise EquinoiseError(f"target '{text}' names {name.strip()} twice; name each class once")
        try:
            shares[name.strip()] = float(value)
        except ValueError as error:
            raise EquinoiseError(f"target '{part}' needs a share, such as {axis.classes[0]}:0.5") from error
    return wanted_shares(shares, axis)


def parse_shares(texts: Sequence[str], axes: Mapping[str, Axis]) -> dict[str, dict[str, float]]:
    """`gender=uniform` and the like, by axis; intersections among the axes by a name such as `gender*tone`.

    Raises:
        EquinoiseError: not of that form, an axis that is not asked for, one that comes twice, or a bad target.
    """
    targets: dict[str, dict[str, float]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in axes:
            raise EquinoiseError(f"target '{text}' is not AXIS=… with one of the axes {', '.join(axes)}")
        if name in targets:
            raise EquinoiseError(f"axis '{name}' has two targets; give each axis one")
        parts = [axes[part] for part in name.split("*")] if "*" in name else []
        targets[name] = parse_target(value, axes[name], parts=parts)
    return targets


def parse_targets(texts: Sequence[str], concept: str) -> list[Target]:
    """Targets for one concept, of axes of the catalogue or of .toml files.

    `gender=uniform`; `gender=woman:0.4,man:0.6`; `gender=STATISTICS.csv`; `STATISTICS.csv` for every axis that the file
    has for the concept; `gender*tone=uniform` and `gender*tone=TABLE.csv` for several axes together; and
    `gender*tone=product`, the product of what the other targets say of these axes.

    Raises:
        EquinoiseError: no target, a bad one, an axis that comes twice, or two targets that contradict each other.
    """
    if not texts:
        raise EquinoiseError("a plan needs a target, such as --target gender=uniform")
    found: list[Target | tuple[Axis, ...]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals and text.endswith(CSV):
            found += _all_published(Path(text), concept)
            continue
        if not equals or not name or not value:
            raise EquinoiseError(f"target '{text}' is not AXIS=…, such as gender=uniform or gender*tone=TABLE.csv")
        axes = _axes(name)
        found.append(axes if value == PRODUCT else Target(axes, _parsed(value, axes, concept)))
    return _completed(found)


def plan_targets(targets: WantedTargets, concept: str) -> list[Target]:
    """What a plan for one concept is to meet, from values: see `WantedTargets`.

    Raises:
        EquinoiseError: no target, a bad one, or two targets that contradict each other.
    """
    if isinstance(targets, str | Path):
        if not str(targets).endswith(CSV):
            raise EquinoiseError(f'targets \'{targets}\': give {{"gender": "uniform"}}, or a .csv file of shares')
        return _completed(_all_published(Path(targets), concept))
    if not targets:
        raise EquinoiseError('a plan needs a target, such as {"gender": "uniform"}')
    if not isinstance(targets, Mapping):
        return _completed(targets)
    found: list[Target | tuple[Axis, ...]] = []
    for name, value in targets.items():
        axes = _axes(name)
        file = value if isinstance(value, Path) or (isinstance(value, str) and value.endswith(CSV)) else None
        if value == PRODUCT:
            found.append(axes)
        elif file is not None:
            found.append(Target(axes, _parsed(str(file), axes, concept)))
        else:
            found.append(Target(axes, wanted_shares(cast("Wanted", value), _together(axes))))
    return _completed(found)


def _parsed(value: str, axes: tuple[Axis, ...], concept: str) -> dict[str, float]:
    return parse_target(value, _together(axes), concept, axes if len(axes) > 1 else ())


def _together(axes: Sequence[Axis]) -> Axis:
    return axes[0] if len(axes) == 1 else crossed(axes)


def _completed(found: Sequence[Target | tuple[Axis, ...]]) -> list[Target]:
    """The targets, and after them the products of what they say of the axes of each tuple."""
    targets = [target for target in found if isinstance(target, Target)]
    targets += [_product(axes, targets) for axes in found if not isinstance(axes, Target)]
    _require_consistent(targets)
    return targets


def published(path: Path, axis: Axis, concept: str | None) -> dict[str, float]:
    """The shares that a CSV of `concept`, `axis`, `class` and `share` or `count` gives for a concept.

    Raises:
        EquinoiseError: no concept to look for, the file is wrong, or it says nothing of the concept on this axis.
    """
    if concept is None:
        raise EquinoiseError(f"{path} holds shares by concept; here one target is for all: give {axis.name}=CLASS:P,…")
    tables = read_reference(path, [axis])
    found = next((shares for (named, _), shares in tables.items() if same_name(named) == same_name(concept)), None)
    if found is None:
        known = ", ".join(f"'{name}'" for name, _ in tables) or "no concept on this axis"
        raise EquinoiseError(f"{path} says nothing of '{concept}' on '{axis.name}'; it has {known}")
    return dict(found.shares)


def _all_published(path: Path, concept: str) -> list[Target]:
    rows = read_counted(path, ("concept", "axis")).rows
    names = {same_name(axis): axis for named, axis in rows if same_name(named) == same_name(concept)}
    if not names:
        known = ", ".join(f"'{name}'" for name in dict.fromkeys(named for named, _ in rows)) or "none"
        raise EquinoiseError(f"{path} says nothing of '{concept}'; its concepts are {known}")
    built_in = {same_name(name): name for name in catalogue()}
    axes = [load_axis(built_in.get(plain, name)) for plain, name in names.items()]
    return [Target((axis,), published(path, axis, concept)) for axis in axes]


def _axes(name: str) -> tuple[Axis, ...]:
    names = [part.strip() for part in name.split("*")]
    axes = tuple(load_axis(part) for part in names)
    if len({axis.name for axis in axes}) < len(axes):
        raise EquinoiseError(f"target '{name}' names an axis twice; name different axes")
    return axes


def _joint(path: Path, axes: Sequence[Axis]) -> dict[str, float]:
    """A table with a column an axis and `share` or `count`: every combination once."""
    table = read_counted(path, [axis.name for axis in axes], ("share", "count"))
    whole, found = table.columns[-1] == "count", dict[str, float]()
    for row, times in table.rows.items():
        cell = " & ".join(require_class(table, row, axis, label) for axis, label in zip(axes, row[:-1], strict=True))
        if cell in found or times > 1:
            raise EquinoiseError(f"{table.where(row)}: '{cell}' comes twice; give each combination once")
        found[cell] = table.number(row, row[-1], whole=whole)
    cells = crossed(axes).classes
    missing = [cell for cell in cells if cell not in found]
    if missing:
        raise EquinoiseError(
            f"{path} lacks '{missing[0]}'; give every combination, with a share of 0 where none is wanted"
        )
    total = sum(found.values())
    if total <= 0 or (not whole and abs(total - 1) > 0.005):
        raise EquinoiseError(
            f"{path}: the values sum to {total:g}; they must {'be more than 0' if whole else 'sum to 1'}"
        )
    return {cell: found[cell] / total for cell in cells}


def product_of(targets: Sequence[Target]) -> Target:
    """Several axes together such that none depends on another; a target of one axis each."""
    axes, tables = tuple(target.axes[0] for target in targets), [target.shares.values() for target in targets]
    return Target(axes, dict(zip(crossed(axes).classes, map(prod, product(*tables)), strict=True)))


def _product(axes: tuple[Axis, ...], known: Sequence[Target]) -> Target:
    margins = {axis.name: Target((axis,), found.margin(axis)) for found in known for axis in found.axes}
    missing = [axis.name for axis in axes if axis.name not in margins]
    if missing:
        raise EquinoiseError(f"a product needs a target for each of its axes; give one for '{missing[0]}'")
    return product_of([margins[axis.name] for axis in axes])


def _require_consistent(targets: Sequence[Target]) -> None:
    for first, second in combinations(targets, 2):
        if first.name == second.name:
            raise EquinoiseError(f"axis '{first.name}' has two targets; give each axis one")
        for axis in first.axes:
            if axis.name not in [other.name for other in second.axes]:
                continue
            ours, theirs = first.margin(axis), second.margin(axis)
            label = max(ours, key=lambda name: abs(ours[name] - theirs[name]))
            if abs(ours[label] - theirs[label]) > 0.005:
                raise EquinoiseError(
                    f"targets {first.name} and {second.name} contradict each other: '{label}' is to be "
                    f"{ours[label]:.3g} and {theirs[label]:.3g}; leave one out"
                )
