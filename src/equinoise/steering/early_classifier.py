"""The early classifier: predicts after a few steps which classes an image will show, and knows how often it errs.

There are three ways to predict, chosen for each axis on pilot images: the detector's answer on the model's own
prediction of the final image (x̂₀, decoded); a linear classifier on the detector's probabilities there, since detectors
lean towards some classes while an image is still blurred; or a linear classifier on the latents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import UNCLEAR, UNCLEAR_INDEX, Axis
from equinoise.detectors import DetectorSpec, read_label
from equinoise.engine.jobs import JobResult, Preview
from equinoise.errors import EquinoiseError

MOST_ATTEMPTS = 32
"""Attempts of rejection sampling at one image, unless told otherwise."""

LATENTS, READING = "look.latents.", "look.reading."
"""Prefixes of the names of classifiers in plan files, before the name of the axis."""

FOLDS = 5
"""Folds of cross-validation."""
STRENGTH = 10.0
"""Inverse regularisation of the classifier on latents, scaled to a mean square length of 1."""
READ_STRENGTH = 1000.0
"""Inverse regularisation of a classifier on the few probabilities of a detector."""

ConfusionCounts = tuple[tuple[int, ...], ...]
"""K rows, one for each final class, and K + 1 columns: the predicted classes, unclear last."""

Labels = Mapping[str, NDArray[np.int64]]
"""Axis → class numbers (n,), `UNCLEAR_INDEX` where unclear."""


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Predicts the class with the largest w_k·x + b_k.

    Attributes:
        classes: names of K classes.
        vectors: w, (K, *shape of x).
        offsets: b, (K,).
    """

    classes: tuple[str, ...]
    vectors: NDArray[np.float32]
    offsets: tuple[float, ...]

    def predict(self, x: NDArray[np.floating]) -> str:
        """The class of one array."""
        scores = (self.vectors * x.astype(np.float32)).reshape(len(self.vectors), -1).sum(axis=1)
        return self.classes[int(np.argmax(scores + np.array(self.offsets)))]


