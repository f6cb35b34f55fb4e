"""Models that place texts and images in one space: CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from equinoise.encoders.base import SAFE, loading, model_type, unit
from equinoise.encoders.truncation import TextLimit, own_limit


class _DualEncoder:
    """A model of transformers with a text and an image tower, its tokenizer and its image processor."""

    kind: str
    """The `model_type` of configurations that this encoder takes."""
    model_class: str
    """The class of transformers that is loaded."""
    masked: bool
    """Whether the text tower takes an attention mask."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.processor = processor

    @classmethod
    def from_pretrained(cls, name: str, device: str = "cpu") -> Self:
        """Load from a folder or a hub name; safetensors only.

        Raises:
            EquinoiseError: no such model, or one of another kind.
        """
        with loading("encoder", name):
            kind = model_type(name)
            if kind != cls.kind:
                raise ValueError(f"it is a model of type '{kind}', not '{cls.kind}'")
            return cls._load(name, device)

    @classmethod
    def _load(cls, name: str, device: str) -> Self:
        import transformers
        from transformers import AutoImageProcessor, AutoTokenizer

        model = getattr(transformers, cls.model_class).from_pretrained(name, **SAFE).to(device)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        return cls(model, tokenizer, AutoImageProcessor.from_pretrained(name, backend="pil", trust_remote_code=False))

    @property
    def scale(self) -> float:
        """The learnt factor on cosine similarities."""
        return float(self.model.logit_scale.detach().exp())

    @property
    def limit(self) -> TextLimit:
        """How much of a text is read."""
        return own_limit(self.kind, self.tokenizer)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors. Each text is padded to the longest that the model takes, as in its training."""
        tokens = self.tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
        keys = ("input_ids", "attention_mask") if self.masked else ("input_ids",)
        return unit(self.model.get_text_features(**{k: self._there(tokens[k]) for k in keys}).pooler_output)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        pixels = self.processor([image.convert("RGB") for image in images], return_tensors="pt").pixel_values
        return unit(self.model.get_image_features(self._there(pixels)).pooler_output)

    def _there(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.model.device)


class ClipEncoder(_DualEncoder):
    """A `CLIPModel` (Radford et al. 2021)."""

    kind, model_class, masked = "clip", "CLIPModel", True

    @property
    def scale(self) -> float:
        """The learnt factor on cosine similarities before a softmax; at most 100, as in training."""
        return float(self.model.logit_scale.detach().exp().clamp(max=100))


class SiglipEncoder(_DualEncoder):
    """A `SiglipModel` (Zhai et al. 2023): a sigmoid for each pair of text and image, instead of a softmax."""

    kind, model_class, masked = "siglip", "SiglipModel", False

    @property
    def bias(self) -> float:
        """The learnt bias that is added to scaled cosine similarities before the sigmoid."""
        return float(self.model.logit_bias.detach())


DUAL: dict[str, type[ClipEncoder | SiglipEncoder]] = {each.kind: each for each in (ClipEncoder, SiglipEncoder)}
"""`model_type` of a configuration → encoder."""


def load_dual(name: str, device: str = "cpu", what: str = "encoder") -> ClipEncoder | SiglipEncoder:
    """The encoder for a model's configuration; `what` names its use in error messages.

    Raises:
        EquinoiseError: no such model, or a model that is neither a CLIP nor a SigLIP.
    """
    with loading(what, name):
        kind = model_type(name)
        if kind not in DUAL:
            raise ValueError(f"it is a model of type '{kind}', not one of {', '.join(DUAL)}")
        return DUAL[kind]._load(name, device)
