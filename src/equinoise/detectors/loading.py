"""From a name to a detector, the default detector of a model, and the roles that a detector knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.detectors.base import Detector
from equinoise.detectors.classifier import ClassifierDetector
from equinoise.detectors.declaring import CLASSIFIER, Declaration, declare
from equinoise.detectors.faces import FaceDetector, load_faces
from equinoise.detectors.skin_colour import NAME as SKIN_COLOUR
from equinoise.detectors.skin_colour import SkinColourDetector
from equinoise.detectors.zero_shot import ZeroShotDetector, warn_of_cut_classes
from equinoise.encoders import load_dual
from equinoise.encoders.base import loading
from equinoise.encoders.truncation import own_limit
from equinoise.errors import EquinoiseError
from equinoise.models.mixture import MixtureDetector
from equinoise.models.mixture.world import digest as mixture_digest
from equinoise.models.worlds import EMOJI, MIXTURE, world

DEFAULT_CLIP = "openai/clip-vit-large-patch14"
UNCLEAR_BELOW = 0.6
SHORT = 60
"""Bytes of a text: no more tokens than that, of which a SigLIP reads 64 and a CLIP 77."""


@dataclass(frozen=True)
class DetectorSpec:
    """What it takes to load a detector again in another process.

    `name` is a model, or one with settings: see `declare`. A class counts only where its probability is at least
    `unclear_below`, or the threshold that was calibrated for the axis; otherwise the image is unclear.
    """

    name: str
    device: str = "cpu"
    unclear_below: float = UNCLEAR_BELOW
    thresholds: tuple[tuple[str, float], ...] = ()
    """Axis and its calibrated threshold."""

    def threshold(self, axis: str) -> float:
        """Below which probability an image is unclear on the axis."""
        return dict(self.thresholds).get(axis, self.unclear_below)


def fingerprint(name: str) -> str | None:
    """A short hash of a local detector's weights, or of the mixture's tables; None for a detector from the hub.

    Settings (a mapping, faces) are part of the hash, so that a calibration without them does not fit. The hash of a
    detector from the hub with settings covers the settings alone.

    Raises:
        EquinoiseError: the settings make no sense.
    """
    declared = declare(name)
    weights = _weights(declared.model)
    if declared.plain:
        return weights
    return sha256(json.dumps([weights, declared.to_json()]).encode()).hexdigest()[:16]


def _weights(model: str) -> str | None:
    if model == MIXTURE:
        return mixture_digest()
    folder = Path(detector_folder(model))
    if not folder.is_dir():
        return None
    files = [(path, path.stat()) for path in sorted(folder.glob("*.safetensors"))]
    return _digest(tuple((path, state.st_mtime_ns, state.st_size) for path, state in files))


@cache
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """A short hash of the content of files; their times and sizes make a changed file miss the cache."""
    digest = sha256()
    for path, _, _ in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def detector_folder(name: str) -> str:
    """The folder of a detector's weights and calibration; a hub name is returned unchanged.

    Raises:
        EquinoiseError: the detector's settings make no sense.
    """
    model = declare(name).model
    return str(EMOJI / "clip") if model == "emoji" else model


def load_detector(spec: DetectorSpec) -> Detector:
    """The detector that a name declares: a CLIP, SigLIP, classifier, `emoji` or `mixture`, with faces first if asked.

    Raises:
        EquinoiseError: no such model, a model of another kind, or no face finder on this machine.
    """
    declared = declare(spec.name)
    if declared.faces is None:
        return _reading_whole(declared, spec.device)
    return FaceDetector(load_faces(), _reading_whole(declared, spec.device), declared.faces, declared.margin)


def _reading_whole(declared: Declaration, device: str) -> Detector:
    if declared.model == MIXTURE:
        return MixtureDetector()
    if declared.model == SKIN_COLOUR:
        return SkinColourDetector()
    name = detector_folder(declared.model)
    if declared.kind == CLASSIFIER:
        return ClassifierDetector.from_pretrained(name, declared.labels, device)
    return ZeroShotDetector(load_dual(name, device, "detector"), declared.none)


def warn_of_cut_prompts(spec: DetectorSpec, axes: Sequence[Axis]) -> None:
    """Warn of prompts of classes that a detector cuts, without loading its weights: those are for worker processes."""
    declared = declare(spec.name)
    if declared.model in (MIXTURE, SKIN_COLOUR) or declared.kind == CLASSIFIER:
        return
    name = detector_folder(declared.model)
    texts = [prompt for axis in axes for label in axis.classes for prompt in axis.detect[label]]
    # a hub name is asked for over the network; no CLIP or SigLIP there cuts a text as short as this
    worthwhile = Path(name).is_dir() or any(len(text.encode()) > SHORT for text in texts)
    if worthwhile and (tokenizer := _tokenizer(name)):
        warn_of_cut_classes(own_limit(declared.model, tokenizer), axes)


@cache
def _tokenizer(name: str) -> Any:
    """The tokenizer of a detector; None where it cannot be loaded, which loading the detector will say."""
    try:
        with loading("detector", name):
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except EquinoiseError:
        return None


@cache
def load_detector_once(spec: DetectorSpec) -> Detector:
    """As `load_detector`; a process holds each detector once."""
    return load_detector(spec)


def default_detector(model: str) -> str:
    """The detector of the emoji model or the mixture; for any other model a CLIP from the hub."""
    if model == MIXTURE:
        return MIXTURE
    return "emoji" if model == "emoji" or (Path(model) / "world.json").is_file() else DEFAULT_CLIP


@cache
def role_axis(detector: str) -> Axis | None:
    """The roles that the detector's world knows, as an axis; None for a detector without a world.

    `generate` holds the names by which prompts ask for a role.
    """
    known = world(detector)
    if known is None or not known.roles:
        return None
    names = {name: role.names for name, role in known.roles.items()}
    detect = {name: role.detect for name, role in known.roles.items()}
    return Axis("role", tuple(known.roles), False, names, detect)
