"""A detector as it is used: its thresholds, and what is known of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec, asked_role, declare, role_axis
from equinoise.detectors.faces import finder_version
from equinoise.detectors.loading import UNCLEAR_BELOW, detector_folder, fingerprint
from equinoise.errors import EquinoiseError
from equinoise.run import Record
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
        declared = declare(self.detector.name)
        settings = {} if declared.plain else {"settings": declared.settings()}
        finder = {"finder": finder_version()} if declared.faces else {}
        return {
            "name": self.detector.name,
            "weights": fingerprint(self.detector.name),
            "unclear_below": self.detector.unclear_below,
            "thresholds": dict(self.detector.thresholds),
            **settings,
            **finder,
        }

    def faceless(self, records: Sequence[Record], axes: Sequence[Axis]) -> dict[str, Any]:
        """How many images show no face, where faces come first: they are unclear on every axis."""
        declared = declare(self.detector.name)
        if declared.faces is None:
            return {}
        seen = [[record.detections[axis.name] for axis in axes if axis.name in record.detections] for record in records]
        none = sum(bool(found) and not any(any(row.values()) for row in found) for found in seen)
        return {"faces": {"policy": declared.faces, "images_without": none}}


def open_reader(
    name: str,
    axes: Sequence[Axis] = (),
    device: str = "cpu",
    unclear_below: float | None = None,
    confusion_files: Sequence[Path] = (),
    recorded: Mapping[str, Any] | None = None,
) -> Reader:
    """Settle thresholds and confusion matrices of a detector for the axes.

    A threshold that was given holds for every axis. Otherwise an axis has the threshold of its calibration in a file,
    else that which a run was read with (`recorded`: its detector), else of the calibration kept with the detector, else
    0.6. A confusion matrix counts only with the detector and the threshold that it was counted with: a kept one that
    does not fit is left out, a given one is refused. A CSV that names neither is taken at its word.

    Raises:
        EquinoiseError: a threshold that is no probability, a file that fits none of the axes, or one that was counted
            with another detector or threshold.
    """
    if unclear_below is not None and not 0 <= unclear_below <= 1:
        raise EquinoiseError(f"--unclear-below {unclear_below} is not a probability")
    kept, given = _kept(name), calibrations_for(confusion_files, axes)
    spec = DetectorSpec(name, device, *_thresholds(kept, given, unclear_below, recorded))
    for axis, calibration in given.items():
        _require_fit(calibration, axis, spec)
    used = {a: c for a, c in kept.items() if c.unclear_below == spec.threshold(a)} | given
    by_name = {axis.name: axis for axis in axes}
    return Reader(
        spec,
        {a: c.ordered_as(by_name[a].classes) for a, c in used.items() if a in by_name},
        {a: c.about for a, c in used.items() if a in by_name},
    )


def _thresholds(
    kept: Mapping[str, Calibration],
    given: Mapping[str, Calibration],
    unclear_below: float | None,
    recorded: Mapping[str, Any] | None,
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """The threshold for axes in general, and those of single axes."""
    if unclear_below is not None:
        return unclear_below, ()
    files = {axis: c.unclear_below for axis, c in given.items() if c.unclear_below is not None}
    if recorded is None:
        known = {axis: c.unclear_below for axis, c in kept.items() if c.unclear_below is not None}
        return UNCLEAR_BELOW, tuple((known | files).items())
    own = {axis: float(value) for axis, value in (recorded.get("thresholds") or {}).items()}
    return float(recorded.get("unclear_below", UNCLEAR_BELOW)), tuple((own | files).items())


def _require_fit(calibration: Calibration, axis: str, spec: DetectorSpec) -> None:
    about, threshold = calibration.about, calibration.unclear_below
    if about.get("detector") not in (None, spec.name) or about.get("weights") not in (None, fingerprint(spec.name)):
        raise EquinoiseError(
            f"the confusion matrix of '{axis}' is of detector {about.get('detector')}, not {spec.name}"
        )
    if threshold not in (None, spec.threshold(axis)):
        raise EquinoiseError(
            f"the confusion matrix of '{axis}' was counted with a threshold of {threshold:g}, not "
            f"{spec.threshold(axis):g}; leave --unclear-below out, or calibrate with it"
        )


def _kept(name: str) -> dict[str, Calibration]:
    found = kept_calibrations(Path(detector_folder(name)))
    weights = fingerprint(name) if found else None
    return {axis: calibration for axis, calibration in found.items() if calibration.about.get("weights") == weights}
