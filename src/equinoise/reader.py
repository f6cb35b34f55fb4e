"""A detector as it is used: its thresholds, and what is known of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec, asked_role, role_axis
from equinoise.detectors.loading import UNCLEAR_BELOW, detector_folder, fingerprint
from equinoise.errors import EquinoiseError
from equinoise.statistics import Confusion
from equinoise.understanding.calibration import Calibration, calibrations_for, kept_calibrations


@dataclass(frozen=True)
class Reader:
    """A detector, its confusion matrices by axis, and where each of them comes from."""

    detector: DetectorSpec
    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def reads(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """The axes that are read off an image: those asked for, and the role where the detector knows roles."""
        roles = role_axis(self.detector.name)
        return (*axes, roles) if roles and axes else tuple(axes)

    def asked(self, concept: str) -> str | None:
        """The role that a concept asks for; None where the detector knows no roles or the concept names none."""
        roles = role_axis(self.detector.name)
        return asked_role(concept, roles.generate) if roles else None

    def about(self) -> dict[str, Any]:
        """Detector, weights and thresholds, for the record."""
        return {
            "name": self.detector.name,
            "weights": fingerprint(self.detector.name),
            "unclear_below": self.detector.unclear_below,
            "thresholds": dict(self.detector.thresholds),
        }


def open_reader(
    name: str,
    axes: Sequence[Axis] = (),
    device: str = "cpu",
    unclear_below: float | None = None,
    confusion_files: Sequence[Path] = (),
) -> Reader:
    """Settle thresholds and confusion matrices of a detector for the axes.

    A threshold that was given holds for every axis. Otherwise an axis has the threshold of its calibration, in a file
    or kept with the detector, or 0.6. A kept confusion matrix counts only with the weights and the threshold that it
    was counted with; one that is given always counts.

    Raises:
        EquinoiseError: a threshold that is no probability, or a file that fits none of the axes.
    """
    if unclear_below is not None and not 0 <= unclear_below <= 1:
        raise EquinoiseError(f"--unclear-below {unclear_below} is not a probability")
    kept, given = _kept(name), calibrations_for(confusion_files, axes)
    known = [*kept.items(), *given.items()] if unclear_below is None else []
    thresholds = {axis: c.unclear_below for axis, c in known if c.unclear_below is not None}
    spec = DetectorSpec(
        name, device, UNCLEAR_BELOW if unclear_below is None else unclear_below, tuple(thresholds.items())
    )
    used = {a: c for a, c in kept.items() if c.unclear_below == spec.threshold(a)} | given
    by_name = {axis.name: axis for axis in axes}
    return Reader(
        spec,
        {a: c.ordered_as(by_name[a].classes) for a, c in used.items() if a in by_name},
        {a: c.about for a, c in used.items() if a in by_name},
    )


def _kept(name: str) -> dict[str, Calibration]:
    found = kept_calibrations(Path(detector_folder(name)))
    weights = fingerprint(name) if found else None
    return {axis: calibration for axis, calibration in found.items() if calibration.about.get("weights") == weights}
