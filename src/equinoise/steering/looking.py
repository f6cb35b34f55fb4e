"""From pilots to early looks: what would have told their classes, at each step at which they were looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from equinoise.axes import Axis
from equinoise.planning.response import UNCLEAR_INDEX
from equinoise.steering.early_classifier import (
    Counts,
    EarlyClassifier,
    LinearClassifier,
    balanced_accuracy,
    confusion_counts,
    log_odds,
)

FOLDS = 5
STRENGTH = 10.0
"""Inverse regularisation of the classifier on latents, scaled to a mean square length of 1."""
READ_STRENGTH = 1000.0
"""The same for the few numbers that a detector gives."""

Labels = Mapping[str, NDArray[np.int64]]
"""Axis → class numbers (n,), −1 where unclear."""

Way = tuple[Counts, str, LinearClassifier | None]
"""What it confuses, by what it tells, and a classifier where it takes one."""


@dataclass(frozen=True, eq=False)
class Early:
    """What was seen of n pilots on their way.

    Attributes:
        predicted: step → axis → probabilities (n, classes) read off the predicted image; steps without one are missing.
        latents: step → (n, *latent_shape).
    """

    predicted: Mapping[int, Mapping[str, NDArray[np.float64]]]
    latents: Mapping[int, NDArray[np.float16]]


def fit_early_classifiers(axes: Sequence[Axis], final: Labels, early: Early, detector: str) -> list[EarlyClassifier]:
    """A look for each step at which every axis can be told, the earliest first."""
    found = []
    for step in sorted(set(early.predicted) | set(early.latents)):
        told = {axis.name: _better(axis, final[axis.name], early, step) for axis in axes}
        ways = {name: way for name, way in told.items() if way is not None}
        if len(ways) == len(axes):
            confusions = {name: counts for name, (counts, _, _) in ways.items()}
            latents, readings = (
                {name: way[2] for name, way in ways.items() if way[1] == kind and way[2]}
                for kind in ("latents", "odds")
            )
            found.append(EarlyClassifier(step, tuple(axes), confusions, detector, latents, readings))
    return found


def _better(axis: Axis, final: NDArray[np.int64], early: Early, step: int) -> Way | None:
    """The ways cost the same: what is right more often in the mean over classes."""
    ways: list[Way] = []
    if step in early.predicted:
        seen = early.predicted[step][axis.name]
        answers = np.where(seen.any(axis=1), seen.argmax(axis=1), UNCLEAR_INDEX)
        ways.append((confusion_counts(axis, final, answers), "answer", None))
        if seen.any(axis=1).all() and (fitted := classify(axis, final, log_odds(seen), READ_STRENGTH)):
            ways.append((fitted[0], "odds", fitted[1]))
    if step in early.latents and (fitted := classify(axis, final, early.latents[step])):
        ways.append((fitted[0], "latents", fitted[1]))
    return max(ways, key=lambda way: balanced_accuracy(way[0])) if ways else None


def classify(
    axis: Axis, final: NDArray[np.int64], x: NDArray[np.floating], strength: float = STRENGTH
) -> tuple[Counts, LinearClassifier] | None:
    """A linear classifier on arrays x (n, …), and what it confuses, cross-validated.

    Logistic regression with every class weighted alike, fitted in the span of the arrays. None where fewer than two
    classes have as many images as there are folds; rarer ones are never predicted.
    """
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
    if len(slopes) == 1:  # of two classes scikit-learn keeps one row
        slopes, offsets = np.concatenate([-slopes, slopes]) / 2, np.concatenate([-offsets, offsets]) / 2
    vectors = slopes @ right / scale
    classes = tuple(axis.classes[int(number)] for number in model.classes_)
    shifted = tuple(float(offset - vector @ centre) for offset, vector in zip(offsets, vectors, strict=True))
    shaped = vectors.reshape(len(vectors), *x.shape[1:]).astype(np.float32)
    return confusion_counts(axis, y, predicted), LinearClassifier(classes, shaped, shifted)
