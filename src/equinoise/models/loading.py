"""From a name to a model: `emoji`, `mixture`, a folder, a hub name, or a pipeline that lives already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.models.adapters import load_adapters
from equinoise.models.base import ModelSpec, TextToImage
from equinoise.models.checkpoints import class_of, from_pretrained
from equinoise.models.families import family_named
from equinoise.models.memory import place
from equinoise.models.mixture import model as mixture
from equinoise.models.mixture import world
from equinoise.models.pipeline import PipelineModel

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

EMOJI = Path(__file__).parent / "emoji"
MIXTURE = "mixture"
DTYPES = ("float32", "float16", "bfloat16")


def load(
    model: ModelSpec | str | Path | DiffusionPipeline,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    offload: str | None = None,
    scheduler: str | None = None,
    adapters: Sequence[str | Path] = (),
    size: tuple[int, int] | None = None,
) -> TextToImage:
    """The model of a name, a folder, a spec or a live pipeline; for what can be asked for see `ModelSpec`.

    Only safetensors weights are read and no remote code is run. A live pipeline is taken as it is, where it is, with
    the adapters that it has; only `size` can be chosen.

    Raises:
        EquinoiseError: no such model, device, precision or scheduler, or a pipeline that cannot be steered.
    """
    asked: dict[str, Any] = {"device": device, "dtype": dtype, "revision": revision, "variant": variant}
    asked |= {"offload": offload, "scheduler": scheduler, "adapters": tuple(map(str, adapters)) or None, "size": size}
    given = {key: value for key, value in asked.items() if value is not None}
    if isinstance(model, ModelSpec | str | Path):
        spec = model if isinstance(model, ModelSpec) else ModelSpec(str(model))
        return _load(replace(spec, **given))
    if too_much := [key for key in given if key != "size"]:
        raise EquinoiseError(f"a live pipeline is taken as it is; set its {too_much[0]} on the pipeline itself")
    return PipelineModel(model, _name_of(model), size=size)


def _load(spec: ModelSpec) -> TextToImage:
    if spec.name == MIXTURE:
        return mixture.load(spec)
    device = require_device(spec.device)
    if spec.dtype not in (None, *DTYPES):
        raise EquinoiseError(f"no dtype '{spec.dtype}'; use one of {', '.join(DTYPES)}")
    name = str(EMOJI) if spec.name == "emoji" else spec.name
    family = family_named(class_of(name, spec.revision))
    dtype = spec.dtype or ("float32" if device == "cpu" else family.half)
    pipeline = from_pretrained(name, dtype, spec.revision, spec.variant)
    pipeline.set_progress_bar_config(disable=True)
    if spec.scheduler:
        pipeline.scheduler = _scheduler(spec.scheduler, pipeline.scheduler)
    load_adapters(pipeline, spec.adapters)
    about = {key: value for key in ("revision", "variant") if (value := getattr(spec, key))}
    model = PipelineModel(pipeline, spec.name, describe(spec.name).get("guidance_scale"), spec.size, about)
    place(pipeline, device, spec.offload)
    return model


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


@cache
def emoji_size() -> tuple[int, int]:
    """Width and height in pixels of what the packaged emoji model makes."""
    denoiser, autoencoder = (read_json(EMOJI / part / "config.json") for part in ("unet", "vae"))
    side = int(denoiser["sample_size"]) * 2 ** (len(autoencoder["block_out_channels"]) - 1)
    return side, side


def require_device(name: str) -> str:
    """The device, if this machine has it; of `auto` the first of cuda, mps and cpu that it has.

    Raises:
        EquinoiseError: it does not.
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


def _name_of(pipeline: Any) -> str:
    """Where a live pipeline says that it came from, else its class."""
    config = getattr(pipeline, "config", {})
    return str(config.get("_name_or_path") or type(pipeline).__name__)


def _scheduler(name: str, current: Any) -> Any:
    import diffusers

    scheduler = getattr(diffusers, name, None) or getattr(diffusers, f"{name}Scheduler", None)
    if not (isinstance(scheduler, type) and issubclass(scheduler, diffusers.SchedulerMixin)):
        raise EquinoiseError(f"diffusers has no scheduler '{name}'; give a class name such as DDIMScheduler")
    ours = type(current).__name__
    if ("FlowMatch" in ours) != ("FlowMatch" in scheduler.__name__):
        raise EquinoiseError(
            f"--scheduler {scheduler.__name__}: a model made for {ours} needs one of the same kind, "
            f"{'with' if 'FlowMatch' in ours else 'without'} FlowMatch in its name"
        )
    return scheduler.from_config(current.config)  # type: ignore[attr-defined]
