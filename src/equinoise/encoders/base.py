"""The interface of an encoder, and how encoders are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from equinoise.errors import EquinoiseError, reason_of
from equinoise.quiet import quiet_libraries

SAFE: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
"""How weights are loaded: never a pickle, never code that comes with a model, full precision."""

FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError)
HINTS = {
    "encoder": "give a folder with safetensors weights, or a hub name within reach",
    "detector": "give --detector a CLIP or SigLIP folder, classifier:NAME?map=FILE, or a hub name within reach",
}


class Encoder(Protocol):
    """Texts → unit vectors."""

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


class ImageEncoder(Encoder, Protocol):
    """Texts and images → unit vectors in one space."""

    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


def unit(features: Tensor) -> NDArray[np.float32]:
    """Rows scaled to length 1, on the CPU."""
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
    return vectors


def token_mean(states: Tensor, mask: Tensor) -> Tensor:
    """(n, d): the mean of (n, tokens, d) over the tokens that the mask (n, tokens) keeps."""
    kept = mask.to(states)[:, :, None]
    return (states * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)


def model_type(name: str) -> str:
    """The `model_type` in the configuration of a folder or a hub name."""
    from transformers import AutoConfig

    return str(AutoConfig.from_pretrained(name, trust_remote_code=False).model_type)


@contextmanager
def loading(what: str, name: str) -> Iterator[None]:
    """Load something with the libraries kept quiet, and turn their exceptions into errors of one line.

    Raises:
        EquinoiseError: the name, the files, or their kind is wrong.
    """
    try:
        with quiet_libraries():
            yield
    except FAULTS as error:
        reason = reason_of(error)
        raise EquinoiseError(f"cannot load {what} '{name}': {reason} ({HINTS[what]})") from error
