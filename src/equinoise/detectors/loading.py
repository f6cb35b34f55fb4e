"""Which detector serves a model, and the roles it can tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from equinoise.axes import Axis
from equinoise.detectors.base import Detector
from equinoise.detectors.skin_colour import NAME as SKIN_COLOUR
from equinoise.detectors.skin_colour import SkinColourDetector
from equinoise.detectors.zero_shot import ZeroShotDetector
from equinoise.encoders import ClipEncoder
from equinoise.models.loading import EMOJI, MIXTURE, describe
from equinoise.models.mixture import MixtureDetector
from equinoise.models.mixture.world import digest as mixture_digest

DEFAULT_CLIP = "openai/clip-vit-large-patch14"
UNCLEAR_BELOW = 0.6


@dataclass(frozen=True)
class DetectorSpec:
    """What it takes to load a detector again in another process.

    A class counts only where its probability is at least `unclear_below`, or the threshold that was calibrated for the
    axis; otherwise the image is unclear.
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
    """A short hash of a local detector's weights, or of the mixture's tables; None for one from the hub."""
    if name == MIXTURE:
        return mixture_digest()
    digest = sha256()
    for path in sorted(Path(detector_folder(name)).glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16] if Path(detector_folder(name)).is_dir() else None


def detector_folder(name: str) -> str:
    """Where a detector's weights and calibration lie; a hub name stays what it is."""
    return str(EMOJI / "clip") if name == "emoji" else name


def load_detector(spec: DetectorSpec) -> Detector:
    """The zero-shot detector of `emoji`, a folder with a `CLIPModel`, or a hub name; `mixture` and `skin-colour` are
    their own."""
    if spec.name == MIXTURE:
        return MixtureDetector()
    if spec.name == SKIN_COLOUR:
        return SkinColourDetector()
    name = detector_folder(spec.name)
    return ZeroShotDetector(ClipEncoder.from_pretrained(name, spec.device))


@cache
def load_detector_once(spec: DetectorSpec) -> Detector:
    """As `load_detector`; a process holds each detector once."""
    return load_detector(spec)


def default_detector(model: str) -> str:
    """The emoji model and the mixture bring their own; anything else is read by a CLIP from the hub."""
    if model == MIXTURE:
        return MIXTURE
    return "emoji" if model == "emoji" or (Path(model) / "world.json").is_file() else DEFAULT_CLIP


@cache
def role_axis(detector: str) -> Axis | None:
    """All the roles that the detector's world knows, as an axis; None for a detector without such a list.

    `generate` holds the names by which prompts call a role.
    """
    roles = describe(detector).get("roles")
    if not roles:
        return None
    names = {role: tuple(entry["names"]) for role, entry in roles.items()}
    detect = {role: tuple(entry["detect"]) for role, entry in roles.items()}
    return Axis("role", tuple(roles), False, names, detect)
