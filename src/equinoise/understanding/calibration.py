"""What a detector gets wrong: its confusion matrix, and the threshold below which it should say unclear."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import UNCLEAR, Axis, same_name
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file, read_json, write_json, write_whole
from equinoise.schemas import Probability, Strict, Whole, checked
from equinoise.statistics import Confusion
from equinoise.tables import read_counted

THRESHOLD = "unclear_below"
FILE = "calibration.json"
"""Kept in a detector's folder: axis → calibration."""


class CalibrationFile(Strict):
    """A calibration as JSON."""

    axis: str | None
    confusion: dict[str, dict[str, Whole]]
    n: int | None = None
    unclear_below: Probability | None
    about: dict[str, Any]


@dataclass(frozen=True)
class Calibration:
    """A detector measured on images whose class is known.

    Attributes:
        axis: None where a bare CSV does not say; then any axis of the same classes.
        unclear_below: the threshold that the confusion matrix was counted with; None where a CSV does not say.
        about: the detector, its weights, and the images.
    """

    axis: str | None
    confusion: Confusion
    unclear_below: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, axis: str, classes: Sequence[str]) -> bool:
        """Whether it is of this axis."""
        return self.axis in (None, axis) and set(self.confusion.classes) == set(classes)

    def spelled_as(self, axis: Axis) -> Calibration:
        """The same with its classes named as the axis names them, where each names another class of the axis."""
        names = tuple(axis.match(name) or name for name in self.confusion.classes)
        if len(set(names)) < len(names) or UNCLEAR in names:
            return self
        return replace(self, confusion=Confusion(names, self.confusion.counts))

    def ordered_as(self, classes: Sequence[str]) -> Confusion:
        """The confusion matrix with its classes in the given order."""
        places = [self.confusion.classes.index(name) for name in classes]
        rows = [self.confusion.counts[place] for place in places]
        return Confusion(tuple(classes), tuple(tuple(row[place] for place in [*places, -1]) for row in rows))

    def to_json(self) -> dict[str, Any]:
        """As kept in a file."""
        return {
            "axis": self.axis,
            "confusion": as_table(self.confusion),
            "n": self.confusion.n,
            "unclear_below": self.unclear_below,
            "about": dict(self.about),
        }


def as_table(confusion: Confusion) -> dict[str, dict[str, int]]:
    """True class → what the detector said → count."""
    columns = [*confusion.classes, UNCLEAR]
    return {
        true: dict(zip(columns, row, strict=True))
        for true, row in zip(confusion.classes, confusion.counts, strict=True)
    }


def choose_threshold(true: NDArray[np.int64], probabilities: NDArray[np.float64], wrong_cost: float) -> float:
    """The threshold at which the detector disagrees least with people, unclear counted as an answer; the lowest such.

    Chow's rule (1970, IEEE Trans. Inf. Theory 16) on a sample: a wrong class costs `wrong_cost`, unclear where people
    can tell costs 1, and a class where people cannot tell costs 1. So without images that people cannot tell, an
    answer is given up where it would be wrong more often than once in `wrong_cost`.

    `true` (n,): class of each image, −1 where a person could not tell. `probabilities` (n, K).
    """
    best, told = probabilities.max(axis=1), true >= 0
    wrong = told & (probabilities.argmax(axis=1) != true)
    order = np.argsort(best, kind="stable")
    # cost of saying unclear to the k least sure images, for k = 0 … n
    given_up = np.concatenate([[0.0], np.cumsum(told[order].astype(float))])
    answered = wrong_cost * wrong.astype(float) + (~told).astype(float)
    kept = answered.sum() - np.concatenate([[0.0], np.cumsum(answered[order])])
    apart = np.append(best[order][1:] > best[order][:-1], True)  # images of equal probability share their fate
    possible = np.concatenate([[best.min() > 0], apart[:-1], [False]])  # never clear is no threshold, nor is always
    cost = np.where(possible, given_up + kept, np.inf)
    k = int(cost.argmin())
    if k == 0:  # rows may sum to less than 1, so their best may be lower than 1/K
        return float(min(1 / probabilities.shape[1], best.min() or 1.0))
    return float((best[order][k - 1] + best[order][k]) / 2)  # halfway, so that neither neighbour is on the edge


