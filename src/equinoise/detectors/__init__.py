"""Detectors: image → probabilities over an axis's classes."""

from equinoise.detectors.base import Detector, Reading, detect, read
from equinoise.detectors.classifier import ClassifierDetector
from equinoise.detectors.declaring import Declaration, declare
from equinoise.detectors.faces import FaceDetector
from equinoise.detectors.loading import DetectorSpec, load_detector, load_detector_once, role_axis
from equinoise.detectors.reading import asked_role, read_label
from equinoise.detectors.zero_shot import ZeroShotDetector

__all__ = [
    "ClassifierDetector",
    "Declaration",
    "Detector",
    "DetectorSpec",
    "FaceDetector",
    "Reading",
    "ZeroShotDetector",
    "asked_role",
    "declare",
    "detect",
    "load_detector",
    "load_detector_once",
    "read",
    "read_label",
    "role_axis",
]
