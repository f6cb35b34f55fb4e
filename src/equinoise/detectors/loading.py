"""Which detector serves a model, and the roles it can tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from equinoise.axes import Axis
from equinoise.detectors.zero_shot import ZeroShotDetector
from equinoise.encoders import ClipEncoder
from equinoise.models.loading import EMOJI, describe

DEFAULT_CLIP = "openai/clip-vit-large-patch14"
UNCLEAR_BELOW = 0.6


@dataclass(frozen=True)
class DetectorSpec:
    """What it takes to load a detector again in another process.

    A class counts only where its probability is at least `unclear_below`; otherwise the image is unclear.
    """

    name: str
    device: str = "cpu"
    unclear_below: float = UNCLEAR_BELOW


def load_detector(spec: DetectorSpec) -> ZeroShotDetector:
    """The zero-shot detector: `emoji`, a folder with a `CLIPModel`, or a hub name."""
    name = str(EMOJI / "clip") if spec.name == "emoji" else spec.name
    return ZeroShotDetector(ClipEncoder.from_pretrained(name, spec.device))


def default_detector(model: str) -> str:
    """The emoji model brings its own; anything else is read by a CLIP from the hub."""
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
