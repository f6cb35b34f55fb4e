"""What `attach` must know of a pipeline that somebody else loaded: its latents, and whose weights it has.

Everything that depends on a family of models is here. The pipeline is only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from equinoise.models.base import Provenance
from equinoise.models.families import Family
from equinoise.models.pipeline import PipelineModel
from equinoise.models.schedulers import scheduler_options


@dataclass(frozen=True)
class PipelineInfo:
    """Shape of one image's latents as directions have them, and what the model is."""

    latent_shape: tuple[int, ...]
    provenance: Provenance


def pipeline_info(pipe: Any) -> PipelineInfo:
    """The latents and the model of a pipeline, which may be compiled or offloaded.

    Hashing the weights of a large denoiser takes seconds; the hash is remembered until the weights change.

    Raises:
        EquinoiseError: a pipeline whose initial noise cannot be set.
    """
    twin = object.__new__(type(pipe))  # whatever is set on it is not set on the user's
    vars(twin).update(vars(pipe))
    vars(twin).update({n: _readable(m) for n, m in vars(pipe).items() if isinstance(m, torch.nn.Module)})
    model = PipelineModel(twin, str(getattr(pipe, "name_or_path", "") or type(pipe).__name__))
    denoiser = Family.of(pipe).module(pipe)
    mark = _mark(denoiser)
    known = _SEEN.get(denoiser)
    if known is None or known[0] != mark:
        known = _SEEN[denoiser] = mark, model.provenance
    scheduler, options = type(pipe.scheduler).__name__, scheduler_options(pipe.scheduler)
    return PipelineInfo(model.latent_shape, {**known[1], "scheduler": scheduler, "scheduler_options": options})


_SEEN: WeakKeyDictionary[Any, tuple[Any, Provenance]] = WeakKeyDictionary()


def to_plain(pipe: Any, latents: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A pipeline's latents (n, …) in the layout of directions, (n, *shape) where the call is for the model's size."""
    return Family.of(pipe).from_pipeline(latents, shape)


def from_plain(pipe: Any, latents: Tensor) -> Tensor:
    """The reverse of `to_plain`: as the pipeline has them."""
    return Family.of(pipe).pack(latents)


class _Offloaded:
    """A module whose weights accelerate keeps elsewhere; `state_dict` gives these weights."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def state_dict(self) -> Mapping[str, Tensor]:
        """All weights, on the CPU."""
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        return get_state_dict_offloaded_model(self._module)  # type: ignore[no-any-return]


def _readable(module: torch.nn.Module) -> Any:
    """The module with its weights under their own names: not compiled, not offloaded."""
    module = getattr(module, "_orig_mod", module)
    return _Offloaded(module) if any(p.is_meta for p in module.parameters()) else module


def _mark(module: torch.nn.Module) -> list[Any]:
    """Changes when weights are loaded, replaced or fused: address, version and first number of each tensor."""
    tensors = module.state_dict()
    first = [t[(0,) * t.ndim].float().cpu() for t in tensors.values() if t.numel() and not t.is_meta]
    numbers = torch.stack(first).tolist() if first else []
    versions = [(name, t.data_ptr(), 0 if t.is_inference() else t._version) for name, t in tensors.items()]
    return [versions, numbers]
