"""Texts and images → unit vectors in the shared space of a CLIP-like model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.quiet import quiet_libraries


class ClipEncoder:
    """A `CLIPModel` of transformers with its tokenizer and image processor."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.processor = processor

    @classmethod
    def from_pretrained(cls, name: str, device: str = "cpu") -> ClipEncoder:
        """Load from a folder or a hub name; safetensors only.

        Raises:
            EquinoiseError: no such model, or not a CLIP.
        """
        try:
            with quiet_libraries():
                from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

                model = CLIPModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32).to(device)
                tokenizer = AutoTokenizer.from_pretrained(name)
                return cls(model, tokenizer, AutoImageProcessor.from_pretrained(name, backend="pil"))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:160]
            raise EquinoiseError(f"cannot load detector '{name}': {reason} (give --detector a CLIP folder)") from error

    @property
    def scale(self) -> float:
        """The factor on cosine similarities before a softmax, as it was learnt."""
        return float(self.model.logit_scale.detach().exp().clamp(max=100))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        tokens = self.tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
        inputs = {key: tokens[key].to(self.model.device) for key in ("input_ids", "attention_mask")}
        return _unit(self.model.get_text_features(**inputs).pooler_output)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        pixels = self.processor([image.convert("RGB") for image in images], return_tensors="pt").pixel_values
        return _unit(self.model.get_image_features(pixels.to(self.model.device)).pooler_output)


def _unit(features: Tensor) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
    return vectors
