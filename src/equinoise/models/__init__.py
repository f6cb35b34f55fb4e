"""Text-to-image models behind one small interface."""

from equinoise.models.base import Generated, ModelSpec, Sampling, TextToImage
from equinoise.models.loading import load, load_once

__all__ = ["Generated", "ModelSpec", "Sampling", "TextToImage", "load", "load_once"]
