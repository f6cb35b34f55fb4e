"""Targets: the distribution over classes that the user wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError


def uniform(classes: Sequence[str]) -> dict[str, float]:
    """The same share for every class."""
    return {name: 1 / len(classes) for name in classes}


def parse_target(text: str, axis: Axis) -> dict[str, float]:
    """`uniform`, or `woman:0.4,man:0.6` with every class named and a sum of 1.

    Raises:
        EquinoiseError: unknown or missing class, a share that is no number in 0–1, or another sum.
    """
    if text == "uniform":
        return uniform(axis.classes)
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        axis.require(name.strip())
        try:
            shares[name.strip()] = float(value)
        except ValueError as error:
            raise EquinoiseError(f"target '{part}' needs a share, such as {axis.classes[0]}:0.5") from error
    if set(shares) != set(axis.classes) or not all(0 <= share <= 1 for share in shares.values()):
        raise EquinoiseError(f"a target for '{axis.name}' names each of {', '.join(axis.classes)} with a share in 0–1")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise EquinoiseError(f"the shares of target '{text}' sum to {sum(shares.values()):g}, not to 1")
    return {name: shares[name] for name in axis.classes}


def targets_of(texts: Sequence[str], axes: Mapping[str, Axis]) -> dict[str, dict[str, float]]:
    """`gender=uniform` and the like, by axis.

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
        targets[name] = parse_target(value, axes[name])
    return targets
