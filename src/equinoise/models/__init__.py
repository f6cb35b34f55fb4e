"""Text-to-image models behind one small interface."""

from equinoise.models.base import Generated, HeldLatents, ModelSpec, Sampling, TextToImage
from equinoise.models.loading import load_model, load_once

__all__ = ["Generated", "HeldLatents", "ModelSpec", "Sampling", "TextToImage", "load_model", "load_once"]
