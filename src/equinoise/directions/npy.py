"""Directions to and from the `.npy` files of the scripts of Lopez Olmos et al. (2024): one vector, nothing else."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.directions.direction import Direction, Origin
from equinoise.errors import EquinoiseError, reason_of
from equinoise.files import write_whole
from equinoise.models.base import Step

IMPORTED = "imported"
"""The name of the estimator of an imported direction: which one it was is not known."""


def read_npy(
    path: str | Path,
    axis: str,
    label: str,
    *,
    step: Step,
    against: str = "rest",
    model: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Direction:
    """A direction from an array of shape (1, channels, height, width), scaled to length 1.

    The scripts scale latents by a factor (those of SDXL by the constant of SD 1). Scaling the direction to length 1
    removes it, so that a weight means the same as elsewhere. The file holds neither the model nor the settings that it
    was fitted with: give `model` (its provenance) and `sampling` where they are known.

    Raises:
        EquinoiseError: no such file, a pickle in it, another shape, not numbers, not finite, or zero.
    """
    array = _array(Path(path))
    if array.ndim != 4 or array.shape[0] != 1 or not np.issubdtype(array.dtype, np.floating):
        raise EquinoiseError(
            f"{path} holds {array.dtype} of shape {array.shape}; a direction is an array of floats of shape "
            "(1, channels, height, width), such as (1, 4, 128, 128)"
        )
    if not np.isfinite(array).all():
        raise EquinoiseError(f"{path} holds NaN or infinity; a direction must be finite")
    origin = Origin(
        axis=axis,
        kind="one_vs_rest" if against == "rest" else "two_class",
        label=label,
        against=against,
        step=step,
        estimator=IMPORTED,
        model=dict(model or {}),
        sampling=dict(sampling or {}),
    )
    return Direction.unit(array[0].astype(np.float64), origin)


def write_npy(direction: Direction, path: str | Path) -> tuple[int, ...]:
    """Write the vector as the scripts read it: float32, (1, *latent_shape), no provenance. Returns that shape."""
    array = direction.vector[None]
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(Path(path), buffer.getvalue())
    return array.shape


def _array(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)  # which asks the file's size before any memory
    except FileNotFoundError as error:
        raise EquinoiseError(f"no such file: {path}") from error
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # NumPy does not list what it raises for a header that somebody made up
        raise EquinoiseError(
            f"{path} is not a plain .npy file, and pickles are not read: {reason_of(error)}"
        ) from error
    if not isinstance(found, np.ndarray):
        raise EquinoiseError(f"{path} holds several arrays; give a .npy file of one direction")
    return found
