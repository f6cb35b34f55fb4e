"""Which model it is: hashes of weights, and whether two models are one, be it in another precision.

A direction belongs to the weights that it was found on, so active adapters are part of the identity of a model,
whoever loaded them and whatever their names are.

Loading a model in half precision rounds each weight of its file. Weights in single precision are therefore hashed as
they are and as rounded to each half precision; those of a model in half precision are compared with the latter. Two
half precisions of one file cannot be compared: neither can be had from the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from equinoise.models.base import Adapter

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}

Likeness = Literal["same", "rounded", "other"]
"""The same weights; the same but for rounding; others, or two half precisions that cannot be compared."""


def hash_weights(module: torch.nn.Module, dtype: torch.dtype | None = None) -> str:
    """A short hash of a module's own weights in memory, without those of its adapters; `dtype` as in `hash_tensor`."""
    left_out = tuple(f"{name}.{part}." for name, layer in _layers(module) for part in layer.adapter_layer_names)
    digest = hashlib.sha256()
    for name, tensor in sorted(_state(module).items()):
        if not name.startswith(left_out):
            hash_tensor(digest, name.replace(".base_layer.", ".").removeprefix("_orig_mod."), tensor, dtype)
    return digest.hexdigest()[:16]


def hash_tensor(digest: Any, name: str, tensor: Tensor, dtype: torch.dtype | None = None) -> None:
    """Add a tensor to a hash: its numbers as they are, or as rounded to `dtype`."""
    digest.update(name.encode())
    rounded = tensor.detach().to(dtype) if dtype and tensor.is_floating_point() else tensor.detach()
    digest.update(rounded.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def active_adapters(pipeline: Any, dtype: torch.dtype | None = None) -> list[Adapter]:
    """Name and hash of each active adapter, in the order of their names; `dtype` as in `hash_tensor`.

    The hash covers the tensors in memory and their scales, in every component, but not the name.
    """
    digests: dict[str, Any] = {}
    for component, layer, adapter in active_layers(pipeline):
        digest = digests.setdefault(adapter, hashlib.sha256())
        for name, tensor in adapter_tensors(layer[1], adapter):
            hash_tensor(digest, f"{component}.{layer[0]}.{name}", tensor, dtype)
        digest.update(repr(getattr(layer[1], "scaling", {}).get(adapter)).encode())
    return [{"name": name, "sha256": digests[name].hexdigest()[:16]} for name in sorted(digests)]


def active_layers(pipeline: Any, only: str | None = None) -> Iterator[tuple[str, tuple[str, Any], str]]:
    """Component, (layer's name, layer) and adapter of all that is active in a pipeline's calls, or of one adapter."""
    for component, module in sorted(pipeline.components.items()):
        if isinstance(module, torch.nn.Module):
            for name, layer in _layers(module):
                if not layer.disable_adapters:
                    names = [adapter for adapter in layer.active_adapters if only in (None, adapter)]
                    yield from ((component, (name, layer), adapter) for adapter in names)


def _layers(module: torch.nn.Module) -> list[tuple[str, Any]]:
    """Name and layer of every layer with adapters; none where no adapter was loaded."""
    if not getattr(module, "peft_config", None):
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, BaseTunerLayer)]


def adapter_tensors(layer: Any, adapter: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one adapter on one layer: a module by name, or a parameter by name."""
    for part in layer.adapter_layer_names:
        held = getattr(layer, part)
        if adapter in held:
            found = held[adapter]
            state = {"": found} if isinstance(found, Tensor) else found.state_dict()
            yield from ((f"{part}.{name}", tensor) for name, tensor in sorted(state.items()))


def identity(weights: str, adapters: Sequence[Adapter]) -> str:
    """The identity of a model for directions: the hash of its weights, joined with those of its active adapters.

    >>> identity("aa", [{"name": "x", "sha256": "cc"}, {"name": "y", "sha256": "bb"}])
    'aa+bb+cc'
    """
    return "+".join([weights, *sorted(adapter["sha256"] for adapter in adapters)])


def likeness(found: Mapping[str, Any], used: Mapping[str, Any]) -> Likeness:
    """How the weights of two models compare, by what their provenance says.

    >>> single = {"weights": "aa", "dtype": "float32", "weights_rounded": {"bfloat16": "bb"}}
    >>> likeness(single, {"weights": "bb", "dtype": "bfloat16"})
    'rounded'
    """
    if found["weights"] == used["weights"]:
        return "same"
    for one, other in ((found, used), (used, found)):
        rounded = one.get("weights_rounded")
        if isinstance(rounded, Mapping) and rounded.get(other.get("dtype")) == other["weights"]:
            return "rounded"
    return "other"


def _state(module: torch.nn.Module) -> Mapping[str, Tensor]:
    """All weights, including those that offload keeps in another place."""
    if any(parameter.device.type == "meta" for parameter in module.parameters()):
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        found: Mapping[str, Tensor] = get_state_dict_offloaded_model(module)
        return found
    return module.state_dict()
