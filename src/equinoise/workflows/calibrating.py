"""`calibrate-detector`: what a detector gets wrong, counted on a folder of labelled images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.detectors import read_label
from equinoise.errors import EquinoiseError, warn
from equinoise.folders.evidence import settle_evidence
from equinoise.folders.reading import ImageFolder, read_folder
from equinoise.no_picture import describe
from equinoise.progress import progress as progress_bar
from equinoise.results.checks import Bold, CalibrationResult
from equinoise.runtime.detector import CalibratedDetector, DetectorSettings
from equinoise.runtime.reading_images import choose_detector, read_images
from equinoise.statistics import Confusion
from equinoise.understanding.calibration import (
    Calibration,
    as_table,
    choose_threshold,
    confuse,
    require_suffix,
    save_calibration,
)


def calibrate_detector(
    folder: str | Path,
    axis: str | Axis,
    *,
    out: str | Path,
    detector: str | None = None,
    device: str = "cpu",
    unclear_below: float | None = None,
    wrong_cost: float = 2.0,
    progress: bool | None = None,
) -> CalibrationResult:
    """What a detector gets wrong, counted on images whose class is known, a sub-folder a class.

    In a folder with metadata the column called like the axis is the class. A class `unclear` holds images on which a
    person could not tell either. Without a given threshold the one is chosen that disagrees least with people, on
    every second image of each class; the errors are then counted on the others only, so that no image judges a
    threshold that it chose.

    Args:
        folder: the labelled images.
        axis: by name, by .toml file, or declared in Python.
        out: .csv for the counts, .json for everything known; `DetectorSettings(confusion=…)` takes either.
        detector: what is calibrated; default what fits the images.
        device: cpu, cuda or mps.
        unclear_below: keep this threshold instead of choosing one.
        wrong_cost: how many unclear answers a wrong answer is as bad as.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: a sub-folder is no class, a class has too few images, or nothing can be written.
    """
    require_suffix(Path(out))
    axis = load_axis(axis) if isinstance(axis, str) else axis
    if not 0 < wrong_cost < 1e6:
        raise EquinoiseError(f"--wrong-cost {wrong_cost}: a wrong answer costs more than 0")
    settings = DetectorSettings(detector, unclear_below)
    images = _with_true_classes(read_folder(Path(folder), [axis]), axis, progress)
    bare = CalibratedDetector.open(replace(settings, name=detector or choose_detector([images])), (), device)
    true, probabilities = _read(images, axis, bare, progress)
    counted, threshold = np.ones(len(true), bool), unclear_below
    if threshold is None:
        counted = _every_second(true)
        few = [name for i, name in enumerate(axis.classes) if not (true[~counted] == i).any()]
        if few:
            raise EquinoiseError(f"class '{few[0]}' has fewer than two images: one to choose by, one to count on")
        threshold = choose_threshold(true[~counted], probabilities[~counted], wrong_cost)
    confusion = _count(axis, true[counted], probabilities[counted], threshold)
    info, place = bare.info, Path(folder).resolve().name
    about = {"detector": info.name, "weights": info.weights, "images": place}
    save_calibration(Path(out), Calibration(axis.name, confusion, threshold, about))
    return CalibrationResult(
        axis=axis.name,
        confusion=as_table(confusion),
        n=confusion.n,
        unclear_below=threshold,
        chosen_on=int((~counted).sum()),
        clear_where_people_cannot_tell=_bold(true[counted], probabilities[counted], threshold),
        detector=info.name,
    )


def _with_true_classes(folder: ImageFolder, axis: Axis, show: bool | None) -> ImageFolder:
    """The images, each picture once, with the class that people gave each: of metadata, else of its folder's name."""
    if any(record.detections for record in folder.records):
        raise EquinoiseError("these images were labelled by a detector, not by people; give labelled images")
    records = []
    for record in folder.records:
        name = record.labels.get(axis.name, record.prompt)
        label = axis.match(name)
        if label is None:
            classes = ", ".join(axis.classes)
            raise EquinoiseError(
                f"'{name}' is no class of '{axis.name}'; sub-folders (or a column of the metadata) are {classes}"
            )
        # in no concept, so that one picture under two classes is found out
        records.append(replace(record, prompt="", labels={axis.name: label}))
    with progress_bar("checking images", len(records), show) as tick:
        return settle_evidence(replace(folder, records=tuple(records)), tick)


def _read(
    folder: ImageFolder, axis: Axis, detector: CalibratedDetector, show: bool | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    names = [record.labels[axis.name] for record in folder.records]
    unlabelled = replace(folder, records=tuple(replace(r, labels={}) for r in folder.records))
    with progress_bar(f"reading {axis.name}", len(names), show) as tick:
        records = list(read_images(unlabelled, [axis], detector, trust=False, tick=tick))
    if said := describe((record.no_picture for record in records), "left out"):
        warn(said)
    pictures = [(name, record) for name, record in zip(names, records, strict=True) if record.no_picture is None]
    true = np.array([axis.classes.index(name) if name != UNCLEAR else -1 for name, _ in pictures], np.int64)
    seen = [[record.detections[axis.name][label] for label in axis.classes] for _, record in pictures]
    return true, np.array(seen, np.float64).reshape(-1, len(axis.classes))


def _every_second(true: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Half of the images of each class, by their order."""
    second = np.zeros(len(true), bool)
    for label in np.unique(true):
        second[np.flatnonzero(true == label)[::2]] = True
    return second


def _count(axis: Axis, true: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float) -> Confusion:
    told = true >= 0  # what a person could not tell has no true class
    rows = [dict(zip(axis.classes, row, strict=True)) for row in probabilities[told].tolist()]
    predicted = [read_label(row, threshold) for row in rows]
    return confuse([axis.classes[index] for index in true[told]], predicted, axis.classes)


def _bold(true: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float) -> Bold:
    """Of the images that people cannot tell, how many get a class all the same."""
    lost = probabilities[true < 0]
    bold = (lost.max(axis=1) >= threshold) & (lost.max(axis=1) > 0) if len(lost) else lost
    return Bold(count=int(bold.sum()), n=len(lost))