@dataclass(frozen=True, eq=False)
class EarlyClassifier:
    """Predicts the classes of a final image early in its run.

    Attributes:
        step: the step after which it predicts; that takes step + 1 denoiser calls.
        axes: the axes that it predicts.
        confusions: axis → counts of final against predicted classes.
        detector: what reads the predicted image; None where every axis has a classifier on the latents.
        classifiers: axis → a classifier on the latents, where that is better than the predicted image.
        readings: axis → a classifier on `log_odds` of the detector's probabilities, where that is better than the
            detector's answer.
        most_attempts: attempts of rejection sampling at one image; the last is taken whatever is predicted.
    """

    step: int
    axes: tuple[Axis, ...]
    confusions: Mapping[str, ConfusionCounts]
    detector: str | None = None
    classifiers: Mapping[str, LinearClassifier] = field(default_factory=dict)
    readings: Mapping[str, LinearClassifier] = field(default_factory=dict)
    most_attempts: int = MOST_ATTEMPTS

    def preview(self, device: str) -> Preview | None:
        """The predicted image and the axes that the detector reads off it; None where the latents are enough."""
        axes = tuple(axis for axis in self.axes if axis.name not in self.classifiers)
        return Preview((self.step,), axes, DetectorSpec(self.detector, device)) if axes and self.detector else None

    def predict(self, result: JobResult) -> dict[str, str]:
        """Axis → the predicted class, `unclear` where the detector finds none or the latents are not finite.

        Raises:
            EquinoiseError: the predicted image is needed, and the scheduler predicts none.
        """
        return {axis.name: self._class(axis, result) for axis in self.axes}

    def _class(self, axis: Axis, result: JobResult) -> str:
        if axis.name in self.classifiers:
            latents = result.latents[self.step]
            return self.classifiers[axis.name].predict(latents) if np.isfinite(latents).all() else UNCLEAR
        if self.step not in result.previews:
            raise EquinoiseError(
                "this scheduler predicts no final image, which the plan's early classifier reads; use the scheduler "
                "that the plan was made with, or make the plan again"
            )
        found = result.previews[self.step][axis.name]
        if axis.name not in self.readings or not any(found.values()):
            return read_label(found, 0.0)
        return self.readings[axis.name].predict(log_odds(np.array([found[label] for label in axis.classes])))

    def rates(self, axis: str) -> NDArray[np.float64]:
        """(K, K + 1) P(predicted | final); see `smoothed`."""
        return smoothed(np.array(self.confusions[axis], np.float64))

    @property
    def digest(self) -> str:
        """A short hash of all that its predictions depend on."""
        vectors = [(name, c.classes, c.vectors.tobytes(), c.offsets) for name, c in self._named().items()]
        content = [self.step, [axis.digest for axis in self.axes], self.detector, self.most_attempts, vectors]
        return sha256(repr(content).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """All but the vectors, as plan files keep it; the key `most` is that of version 0.1."""
        axes = [
            {
                "name": axis.name,
                "classes": list(axis.classes),
                "ordered": axis.ordered,
                "generate": {label: list(texts) for label, texts in axis.generate.items()},
                "detect": {label: list(texts) for label, texts in axis.detect.items()},
                "words": {label: list(texts) for label, texts in axis.words.items()},
            }
            for axis in self.axes
        ]
        return {
            "step": self.step,
            "axes": axes,
            "confusions": {axis: [list(row) for row in rows] for axis, rows in self.confusions.items()},
            "detector": self.detector,
            "classifiers": {
                name: {"classes": list(c.classes), "offsets": list(c.offsets)} for name, c in self._named().items()
            },
            "most": self.most_attempts,
        }

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The vectors of all classifiers, by the names in `to_json`."""
        return {name: c.vectors for name, c in self._named().items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> EarlyClassifier:
        """The classifier of `to_json` and `arrays`."""

        def classifiers(prefix: str) -> dict[str, LinearClassifier]:
            return {
                name.removeprefix(prefix): LinearClassifier(tuple(row["classes"]), arrays[name], tuple(row["offsets"]))
                for name, row in stored["classifiers"].items()
                if name.startswith(prefix)
            }

        return cls(
            step=stored["step"],
            axes=tuple(_read_axis(axis) for axis in stored["axes"]),
            confusions={axis: tuple(map(tuple, rows)) for axis, rows in stored["confusions"].items()},
            detector=stored["detector"],
            classifiers=classifiers(LATENTS),
            readings=classifiers(READING),
            most_attempts=stored["most"],
        )

    def _named(self) -> dict[str, LinearClassifier]:
        latents = {f"{LATENTS}{axis}": c for axis, c in self.classifiers.items()}
        return latents | {f"{READING}{axis}": c for axis, c in self.readings.items()}


def _read_axis(row: Mapping[str, Any]) -> Axis:
    generate, detect, words = (
        {label: tuple(texts) for label, texts in row[kind].items()} for kind in ("generate", "detect", "words")
    )
    return Axis(row["name"], tuple(row["classes"]), row["ordered"], generate, detect, words)


@dataclass(frozen=True, eq=False)
class Early:
    """What was recorded of n pilot images during their runs.

    Attributes:
        predicted: step → axis → probabilities (n, classes) read off the predicted image. Steps without a predicted
            image are missing.
        latents: step → (n, *latent_shape).
    """

    predicted: Mapping[int, Mapping[str, NDArray[np.float64]]]
    latents: Mapping[int, NDArray[np.float16]]


def fit_early_classifiers(axes: Sequence[Axis], final: Labels, early: Early, detector: str) -> list[EarlyClassifier]:
    """An early classifier for each step at which every axis can be predicted, the earliest step first.

    Args:
        axes: the axes to predict.
        final: the classes of the final images of n pilots.
        early: the same pilots during their runs.
        detector: what read the predicted images.
    """
    found = []
    for step in sorted(set(early.predicted) | set(early.latents)):
        best = {axis.name: _best_way(axis, final[axis.name], early, step) for axis in axes}
        ways = {name: way for name, way in best.items() if way is not None}
        if len(ways) < len(axes):
            continue
        confusions = {name: way.confusion for name, way in ways.items()}
        latents, readings = (
            {name: way.classifier for name, way in ways.items() if way.by == kind and way.classifier}
            for kind in ("latents", "probabilities")
        )
        found.append(EarlyClassifier(step, tuple(axes), confusions, detector, latents, readings))
    return found


@dataclass(frozen=True, eq=False)
class _Way:
    """One way to predict the class on an axis: what it confuses, and the classifier that it takes."""

    confusion: ConfusionCounts
    by: Literal["answer", "probabilities", "latents"]
    classifier: LinearClassifier | None = None


def _best_way(axis: Axis, final: NDArray[np.int64], early: Early, step: int) -> _Way | None:
    """The way with the highest balanced accuracy, since all cost the same; None where there is none."""
    ways: list[_Way] = []
    if step in early.predicted:
        seen = early.predicted[step][axis.name]
        answers = np.where(seen.any(axis=1), seen.argmax(axis=1), UNCLEAR_INDEX)
        ways.append(_Way(confusion_counts(axis, final, answers), "answer"))
        if seen[final >= 0].any(axis=1).all() and (fitted := fit_linear(axis, final, log_odds(seen), READ_STRENGTH)):
            ways.append(_Way(fitted[0], "probabilities", fitted[1]))
    if step in early.latents and (fitted := fit_linear(axis, final, early.latents[step])):
        ways.append(_Way(fitted[0], "latents", fitted[1]))
    return max(ways, key=lambda way: balanced_accuracy(way.confusion)) if ways else None


def fit_linear(
    axis: Axis, final: NDArray[np.int64], x: NDArray[np.floating], strength: float = STRENGTH
) -> tuple[ConfusionCounts, LinearClassifier] | None:
    """A linear classifier on arrays x (n, …), and its confusion counts by cross-validation.

    Logistic regression with equal weight for every class, fitted in the span of the arrays. None where fewer than two
    classes have as many images as there are folds; rarer classes are never predicted.

    Args:
        axis: the axis of the classes.
        final: (n,) numbers of the final classes, `UNCLEAR_INDEX` where unclear.
        x: (n, …) what the classes are predicted from.
        strength: inverse regularisation.
    """
    # a plan is read and used without fitting anything, and should not wait for scikit-learn
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    numbers, counts = np.unique(final[final >= 0], return_counts=True)
    known = np.isin(final, numbers[counts >= FOLDS])
    if len(set(final[known])) < 2:
        return None
    rows = x[known].reshape(known.sum(), -1).astype(np.float64)
    centre = rows.mean(axis=0)
    rows -= centre
    left, sizes, right = np.linalg.svd(rows, full_matrices=False)
    scale = float(np.sqrt((sizes**2).sum() / len(rows))) or 1.0
    scores, y = left * sizes / scale, final[known]
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    predicted = np.asarray(cross_val_predict(model, scores, y, cv=folds), np.int64)
    model.fit(scores, y)
    slopes, offsets = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(slopes) == 1:  # for two classes scikit-learn has one row
        slopes, offsets = np.concatenate([-slopes, slopes]) / 2, np.concatenate([-offsets, offsets]) / 2
    vectors = slopes @ right / scale
    classes = tuple(axis.classes[int(number)] for number in model.classes_)
    shifted = tuple(float(offset - vector @ centre) for offset, vector in zip(offsets, vectors, strict=True))
    shaped = vectors.reshape(len(vectors), *x.shape[1:]).astype(np.float32)
    return confusion_counts(axis, y, predicted), LinearClassifier(classes, shaped, shifted)


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logarithms of probabilities (…, K), none below 10⁻⁶, less their mean."""
    logs = np.log(np.maximum(probabilities, 1e-6))
    centred: NDArray[np.float32] = (logs - logs.mean(axis=-1, keepdims=True)).astype(np.float32)
    return centred


def confusion_counts(axis: Axis, final: NDArray[np.int64], predicted: NDArray[np.int64]) -> ConfusionCounts:
    """(K, K + 1) counts of final classes (n,) against predicted ones (n,); unclear final classes are left out."""
    k = len(axis.classes)
    clear = final >= 0
    table = np.zeros((k, k + 1), int)
    np.add.at(table, (final[clear], predicted[clear] % (k + 1)), 1)
    return tuple(tuple(int(count) for count in row) for row in table)


def balanced_accuracy(counts: ConfusionCounts) -> float:
    """The share of right predictions, as the mean over the final classes that occurred."""
    rows = [(row[k], sum(row)) for k, row in enumerate(counts) if sum(row)]
    return float(np.mean([right / whole for right, whole in rows])) if rows else 0.0


def smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts (…, K, K + 1) as rates by row; one image shared by the columns is added, so that no rate is 0."""
    filled = counts + 1 / counts.shape[-1]
    rates: NDArray[np.float64] = filled / filled.sum(axis=-1, keepdims=True)
    return rates
