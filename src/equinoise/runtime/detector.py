"""A detector as a verb uses it: its thresholds, its known errors, and the roles that it can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec, asked_role, declare, role_axis
from equinoise.detectors.faces import finder_version
from equinoise.detectors.loading import UNCLEAR_BELOW, detector_folder, fingerprint
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file
from equinoise.results.audits import DetectorInfo, Faces
from equinoise.run import Record
from equinoise.statistics import Confusion
from equinoise.understanding.calibration import Calibration, calibrations_for, kept_calibrations


@dataclass(frozen=True)
class DetectorSettings:
    """Which detector reads the images, and how.

    Attributes:
        name: `emoji`, `mixture`, a CLIP or SigLIP by folder or hub name, `classifier:NAME?map=FILE`, or a .toml file;
            None for the model's own.
        unclear_below: an image whose best class is less probable is unclear; None: as calibrated, else 0.6.
        confusion: confusion matrices to correct shares by, CSV files or what `calibrate_detector` made.
    """

    name: str | None = None
    unclear_below: float | None = None
    confusion: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.unclear_below is not None and not 0 <= self.unclear_below <= 1:
            raise EquinoiseError(f"--unclear-below {self.unclear_below} is not a probability")


@dataclass(frozen=True)
class CalibratedDetector:
    """A detector with its thresholds, its calibration on each axis, and its roles.

    Attributes:
        spec: what a worker loads it by.
        info: for records and results.
        calibrations: by axis, those that were counted with this detector at this threshold.
        roles: the axis of all roles that its world knows; None where it knows none.
        policy: whose face is read where faces come first; None where the whole image is read.
        confusion_files: the files that confusion matrices were given in.
    """

    spec: DetectorSpec
    info: DetectorInfo
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    roles: Axis | None = None
    policy: str | None = None
    confusion_files: tuple[Path, ...] = ()

    @classmethod
    def open(
        cls,
        settings: DetectorSettings,
        axes: Sequence[Axis] = (),
        device: str = "cpu",
        recorded: DetectorInfo | None = None,
    ) -> CalibratedDetector:
        """Settle thresholds and confusion matrices of a named detector.

        A threshold that was given holds for every axis. Otherwise an axis has the threshold of its calibration in a
        file, else that which a run was read with (`recorded`: its detector), else of the calibration kept with the
        detector, else 0.6. A confusion matrix counts only with the detector and the threshold that it was counted
        with: a kept one that does not fit is left out, a given one is refused. A CSV that names neither is taken at
        its word.

        Raises:
            EquinoiseError: a file that fits none of the axes, or one that was counted with another detector or
                threshold.
        """
        name = str(settings.name)
        kept, given = _kept(name), calibrations_for(settings.confusion, axes)
        spec = DetectorSpec(name, device, *_thresholds(kept, given, settings.unclear_below, recorded))
        for axis, calibration in given.items():
            _require_fit(calibration, axis, spec)
        used = {a: c for a, c in kept.items() if c.unclear_below == spec.threshold(a)} | given
        declared = declare(name)
        info = DetectorInfo(
            name=name,
            weights=fingerprint(name),
            unclear_below=spec.unclear_below,
            thresholds=dict(spec.thresholds),
            settings=None if declared.plain else declared.to_json(),
            finder=finder_version() if declared.faces else None,
        )
        return cls(spec, info, used, role_axis(name), declared.faces, settings.confusion)

    def to_json(self) -> dict[str, Any]:
        """For the record of a run."""
        files = [describe_file(file) for file in self.confusion_files]
        return {"detector": self.info.to_json(), **({"confusion": files} if files else {})}

    def read_axes(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """The axes that are read off an image: those asked for, and the role where the detector knows roles."""
        return (*axes, self.roles) if self.roles and axes else tuple(axes)

    def role(self, concept: str) -> str | None:
        """The role that a concept asks for; None where the detector knows no roles or the concept names none."""
        return asked_role(concept, self.roles.generate) if self.roles else None

    def confusions(self, axes: Sequence[Axis]) -> dict[str, Confusion]:
        """By axis what the detector gets wrong, where that is known."""
        return {axis.name: self.calibrations[axis.name].ordered_as(axis.classes) for axis in self._known(axes)}

    def corrected_by(self, axes: Sequence[Axis]) -> dict[str, dict[str, JsonValue]]:
        """By axis where its confusion matrix comes from."""
        return {axis.name: dict(self.calibrations[axis.name].about) for axis in self._known(axes)}

    def _known(self, axes: Sequence[Axis]) -> list[Axis]:
        """The axes whose errors are known; one of other classes under a name that is built in is another axis."""
        calibrations = self.calibrations
        return [a for a in axes if a.name in calibrations and calibrations[a.name].fits(a.name, a.classes)]

    def faces(self, records: Sequence[Record], axes: Sequence[Axis]) -> Faces | None:
        """How many images show no face, where faces come first: such images are unclear on every axis."""
        if self.policy is None:
            return None
        pictures = [record for record in records if record.no_picture is None]
        seen = [[p.detections[axis.name] for axis in axes if axis.name in p.detections] for p in pictures]
        none = sum(bool(found) and not any(any(row.values()) for row in found) for found in seen)
        return Faces(policy=self.policy, images_without=none)


def _thresholds(
    kept: Mapping[str, Calibration],
    given: Mapping[str, Calibration],
    unclear_below: float | None,
    recorded: DetectorInfo | None,
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """The threshold for axes in general, and those of single axes."""
    if unclear_below is not None:
        return unclear_below, ()
    files = {axis: c.unclear_below for axis, c in given.items() if c.unclear_below is not None}
    if recorded is None:
        known = {axis: c.unclear_below for axis, c in kept.items() if c.unclear_below is not None}
        return UNCLEAR_BELOW, tuple((known | files).items())
    return recorded.unclear_below, tuple((recorded.thresholds | files).items())


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
