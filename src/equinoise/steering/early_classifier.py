"""The early look: tells after a few steps which classes an image will show, and how often it is wrong about that.

Three ways, chosen axis by axis on pilots: the detector on the model's own prediction of the final image (x̂₀, decoded);
the same with its probabilities weighed anew, since an image that is still blurred is read with a lean towards some
classes; or a linear classifier on the latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.detectors import DetectorSpec, read_label
from equinoise.engine.jobs import Preview, Result
from equinoise.errors import EquinoiseError

MOST = 32
"""Draws for one image, unless told otherwise."""

LATENTS, READING = "look.latents.", "look.reading."
"""What classifiers are kept by, before the name of the axis."""

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """The class with the largest w_k·x + b_k. `vectors` (K, *shape of x), `offsets` (K,), for K classes."""

    classes: tuple[str, ...]
    vectors: NDArray[np.float32]
    offsets: tuple[float, ...]

    def predict(self, x: NDArray[np.floating]) -> str:
        """The class of one image."""
        scores = (self.vectors * x.astype(np.float32)).reshape(len(self.vectors), -1).sum(axis=1)
        return self.classes[int(np.argmax(scores + np.array(self.offsets)))]


@dataclass(frozen=True, eq=False)
class EarlyClassifier:
    """How classes are told early, and how often rightly.

    Attributes:
        step: after which it is taken: step + 1 denoiser calls.
        axes: what it tells.
        confusions: axis → K rows, one a final class; K + 1 columns, the classes predicted early, unclear last.
        detector: what reads the predicted image; None where every axis has a classifier.
        classifiers: axis → a classifier on the latents, where that is better than the predicted image.
        readings: axis → a classifier on `log_odds` of what the detector reads, where that is better than its answer.
        most: draws for one image; the last is taken whatever it shows.
    """

    step: int
    axes: tuple[Axis, ...]
    confusions: Mapping[str, Counts]
    detector: str | None = None
    classifiers: Mapping[str, LinearClassifier] = field(default_factory=dict)
    readings: Mapping[str, LinearClassifier] = field(default_factory=dict)
    most: int = MOST

    def preview(self, device: str) -> Preview | None:
        """What it must be shown of the predicted image."""
        axes = tuple(axis for axis in self.axes if axis.name not in self.classifiers)
        return Preview((self.step,), axes, DetectorSpec(self.detector, device)) if axes and self.detector else None

    def tell(self, result: Result) -> dict[str, str]:
        """Axis → the class predicted, `unclear` where nothing is seen.

        Raises:
            EquinoiseError: it needs the predicted image, and the scheduler does not say it.
        """
        return {axis.name: self._class(axis, result) for axis in self.axes}

    def _class(self, axis: Axis, result: Result) -> str:
        if axis.name in self.classifiers:
            return self.classifiers[axis.name].predict(result.latents[self.step])
        if self.step not in result.previews:
            raise EquinoiseError(
                "this scheduler does not say which image it predicts, and the plan's early look reads it; use the "
                "scheduler that the plan was made with, or plan again"
            )
        found = result.previews[self.step][axis.name]
        if axis.name not in self.readings or not any(found.values()):
            return read_label(found, 0.0)
        return self.readings[axis.name].predict(log_odds(np.array([found[label] for label in axis.classes])))

    def rates(self, axis: str) -> NDArray[np.float64]:
        """(K, K + 1) P(predicted | final); one image shared by the columns is added, so that nothing is impossible."""
        return smoothed(np.array(self.confusions[axis], np.float64))

    @property
    def digest(self) -> str:
        """A short hash of all that decides what it tells."""
        vectors = [(name, c.classes, c.vectors.tobytes(), c.offsets) for name, c in self._named().items()]
        content = [self.step, [axis.digest for axis in self.axes], self.detector, self.most, vectors]
        return sha256(repr(content).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """In JSON, without the vectors."""
        return {
            "step": self.step,
            "axes": [asdict(axis) for axis in self.axes],
            "confusions": {axis: [list(row) for row in rows] for axis, rows in self.confusions.items()},
            "detector": self.detector,
            "classifiers": {
                name: {"classes": list(c.classes), "offsets": list(c.offsets)} for name, c in self._named().items()
            },
            "most": self.most,
        }

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The vectors, by name."""
        return {name: c.vectors for name, c in self._named().items()}

    def _named(self) -> dict[str, LinearClassifier]:
        latents = {f"{LATENTS}{axis}": c for axis, c in self.classifiers.items()}
        return latents | {f"{READING}{axis}": c for axis, c in self.readings.items()}


def read_early_classifier(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> EarlyClassifier:
    """What `describe` and `arrays` gave."""
    return EarlyClassifier(
        about["step"],
        tuple(_read_axis(axis) for axis in about["axes"]),
        {axis: tuple(map(tuple, rows)) for axis, rows in about["confusions"].items()},
        about["detector"],
        _read_classifiers(about, arrays, LATENTS),
        _read_classifiers(about, arrays, READING),
        about["most"],
    )


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logarithms of probabilities (…, K), none below 10⁻⁶, less their mean."""
    logs = np.log(np.maximum(probabilities, 1e-6))
    centred: NDArray[np.float32] = (logs - logs.mean(axis=-1, keepdims=True)).astype(np.float32)
    return centred


def confusion_counts(axis: Axis, final: NDArray[np.int64], predicted: NDArray[np.int64]) -> Counts:
    """(K, K + 1) counts of clear final classes (n,) against predicted ones, −1 being unclear."""
    k = len(axis.classes)
    clear = final >= 0
    table = np.zeros((k, k + 1), int)
    np.add.at(table, (final[clear], predicted[clear] % (k + 1)), 1)
    return tuple(tuple(int(count) for count in row) for row in table)


def balanced_accuracy(counts: Counts) -> float:
    """Mean over the final classes that were seen of how often they are told right."""
    rows = [(row[k], sum(row)) for k, row in enumerate(counts) if sum(row)]
    return float(np.mean([right / whole for right, whole in rows])) if rows else 0.0


def smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts (…, K, K + 1) as rates by row, one image shared by the columns added."""
    filled = counts + 1 / counts.shape[-1]
    rates: NDArray[np.float64] = filled / filled.sum(axis=-1, keepdims=True)
    return rates


def _read_classifiers(
    about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], kind: str
) -> dict[str, LinearClassifier]:
    return {
        name.removeprefix(kind): LinearClassifier(tuple(row["classes"]), arrays[name], tuple(row["offsets"]))
        for name, row in about["classifiers"].items()
        if name.startswith(kind)
    }


def _read_axis(row: Mapping[str, Any]) -> Axis:
    texts = {
        kind: {label: tuple(texts) for label, texts in row[kind].items()} for kind in ("generate", "detect", "words")
    }
    return Axis(row["name"], tuple(row["classes"]), row["ordered"], **texts)
