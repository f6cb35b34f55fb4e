"""`import-direction` and `export-direction`: to and from the `.npy` files of the authors' scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equinoise.axes import load_axis
from equinoise.cli.options import ModelOptions
from equinoise.directions.direction import DirectionSet
from equinoise.directions.npy import read_npy, write_npy
from equinoise.errors import EquinoiseError
from equinoise.models.base import Step, parse_steps
from equinoise.workflows.shifting import read_direction


def import_direction(
    file: Path, axis_name: str, label: str, step: str, against: str | None, model: str | None, out: Path
) -> dict[str, Any]:
    """A `.npy` direction as a file of directions; `{"directions", "shape"}`.

    Raises:
        EquinoiseError: the file is no direction, there is no such class, or its shape is not that of the model.
    """
    axis, (at,) = load_axis(axis_name), _one(step)
    axis.require(label)
    other = axis.require(against) if against else "rest"
    known = ModelOptions().open(model).model if model else None
    direction = read_npy(file, axis.name, label, at, other, known.provenance if known else None)
    if known and direction.vector.shape != known.latent_shape:
        raise EquinoiseError(
            f"{file} has shape {direction.vector.shape}, the latents of {model} {known.latent_shape}; it is not its own"
        )
    DirectionSet((direction,)).save(out)
    return {"directions": [{"axis": axis.name, "class": label, "step": at, "name": direction.name}], "file": str(out)}


def export_direction(direction: str, out: Path) -> dict[str, Any]:
    """`FILE:CLASS@STEP` as a `.npy` file of shape (1, *latent_shape); `{"file", "shape"}`.

    Raises:
        EquinoiseError: not of that form, or no such direction.
    """
    where, at, step = direction.rpartition("@")
    if not at:
        raise EquinoiseError(f"'{direction}' is not FILE:CLASS@STEP, such as gender.safetensors:woman@10")
    directions, label = read_direction(where)
    shape = write_npy(directions.find(label, _one(step)[0]), out)
    return {"file": str(out), "shape": list(shape)}


def _one(text: str) -> tuple[Step]:
    steps = parse_steps(text)
    if len(steps) != 1:
        raise EquinoiseError(f"--step {text}: a direction has one step")
    return (steps[0],)
