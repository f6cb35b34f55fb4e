"""Texts and images → unit vectors. Cosines are dot products of rows."""

from equinoise.encoders.base import Encoder, ImageEncoder
from equinoise.encoders.dual import ClipEncoder, SiglipEncoder, load_dual
from equinoise.encoders.loading import MINILM, load_encoder
from equinoise.encoders.pipeline import TextEncoder
from equinoise.encoders.sentences import SentenceEncoder

__all__ = [
    "MINILM",
    "ClipEncoder",
    "Encoder",
    "ImageEncoder",
    "SentenceEncoder",
    "SiglipEncoder",
    "TextEncoder",
    "load_dual",
    "load_encoder",
]
