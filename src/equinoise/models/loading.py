"""From a name to a model: `emoji`, `mixture`, a folder, or a hub name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.models.base import ModelSpec, TextToImage
from equinoise.models.mixture import model as mixture
from equinoise.models.mixture import world
from equinoise.models.pipeline import PipelineModel
from equinoise.quiet import quiet_libraries

EMOJI = Path(__file__).parent / "emoji"
MIXTURE = "mixture"
DTYPES = ("float32", "float16", "bfloat16")


def load(spec: ModelSpec | str) -> TextToImage:
    """The model of a spec or name.

    Only safetensors weights are read and no remote code is run.

    Raises:
        EquinoiseError: no such model, device, precision or scheduler, or a pipeline that cannot be steered.
    """
    spec = ModelSpec(spec) if isinstance(spec, str) else spec
    if spec.name == MIXTURE:
        return mixture.load(spec)
    device, dtype = require_device(spec.device), _dtype(spec)
    folder = EMOJI if spec.name == "emoji" else Path(spec.name)
    pipeline = _from_pretrained(spec.name, folder, dtype).to(device)
    if spec.scheduler:
        pipeline.scheduler = _scheduler(spec.scheduler, pipeline.scheduler)
    return PipelineModel(pipeline, spec.name, describe(spec.name).get("guidance_scale"))


@cache
def load_once(spec: ModelSpec) -> TextToImage:
    """As `load`; a process holds each model once."""
    return load(spec)


def describe(name: str) -> dict[str, Any]:
    """What a model's `world.json` says of it (default guidance, roles, planted shares); empty where there is none."""
    if name == MIXTURE:
        return world.card()
    path = (EMOJI if name == "emoji" else Path(name)) / "world.json"
    card = read_json(path) if path.is_file() else {}
    if not isinstance(card, dict):
        raise EquinoiseError(f"{path} is damaged: it is not a table")
    return card


def require_device(name: str) -> str:
    """The device, if this machine has it.

    Raises:
        EquinoiseError: it does not.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind, colon, index = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available.get(kind, False) or (colon and not (index.isdecimal() and int(index) < count)):
        names = ", ".join(device for device, there in available.items() if there)
        raise EquinoiseError(f"no device '{name}' on this machine; use --device {names}")
    return name


def _dtype(spec: ModelSpec) -> torch.dtype:
    name = spec.dtype or ("float32" if spec.device == "cpu" else "float16")
    if name not in DTYPES:
        raise EquinoiseError(f"no dtype '{name}'; use one of {', '.join(DTYPES)}")
    return getattr(torch, name)  # type: ignore[no-any-return]


def _from_pretrained(name: str, folder: Path, dtype: torch.dtype) -> Any:
    local = folder.is_dir()
    if local and not (folder / "model_index.json").is_file():
        raise EquinoiseError(f"{folder} is not a diffusers pipeline: it has no model_index.json")
    try:
        with quiet_libraries():
            from diffusers import DiffusionPipeline

            return DiffusionPipeline.from_pretrained(
                str(folder) if local else name,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=local,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        raise EquinoiseError(
            f"cannot load model '{name}': {reason} (use emoji, mixture, a pipeline folder, or a hub name within reach)"
        ) from error


def _scheduler(name: str, current: Any) -> Any:
    import diffusers

    scheduler = getattr(diffusers, name, None) or getattr(diffusers, f"{name}Scheduler", None)
    if not (isinstance(scheduler, type) and issubclass(scheduler, diffusers.SchedulerMixin)):
        raise EquinoiseError(f"diffusers has no scheduler '{name}'; give a class name such as DDIMScheduler")
    return scheduler.from_config(current.config)  # type: ignore[attr-defined]
