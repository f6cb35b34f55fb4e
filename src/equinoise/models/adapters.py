"""LoRA and other adapters of peft: loading them, several at once, from safetensors files only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch

from equinoise.errors import EquinoiseError, reason_of
from equinoise.models.identity import active_layers, adapter_tensors
from equinoise.quiet import quiet_libraries


def load_adapters(pipeline: Any, names: Sequence[str]) -> None:
    """Load LoRA weights from files, folders or hub names and make all of them active, with weight 1.

    Raises:
        EquinoiseError: an adapter cannot be read, is not safetensors, or has no weights for this model.
    """
    labels = _labels(names)
    for name, label in zip(names, labels, strict=True):
        _require_safetensors(Path(name))
        try:
            with quiet_libraries():
                pipeline.load_lora_weights(
                    name, adapter_name=label, use_safetensors=True, local_files_only=Path(name).exists()
                )
        except Exception as error:  # diffusers, peft and safetensors raise whatever comes where a file is malformed
            reason = reason_of(error)
            raise EquinoiseError(f"cannot load adapter '{name}': {reason} (give a LoRA of this model)") from error
        _require_whole(pipeline, name, label)
    if names:
        with quiet_libraries():
            pipeline.set_adapters(labels)


def _labels(names: Sequence[str]) -> list[str]:
    """A name for each adapter by which peft can tell them apart: that of its file, with a number where it comes again.

    Raises:
        EquinoiseError: one adapter is given twice.
    """
    places = [Path(name).resolve() if Path(name).exists() else name for name in names]
    twice = next((name for name, place in zip(names, places, strict=True) if places.count(place) > 1), None)
    if twice:
        raise EquinoiseError(f"adapter '{twice}' is given twice; give each once")
    # peft keeps layers by these names among the attributes of a module, such as half and train
    found, layers = list[str](), torch.nn.ModuleDict()
    for name in names:
        plain = re.sub(r"\W", "_", Path(name).stem)
        numbered = (f"{plain}_{number}" for number in count(2))
        free = (label for label in chain([plain], numbered) if label not in found and not hasattr(layers, label))
        found.append(next(free))
    return found


def _require_whole(pipeline: Any, name: str, label: str) -> None:
    """Refuse an adapter that has nothing for the model, only part of its weights, or weights that are no numbers."""
    tensors = [
        (f"{component}.{layer[0]}.{part}", tensor)
        for component, layer, adapter in active_layers(pipeline, label)
        for part, tensor in adapter_tensors(layer[1], adapter)
    ]
    if not tensors:
        raise EquinoiseError(f"adapter '{name}' has no weights for this model; give a LoRA of this model")
    # diffusers leaves those that the file does not hold without numbers
    if missing := next((place for place, tensor in tensors if tensor.is_meta), None):
        raise EquinoiseError(
            f"adapter '{name}' holds only part of its weights ({missing} is missing); get the file anew"
        )
    if broken := next((place for place, tensor in tensors if not torch.isfinite(tensor).all()), None):
        raise EquinoiseError(f"adapter '{name}' holds infinities or NaN ({broken}); get the file anew")


def _require_safetensors(path: Path) -> None:
    """Refuse a local adapter that would have to be unpickled."""
    if path.is_file() and path.suffix != ".safetensors":
        raise EquinoiseError(f"adapter '{path}' is not a safetensors file; only those are read, never pickled weights")
    if path.is_dir() and not any(path.glob("*.safetensors")):
        raise EquinoiseError(f"adapter '{path}' holds no safetensors file; only those are read, never pickled weights")
