"""What files of directions, traces and plans must hold: types that are checked while a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from equinoise.errors import EquinoiseError
from equinoise.models.base import NOISE, Step

SAYS: Mapping[str, type | tuple[type, ...]] = {"name": str, "weights": str, "scheduler": str, "adapters": list}
"""What is read of the provenance of a model, where it is there."""
MOST_CLASSES = 200
"""Of an axis in a file of traces: every pair of classes is fitted."""


def _check_model(model: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, kind in SAYS.items():
        if not isinstance(model.get(name), (kind, type(None))):
            raise ValueError(f"{name} of the model is no {kind.__name__ if isinstance(kind, type) else kind}")
    for adapter in model.get("adapters") or []:
        if not (isinstance(adapter, Mapping) and isinstance(adapter.get("name"), str)):
            raise ValueError("an adapter has no name")
    return model


def _check_sampling(sampling: Mapping[str, Any]) -> Mapping[str, Any]:
    steps, scale = sampling.get("steps"), sampling.get("guidance_scale")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise ValueError("steps are no number of steps")
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
        raise ValueError("guidance_scale is no number")
    return sampling


def _check_step(step: Step) -> Step:
    if step != NOISE and not (type(step) is int and 0 <= step < 10**6):
        raise ValueError(f"{step} is no step")
    return step


def _check_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES:
        raise ValueError(f"the classes of an axis are different, and at most {MOST_CLASSES}")
    return classes


StoredClasses = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_check_classes)]
StoredModel = Annotated[Mapping[str, Any], AfterValidator(_check_model)]
StoredSampling = Annotated[Mapping[str, Any], AfterValidator(_check_sampling)]
StoredStep = Annotated[int | str, AfterValidator(_check_step)]
StoredSeed = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def stored_vector(arrays: Mapping[str, NDArray[Any]], name: str, path: Path) -> NDArray[np.float32]:
    """An array of finite numbers, in single precision.

    Raises:
        EquinoiseError: it is not in the file, or holds something else.
    """
    if name not in arrays:
        raise EquinoiseError(f"{path} is damaged: the array '{name}' is missing; make it again")
    array = arrays[name]
    if not (array.ndim and array.size and np.issubdtype(array.dtype, np.floating)):
        raise EquinoiseError(f"{path} is damaged: '{name}' is {array.dtype} of shape {array.shape}; make it again")
    with np.errstate(over="ignore"):
        found: NDArray[np.float32] = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(found).all():
        raise EquinoiseError(f"{path} is damaged: '{name}' is not finite; make it again")
    return found
