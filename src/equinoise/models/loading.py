"""From a name to a model: `emoji`, `mixture`, a folder, a hub name, or a pipeline that is loaded already."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from equinoise.errors import EquinoiseError
from equinoise.models.adapters import load_adapters
from equinoise.models.base import ModelSpec, TextToImage
from equinoise.models.checkpoints import from_pretrained, pipeline_class
from equinoise.models.families import Family
from equinoise.models.memory import place
from equinoise.models.mixture import MixtureModel
from equinoise.models.pipeline import PipelineModel
from equinoise.models.schedulers import make_scheduler
from equinoise.models.worlds import EMOJI, MIXTURE, world
from equinoise.quiet import quiet_libraries

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

DTYPES = ("float32", "float16", "bfloat16")


def load_model(model: ModelSpec | str | Path | DiffusionPipeline, size: tuple[int, int] | None = None) -> TextToImage:
    """The model of a name, a folder, a spec, or a live pipeline; `size` is (height, width) of the images in pixels.

    Only safetensors weights are read, and no remote code is run. A live pipeline is taken as it is, on its device and
    with its adapters.

    Raises:
        EquinoiseError: no such model, device, precision or scheduler, or a pipeline that cannot be steered.
    """
    if not isinstance(model, ModelSpec | str | Path):
        return PipelineModel(model, _pipeline_name(model), size=size)
    spec = model if isinstance(model, ModelSpec) else ModelSpec(str(model))
    sized = replace(spec, size=size) if size else spec
    if spec.name == MIXTURE:
        return MixtureModel.from_spec(sized)
    with quiet_libraries():
        return _load(sized)


def _load(spec: ModelSpec) -> TextToImage:
    device = require_device(spec.device)
    if spec.dtype not in (None, *DTYPES):
        raise EquinoiseError(f"no dtype '{spec.dtype}'; use one of {', '.join(DTYPES)}")
    name = str(EMOJI) if spec.name == "emoji" else spec.name
    family = Family.named(pipeline_class(name, spec.revision))
    dtype = spec.dtype or ("float32" if device == "cpu" else family.half)
    pipeline = from_pretrained(name, dtype, spec.revision, spec.variant)
    pipeline.set_progress_bar_config(disable=True)
    if spec.scheduler:
        pipeline.scheduler = make_scheduler(spec.scheduler, pipeline.scheduler, family)
    load_adapters(pipeline, spec.adapters)
    stated = world(spec.name)
    guidance = stated.guidance_scale if stated else None
    model = PipelineModel(pipeline, spec.name, guidance, spec.size, spec.revision, spec.variant)
    place(pipeline, device, spec.offload)
    return model


@cache
def load_once(spec: ModelSpec) -> TextToImage:
    """As `load_model`; a process holds each model once."""
    return load_model(spec)


def require_device(name: str) -> str:
    """The device, if this machine has it; for `auto` the first of cuda, mps and cpu that it has.

    Raises:
        EquinoiseError: this machine has no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in available.items() if there)
    kind, colon, index = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available.get(kind, False) or (colon and not (index.isdecimal() and int(index) < count)):
        names = ", ".join(device for device, there in available.items() if there)
        raise EquinoiseError(f"no device '{name}' on this machine; use --device {names}")
    return name


def _pipeline_name(pipeline: Any) -> str:
    """The name or folder that a live pipeline was loaded from, as it says itself; else its class."""
    config = getattr(pipeline, "config", {})
    return str(config.get("_name_or_path") or type(pipeline).__name__)
