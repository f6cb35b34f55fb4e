"""`calibrate-detector`: what a detector gets wrong, counted on a folder of labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.commands.auditing_images import detector_of, read_images
from equinoise.console import progress, warn
from equinoise.detectors import DetectorSpec, read_label
from equinoise.detectors.loading import fingerprint
from equinoise.errors import EquinoiseError
from equinoise.reader import Reader
from equinoise.understanding.calibration import Calibration, as_table, choose_threshold, confuse, save_calibration
from equinoise.understanding.folders import ImageFolder, read_folder


def calibrate_detector(
    folder: Path,
    axis_name: str,
    out: Path,
    detector: str | None = None,
    device: str = "cpu",
    unclear_below: float | None = None,
    max_error: float = 0.02,
) -> dict[str, Any]:
    """Read images whose class is known, a sub-folder a class; keep the confusion matrix and the threshold.

    A sub-folder `unclear` holds images on which a person could not tell either. Without a given threshold the lowest
    is chosen at which at most `max_error` of the clear answers are wrong, on every second image of each class; the
    errors are then counted on the others only, so that no image judges a threshold that it chose.

    Raises:
        EquinoiseError: a sub-folder is no class, a class has too few images, or nothing can be written.
    """
    axis = load_axis(axis_name)
    if unclear_below is not None and not 0 <= unclear_below <= 1:
        raise EquinoiseError(f"--unclear-below {unclear_below} is not a probability")
    if not 0 <= max_error < 1:
        raise EquinoiseError(f"--max-error {max_error} is not a share of 0 or more and less than 1")
    images = read_folder(folder, [axis])
    detector = detector or detector_of([images])
    true, probabilities = _read(images, axis, DetectorSpec(detector, device))
    counted = np.ones(len(true), bool)
    threshold, good = unclear_below, True
    if threshold is None:
        counted = _every_second(true)
        threshold, good = choose_threshold(true[~counted], probabilities[~counted], max_error)
        if not good:
            warn(f"no threshold leaves at most {max_error:.0%} of clear answers wrong; {threshold:.2f} has the fewest")
    threshold = round(threshold, 4)
    calibration = _count(axis, true[counted], probabilities[counted], threshold, detector, folder, max_error)
    save_calibration(out, calibration)
    confusion = calibration.confusion
    return {
        "axis": axis.name,
        "confusion": as_table(confusion),
        "n": confusion.n,
        "unclear_below": threshold,
        "chosen_on": int((~counted).sum()),
        "within_max_error": good,
        "detector": detector,
    }


def _read(folder: ImageFolder, axis: Axis, spec: DetectorSpec) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    names = [record.prompt for record in folder.records]
    strange = next((name for name in names if name not in (*axis.classes, UNCLEAR)), None)
    if strange is not None:
        classes = ", ".join(axis.classes)
        raise EquinoiseError(f"'{strange}' is no class of '{axis.name}'; make a sub-folder for each of {classes}")
    bare = Reader(spec)
    with progress(f"reading {axis.name}", len(names)) as tick:
        records = list(read_images(folder, [axis], bare, keep=False, tick=tick))
    true = np.array([axis.classes.index(name) if name != UNCLEAR else -1 for name in names])
    return true, np.array([[record.detections[axis.name][label] for label in axis.classes] for record in records])


def _every_second(true: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Half of the images of each class, by their order."""
    second = np.zeros(len(true), bool)
    for label in np.unique(true):
        second[np.flatnonzero(true == label)[::2]] = True
    return second


def _count(
    axis: Axis,
    true: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    threshold: float,
    detector: str,
    folder: Path,
    max_error: float,
) -> Calibration:
    told = true >= 0  # what a person could not tell has no true class
    rows = [dict(zip(axis.classes, row, strict=True)) for row in probabilities[told].tolist()]
    predicted = [read_label(row, threshold) for row in rows]
    confusion = confuse([axis.classes[index] for index in true[told]], predicted, axis.classes)
    about = {
        "detector": detector,
        "weights": fingerprint(detector),
        "images": folder.name,
        "max_error": max_error,
    }
    return Calibration(axis.name, confusion, threshold, about)