def confuse(true: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Confusion:
    """The confusion matrix of labels; every class needs an image.

    Raises:
        EquinoiseError: a class has none.
    """
    columns = {name: index for index, name in enumerate([*classes, UNCLEAR])}
    counts = np.zeros((len(classes), len(classes) + 1), int)
    for t, p in zip(true, predicted, strict=True):
        counts[columns[t], columns[p]] += 1
    empty = [name for name, row in zip(classes, counts, strict=True) if not row.sum()]
    if empty:
        raise EquinoiseError(f"no image of class '{empty[0]}'; every class needs some to count the errors on")
    return Confusion(tuple(classes), tuple(map(tuple, counts.tolist())))


def save_calibration(path: Path, calibration: Calibration) -> None:
    """As JSON with everything known of it, or as a CSV of the counts and the threshold that they were counted with."""
    if path.suffix == ".json":
        write_json(path, calibration.to_json())
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["true", "predicted", "count", THRESHOLD])
    for true, row in as_table(calibration.confusion).items():
        rows.writerows([true, predicted, count, calibration.unclear_below] for predicted, count in row.items())
    write_whole(path, text.getvalue().encode())


def require_suffix(path: Path) -> None:
    """Check that a calibration can be written by this name.

    Raises:
        EquinoiseError: neither .csv nor .json.
    """
    if path.suffix not in (".csv", ".json"):
        raise EquinoiseError(f"-o {path}: a calibration ends in .csv (counts) or .json (with everything known of it)")


def read_calibration(path: Path) -> Calibration:
    """A confusion matrix from a file that `calibrate-detector` wrote, or a CSV of `true`, `predicted`, `count`.

    Raises:
        EquinoiseError: it is neither, a count is wrong, or a class has no images.
    """
    if path.suffix == ".json":
        return parse_calibration(read_json(path), str(path))
    cells: dict[str, dict[str, int]] = {}
    thresholds, spelled = set(), {same_name(UNCLEAR): UNCLEAR}
    table = read_counted(path, ("true", "predicted"), optional=("count", THRESHOLD))
    for row, times in table.rows.items():
        values = dict(zip(table.columns, row, strict=True))
        true, predicted = (spelled.setdefault(same_name(text), text) for text in row[:2])
        counted = cells.setdefault(true, {})
        n = int(table.number(row, values.get("count", "1"), whole=True))
        counted[predicted] = counted.get(predicted, 0) + times * n
        if text := values.get(THRESHOLD):
            thresholds.add(_probability(table.number(row, text, whole=False), str(path)))
    if len(thresholds) > 1:
        raise EquinoiseError(f"{path} was counted with several thresholds; give one file each")
    return Calibration(None, _confusion(cells, str(path)), next(iter(thresholds), None), describe_file(path))


def calibrations_for(files: Sequence[Path], axes: Sequence[Axis]) -> dict[str, Calibration]:
    """The calibrations in the files, by the axes that they fit; a bare CSV fits an axis of the same classes.

    Raises:
        EquinoiseError: a file is no calibration, or fits none of the axes.
    """
    found: dict[str, Calibration] = {}
    for file in files:
        calibration = read_calibration(file)
        spelled = {axis.name: calibration.spelled_as(axis) for axis in axes}
        fitting = {axis.name: spelled[axis.name] for axis in axes if spelled[axis.name].fits(axis.name, axis.classes)}
        if not fitting:
            known = ", ".join(calibration.confusion.classes)
            asked = "; ".join(f"{axis.name}: {', '.join(axis.classes)}" for axis in axes)
            raise EquinoiseError(f"{file} is of the classes {known}, which none of the axes has ({asked})")
        found |= fitting
    return found


def parse_calibration(content: Any, where: str) -> Calibration:
    """From JSON.

    Raises:
        EquinoiseError: it is no calibration.
    """
    try:
        read = checked(CalibrationFile, content, where)
    except EquinoiseError as error:
        raise EquinoiseError(f"{error}; this is no calibration, make one with calibrate-detector") from error
    return Calibration(read.axis, _confusion(read.confusion, where), read.unclear_below, read.about)


def _probability(value: float, where: str) -> float:
    if not 0 <= value <= 1:
        raise EquinoiseError(f"{where}: the threshold {value} is not a probability")
    return value


def _confusion(cells: Mapping[str, Mapping[str, int]], where: str) -> Confusion:
    classes = tuple(cells)
    strange = [p for row in cells.values() for p in row if p not in classes and p != UNCLEAR]
    if strange or UNCLEAR in classes or len(classes) < 2:
        what = f"'{strange[0]}' is predicted but has no images" if strange else "it needs two or more true classes"
        raise EquinoiseError(f"{where} is no confusion matrix: {what}; rows are true classes, unclear is no true class")
    try:
        return Confusion(classes, tuple(tuple(row.get(c, 0) for c in [*classes, UNCLEAR]) for row in cells.values()))
    except ValueError as error:
        raise EquinoiseError(f"{where}: {error}") from error


def kept_calibrations(folder: Path) -> dict[str, Calibration]:
    """The calibrations kept in a detector's folder, by axis; empty where there are none.

    Raises:
        EquinoiseError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise EquinoiseError(f"{path} is no table of calibrations by axis; make it again with calibrate-detector")
    return {axis: parse_calibration(entry, f"{path} ({axis})") for axis, entry in content.items()}
