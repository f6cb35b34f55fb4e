"""Pilots that end early: runs of whose classes an early look is certain.

The later part of a run adds detail to classes that are long decided. Once whole pilots have shown how sure what is read
off the predicted image makes one of the final class, runs that leave no doubt are stopped there, and count for their
part of the denoiser calls. One in `CHECKED` of the seeds goes to its end whatever it looks like: these say how often
the certainty was wrong, are what the next round's is learnt from, and tell how often the concept is lost.
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
from equinoise.steering.early_classifier import log_odds
from equinoise.steering.looking import FOLDS, READ_STRENGTH, Early, Labels

SURE = 0.99
"""Probability of a class from which on it counts as certain."""
CHECKED = 4
"""One in so many seeds goes to its end."""


@dataclass(frozen=True, eq=False)
class EarlyStopping:
    """Tells the runs that leave no doubt: after `step`, by one classifier an axis on what is read off their images."""

    step: int
    axes: tuple[Axis, ...]
    models: Mapping[str, LogisticRegression]

    def tell(self, read: Mapping[str, Mapping[str, float]]) -> dict[str, str] | None:
        """Axis → class where every axis is certain, from axis → class → probability; else None."""
        told = {}
        for axis in self.axes:
            seen = np.array([[read[axis.name][label] for label in axis.classes]])
            (chances,) = self.models[axis.name].predict_proba(log_odds(seen))
            if chances.max() < SURE or not seen.any():
                return None
            told[axis.name] = axis.classes[int(self.models[axis.name].classes_[chances.argmax()])]
        return told


def goes_on(seed: int) -> bool:
    """Whether a pilot goes to its end whatever it looks like."""
    return seed % CHECKED == 0


def fit_early_stopping(axes: Sequence[Axis], final: Labels, early: Early, precision: float) -> EarlyStopping | None:
    """What whole pilots, a fair sample, let one be certain of at the last step at which their images were predicted.

    None where no image is predicted or an axis showed a single class, and where the certain ones that are wrong,
    cross-validated, could move a share by more than `precision` (at the upper 95% limit of how many there are).
    """
    if not early.predicted:
        return None
    step, models = max(early.predicted), {}
    sure = right = np.ones(len(final[axes[0].name]), bool)
    for axis in axes:
        seen, y = early.predicted[step][axis.name], final[axis.name]
        fitted = _fitted(log_odds(seen), y)
        if fitted is None:
            return None
        models[axis.name], chances = fitted
        sure = sure & seen.any(axis=1) & (chances.max(axis=1) >= SURE)
        right = right & (models[axis.name].classes_[chances.argmax(axis=1)] == y)
    count, wrong = int(sure.sum()), int((sure & ~right).sum())
    moved = stats.beta.ppf(0.95, wrong + 1, count - wrong) * count / len(sure) if count > wrong else 1.0
    return EarlyStopping(step, tuple(axes), models) if moved <= precision else None


def _fitted(x: NDArray[np.floating], y: NDArray[np.int64]) -> tuple[LogisticRegression, NDArray[np.float64]] | None:
    """A classifier, and its probabilities (n, classes) where it has not seen the image; rare classes it never names."""
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
