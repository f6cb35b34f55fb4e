"""Collect traces from a model that lives in this process: no folder, no other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from equinoise.axes import Axis, load_axis
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Request
from equinoise.models import ModelSpec, Sampling, TextToImage
from equinoise.models.base import Step, default_capture, default_sampling, require_steps, step_at
from equinoise.models.memory import find_batch_size
from equinoise.seeds import COLLECT, seed_range
from equinoise.workflows import collecting as folders


def collect(
    model: TextToImage,
    axis: Axis | str,
    n: int = 50,
    capture: Sequence[Step | float] | None = None,
    sampling: Sampling | None = None,
    prompts: Mapping[str, str] | None = None,
    batch_size: int | Literal["auto"] = 16,
    seed: int = COLLECT,
) -> Traces:
    """Traces of every class of an axis from the same n seeds.

    Args:
        model: as `equinoise.load` gives it.
        axis: an axis, or the name of one.
        n: images a class.
        capture: steps, `T`, or fractions of the run such as 0.2 (`step_at`); default 0, 0.1, …, 0.9.
        sampling: default the model's own.
        prompts: class → prompt; default the axis's own.
        batch_size: fixed and padded, so part of the result; `auto` as large as fits (`find_batch_size`).
        seed: the first.

    Raises:
        EquinoiseError: no such axis or step, or a model without a guidance scale of its own and none given.
    """
    axis = load_axis(axis) if isinstance(axis, str) else axis
    sampling = sampling or default_sampling(model)
    steps = default_capture(sampling.steps) if capture is None else _steps(capture, sampling.steps)
    require_steps(steps, model.calls(sampling.steps))
    size = find_batch_size(model, sampling) if batch_size == "auto" else batch_size
    wanted = dict(prompts or {name: axis.generate[name][0] for name in axis.classes})
    request = Request(ModelSpec(model.name), sampling, size, tuple(steps))
    with Engine(model=model) as engine:
        return folders.collect(engine, request, axis, wanted, seed_range(seed, n), model.provenance)


def _steps(capture: Sequence[Step | float], total: int) -> list[Step]:
    return [step_at(step, total) if isinstance(step, float) else step for step in capture]
