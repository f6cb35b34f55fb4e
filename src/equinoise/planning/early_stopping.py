"""Early stopping of pilots: runs are stopped where an early check leaves no doubt of the classes.

The later part of a run adds detail to classes that are long decided. Once whole pilots have shown how surely the
predicted image tells the final class, runs without doubt are stopped there, and count for their part of the denoiser
calls. One in `CHECKED` of the seeds goes to its end whatever the early check says: these runs say how often the
certainty was wrong, are what the next round is fitted on, and tell how often the concept is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from equinoise.axes import Axis
from equinoise.planning.response import Array, Integers
from equinoise.steering.early_classifier import FOLDS, READ_STRENGTH, Early, log_odds

SURE = 0.99
"""Probability of a class from which on it counts as certain."""
CHECKED = 4
"""One in so many seeds goes to its end."""


@dataclass(frozen=True, eq=False)
class EarlyStopping:
    """Recognises runs that leave no doubt after `step`, by one classifier an axis on what the predicted image reads."""

    step: int
    axes: tuple[Axis, ...]
    classifiers: Mapping[str, LogisticRegression]

    @classmethod
    def fitted(
        cls, axes: Sequence[Axis], final: Mapping[str, Integers], early: Early, precision: float
    ) -> EarlyStopping | None:
        """On whole pilots of the classes `final`, an unbiased sample, at the last step at which images were predicted.

        None where no image is predicted or an axis showed a single class, and where the certain ones that are wrong,
        cross-validated, could move a share by more than `precision` (at the upper 95% limit of how many there are).
        """
        if not early.predicted:
            return None
        step, classifiers = max(early.predicted), {}
        sure = right = np.ones(len(final[axes[0].name]), bool)
        for axis in axes:
            seen, labels = early.predicted[step][axis.name], final[axis.name]
            found = cls._classifier(log_odds(seen), labels)
            if found is None:
                return None
            classifiers[axis.name], chances = found
            sure = sure & seen.any(axis=1) & (chances.max(axis=1) >= SURE)
            right = right & (classifiers[axis.name].classes_[chances.argmax(axis=1)] == labels)
        count, wrong = int(sure.sum()), int((sure & ~right).sum())
        moved = stats.beta.ppf(0.95, wrong + 1, count - wrong) * count / len(sure) if count > wrong else 1.0
        return cls(step, tuple(axes), classifiers) if moved <= precision else None

    def certain(self, read: Mapping[str, Mapping[str, float]]) -> dict[str, str] | None:
        """Axis → class where every axis is certain, from axis → class → probability; else None."""
        found = {}
        for axis in self.axes:
            seen = np.array([[read[axis.name][label] for label in axis.classes]])
            (chances,) = self.classifiers[axis.name].predict_proba(log_odds(seen))
            if chances.max() < SURE or not seen.any():
                return None
            found[axis.name] = axis.classes[int(self.classifiers[axis.name].classes_[chances.argmax()])]
        return found

    @staticmethod
    def exempts(seed: int) -> bool:
        """Whether the pilot of a seed goes to its end whatever the early check says."""
        return seed % CHECKED == 0

    @staticmethod
    def _classifier(x: NDArray[np.floating], y: Integers) -> tuple[LogisticRegression, Array] | None:
        """A classifier, and its probabilities (n, classes), cross-validated; rare classes are never predicted."""
        numbers, counts = np.unique(y[y >= 0], return_counts=True)
        known = np.isin(y, numbers[counts >= FOLDS])
        if len(set(y[known])) < 2:
            return None
        model = LogisticRegression(C=READ_STRENGTH, max_iter=5000)
        folds: Any = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        unseen = cross_val_predict(model, x[known], y[known], cv=folds, method="predict_proba")
        model.fit(x[known], y[known])
        chances = np.asarray(model.predict_proba(x), np.float64)
        chances[known] = unseen
        return model, chances
