"""LoRA and other adapters of peft: loading them, and the identity of a model that has some.

A direction belongs to the weights that it was found on, so active adapters are part of the identity of a model,
whoever loaded them and whatever their names are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.models.base import Adapter
from equinoise.quiet import quiet_libraries


def load_adapters(pipeline: Any, names: Sequence[str]) -> None:
    """Load LoRA weights from files, folders or hub names and make all of them active, with weight 1.

    Raises:
        EquinoiseError: an adapter cannot be read, is not safetensors, or has no weights for this model.
    """
    labels = [re.sub(r"\W", "_", Path(name).stem) for name in names]
    if len(set(labels)) < len(labels):
        raise EquinoiseError(f"two adapters are called {max(labels, key=labels.count)}; give each once, or rename one")
    for name, label in zip(names, labels, strict=True):
        _require_safetensors(Path(name))
        try:
            with quiet_libraries():
                pipeline.load_lora_weights(
                    name, adapter_name=label, use_safetensors=True, local_files_only=Path(name).exists()
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:160]
            raise EquinoiseError(f"cannot load adapter '{name}': {reason} (give a LoRA of this model)") from error
        if label not in {adapter["name"] for adapter in active_adapters(pipeline)}:
            raise EquinoiseError(f"adapter '{name}' has no weights for this model; give a LoRA of this model")
    if names:
        pipeline.set_adapters(labels)


def active_adapters(pipeline: Any) -> list[Adapter]:
    """Name and hash of each active adapter, in the order of their names.

    The hash covers the tensors in memory and their scales, in every component, but not the name.
    """
    digests: dict[str, Any] = {}
    for component, layer, adapter in _active(pipeline):
        digest = digests.setdefault(adapter, hashlib.sha256())
        for name, tensor in _tensors(layer[1], adapter):
            _update(digest, f"{component}.{layer[0]}.{name}", tensor)
        digest.update(repr(getattr(layer[1], "scaling", {}).get(adapter)).encode())
    return [{"name": name, "sha256": digests[name].hexdigest()[:16]} for name in sorted(digests)]


def hash_weights(module: torch.nn.Module) -> str:
    """A short hash of a module's own weights in memory, without those of its adapters."""
    left_out = [f"{name}.{part}." for name, layer in _layers(module) for part in layer.adapter_layer_names]
    digest = hashlib.sha256()
    for name, tensor in sorted(_state(module).items()):
        if not any(name.startswith(prefix) for prefix in left_out):
            _update(digest, name.replace(".base_layer.", ".").removeprefix("_orig_mod."), tensor)
    return digest.hexdigest()[:16]


def identity(weights: str, adapters: Sequence[Adapter]) -> str:
    """The identity of a model for directions: the hash of its weights, joined with those of its active adapters.

    >>> identity("aa", [{"name": "x", "sha256": "cc"}, {"name": "y", "sha256": "bb"}])
    'aa+bb+cc'
    """
    return "+".join([weights, *sorted(adapter["sha256"] for adapter in adapters)])


def _state(module: torch.nn.Module) -> Mapping[str, Tensor]:
    """All weights, including those that offload keeps in another place."""
    if any(parameter.device.type == "meta" for parameter in module.parameters()):
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        found: Mapping[str, Tensor] = get_state_dict_offloaded_model(module)
        return found
    return module.state_dict()


def _update(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(name.encode())
    digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())


def _active(pipeline: Any) -> Iterator[tuple[str, tuple[str, Any], str]]:
    """Component, (layer's name, layer) and adapter of everything that is active in a call of the pipeline."""
    for component, module in sorted(pipeline.components.items()):
        if isinstance(module, torch.nn.Module):
            for name, layer in _layers(module):
                if not layer.disable_adapters:
                    for adapter in layer.active_adapters:
                        yield component, (name, layer), adapter


def _layers(module: torch.nn.Module) -> list[tuple[str, Any]]:
    """Name and layer of every layer with adapters; none where no adapter was loaded."""
    if not getattr(module, "peft_config", None):
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, BaseTunerLayer)]


def _tensors(layer: Any, adapter: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one adapter on one layer: a module by name, or a parameter by name."""
    for part in layer.adapter_layer_names:
        held = getattr(layer, part)
        if adapter in held:
            found = held[adapter]
            state = {"": found} if isinstance(found, Tensor) else found.state_dict()
            yield from ((f"{part}.{name}", tensor) for name, tensor in sorted(state.items()))


def _require_safetensors(path: Path) -> None:
    """Refuse a local adapter that would have to be unpickled."""
    if path.is_file() and path.suffix != ".safetensors":
        raise EquinoiseError(f"adapter '{path}' is not a safetensors file; only those are read, never pickled weights")
    if path.is_dir() and not any(path.glob("*.safetensors")):
        raise EquinoiseError(f"adapter '{path}' holds no safetensors file; only those are read, never pickled weights")
