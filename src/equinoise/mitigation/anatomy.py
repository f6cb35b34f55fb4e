"""What `attach` must know of a pipeline that somebody else loaded: its latents, whose weights it has, its texts.

Everything that depends on a family of models is here. The pipeline is only read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.mitigation.gate import Encoder
from equinoise.models.pipeline import PipelineModel


@dataclass(frozen=True)
class Anatomy:
    """Shape of one image's latents as directions have them, and what the model is."""

    latent_shape: tuple[int, ...]
    provenance: dict[str, Any]


def anatomy(pipe: Any) -> Anatomy:
    """What a pipeline is, compiled and offloaded ones included.

    Hashing the weights of a large denoiser takes seconds; it is done once, until they change.

    Raises:
        EquinoiseError: a pipeline whose initial noise cannot be set.
    """
    twin = copy.copy(pipe)  # shallow: whatever is set on it is not set on the user's
    vars(twin).update({n: _readable(m) for n, m in vars(pipe).items() if isinstance(m, torch.nn.Module)})
    model = PipelineModel(twin, str(getattr(pipe, "name_or_path", "") or type(pipe).__name__))
    denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    mark = _mark(denoiser)
    known = _SEEN.get(denoiser)
    if known is None or known[0] != mark:
        known = _SEEN[denoiser] = mark, model.provenance
    return Anatomy(model.latent_shape, {**known[1], "scheduler": type(pipe.scheduler).__name__})


_SEEN: WeakKeyDictionary[Any, tuple[Any, dict[str, Any]]] = WeakKeyDictionary()


def to_plain(pipe: Any, latents: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A pipeline's latents (n, …) in the layout of directions, (n, *shape) where the call is for the model's size."""
    if latents.ndim != 4:
        raise EquinoiseError(f"{type(pipe).__name__} packs its latents into {latents.ndim - 1} dimensions; not known")
    return latents


def from_plain(pipe: Any, latents: Tensor) -> Tensor:
    """The reverse of `to_plain`: as the pipeline has them."""
    return latents


def text_encoder(pipe: Any) -> Encoder:
    """The pipeline's own (first) text encoder: texts → vectors of length 1.

    What its class pools where it pools, else the mean over the tokens.

    Raises:
        EquinoiseError: the pipeline has none.
    """
    parts = sorted(n for n in pipe.components if re.fullmatch(r"text_encoder(_\d+)?", n))
    names = [name for name in parts if getattr(pipe, name) is not None]
    if not names:
        raise EquinoiseError(f"{type(pipe).__name__} has no text encoder of its own; give the gate an encoder")
    encoder, tokenizer = getattr(pipe, names[0]), getattr(pipe, names[0].replace("text_encoder", "tokenizer"))

    @torch.no_grad()
    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        length = min(tokenizer.model_max_length, 512)  # some tokenizers declare none, as an enormous number
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        device = pipe._execution_device
        mask = tokens["attention_mask"].to(device)
        made = encoder(tokens["input_ids"].to(device), attention_mask=mask)
        pooled = made.get("text_embeds")
        pooled = made.get("pooler_output") if pooled is None else pooled
        if pooled is None:
            states = made["last_hidden_state"].float()
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(pooled.float(), dim=-1).cpu().numpy()
        return vectors

    return encode


class _Offloaded:
    """A module whose weights accelerate keeps elsewhere, with the weights it would have."""

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
    """Changes when weights are loaded, replaced or fused: where each tensor is, its version, its first number."""
    tensors = module.state_dict()
    first = [t[(0,) * t.ndim].float().cpu() for t in tensors.values() if t.numel() and not t.is_meta]
    numbers = torch.stack(first).tolist() if first else []
    versions = [(name, t.data_ptr(), 0 if t.is_inference() else t._version) for name, t in tensors.items()]
    return [versions, numbers]
