"""Estimators: latents with scores → the direction along which the score grows, all of them in the dual.

With n images of far more dimensions, a direction is a combination Σ αᵢ xᵢ of the images, and everything that an
estimator needs of them is the Gram matrix K = X Xᵀ. So each is a short function (K, y, seeds) → α, cross-validation
and permutations never touch the latents again, and 65,536 dimensions cost as much as 1,024.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC, SVR

from equinoise.directions.cross_validation import HeldOut, held_out
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.directions.origin import Origin
from equinoise.directions.traces import Traces
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models.base import Step

Array = NDArray[np.float64]
Estimator = Callable[[Array, Array, NDArray[np.int64]], Array]
"""(Gram matrix (n, n), scores (n,), seeds (n,)) → coefficients α (n,)."""


def svm(gram: Array, scores: Array, seeds: NDArray[np.int64]) -> Array:
    """Normal of a linear support vector machine, C = 1 (Lopez Olmos et al. 2024, section 3.1).

    For more than two score values support vector regression takes its place: one direction for the whole scale.
    Classes of unequal size are weighted alike.
    """
    if len(np.unique(scores)) == 2:
        model = SVC(kernel="precomputed", C=1.0, class_weight="balanced").fit(gram, scores > scores.mean())
    else:
        model = SVR(kernel="precomputed", C=1.0, epsilon=0.1).fit(gram, scores)
    alpha = np.zeros(len(scores))
    alpha[model.support_] = model.dual_coef_.ravel()
    return alpha


def mean(gram: Array, scores: Array, seeds: NDArray[np.int64]) -> Array:
    """Difference of the class means; on a scale the covariance of latents and score. Seeds are not looked at."""
    if len(np.unique(scores)) == 2:
        upper = scores > scores.mean()
        alpha: Array = np.where(upper, 1 / upper.sum(), -1 / (~upper).sum())
        return alpha
    centred: Array = scores - scores.mean()
    return centred


def paired(gram: Array, scores: Array, seeds: NDArray[np.int64]) -> Array:
    """Mean over seeds of the difference within a seed: what the noise of a seed adds to both classes cancels.

    On a scale the covariance within seeds. Only seeds with more than one score count. Where every seed has every
    class, as `collect` makes them, this is the difference of means to the last bit of rounding; what helps is that
    the seeds are shared, and this estimator insists on it.

    Raises:
        EquinoiseError: no seed has two scores.
    """
    alpha = np.zeros(len(scores))
    for seed in np.unique(seeds):
        rows = seeds == seed
        alpha[rows] = scores[rows] - scores[rows].mean()
    if not alpha.any():
        raise EquinoiseError("no seed has images of two classes, so nothing is paired; use --estimator mean or svm")
    return alpha


ESTIMATORS: dict[str, Estimator] = {"svm": svm, "mean": mean, "paired": paired}


@dataclass(frozen=True)
class Task:
    """One direction to find: rows of the traces, a score for each, and what it will be called."""

    label: str
    against: str
    rows: NDArray[np.int64]
    scores: Array


@dataclass(frozen=True)
class Skipped:
    """A step at which no direction could be found, and why."""

    axis: str
    step: Step
    reason: str


def fit(
    traces: Traces, estimator: str = "svm", steps: Sequence[Step] | None = None, permutations: int = 99
) -> tuple[DirectionSet, list[Skipped]]:
    """The directions of all classes at all captured steps (or the given ones), each with its held-out accuracy.

    Two classes give one direction each way; more unordered classes one against the rest and one for each pair; an
    ordered axis a single direction towards its last class, used with both signs.

    Raises:
        EquinoiseError: no such estimator, or a step that was not captured.
    """
    if estimator not in ESTIMATORS:
        raise EquinoiseError(f"no estimator '{estimator}'; use one of {', '.join(ESTIMATORS)}")
    found: list[Direction] = []
    skipped: list[Skipped] = []
    for step in traces.latents if steps is None else steps:
        if step not in traces.latents:
            raise EquinoiseError(f"step {step} was not captured; there are {', '.join(map(str, traces.latents))}")
        if not traces.can_tell(step):
            reason = "the prompt set the class, so the noise is the same for every class; label by detection instead"
            skipped.append(Skipped(traces.axis, step, reason))
            continue
        latents = traces.latents[step].reshape(len(traces.labels), -1).astype(np.float64)
        if not np.isfinite(latents).all():
            raise EquinoiseError(f"the latents of step {step} hold NaN or infinity; collect them in float32")
        for task in _tasks(traces):
            if len(np.unique(task.scores)) < 2:
                skipped.append(Skipped(traces.axis, step, f"no two classes to tell '{task.label}' by were seen"))
                continue
            found.append(_fit_one(traces, step, latents, task, estimator, permutations))
    return DirectionSet(tuple(_both_ways(found))), skipped


def _fit_one(traces: Traces, step: Step, latents: Array, task: Task, estimator: str, permutations: int) -> Direction:
    x, seeds = latents[task.rows], traces.seeds[task.rows]
    centred = x - x.mean(axis=0)
    gram = centred @ centred.T
    # one scale for every model and step: C of the support vector machine is a choice relative to it
    gram /= np.trace(gram) / len(gram) or 1.0
    found = ESTIMATORS[estimator]
    quality = held_out(found, gram, task.scores, seeds, permutations)
    vector = centred.T @ found(gram, task.scores, seeds)
    origin = _origin(traces, step, task, estimator, quality)
    if quality.low <= 0.5:
        warnings.warn(
            f"{origin.name}: held-out accuracy {quality.accuracy:.2f} ({quality.low:.2f}–{quality.high:.2f}) is no "
            "better than chance",
            EquinoiseWarning,
            stacklevel=3,
        )
    return Direction.unit(vector.reshape(traces.latents[step].shape[1:]), origin)


def _origin(traces: Traces, step: Step, task: Task, estimator: str, quality: HeldOut) -> Origin:
    return Origin(
        traces.axis,
        task.label,
        task.against,
        traces.ordered,
        step,
        estimator,
        quality.accuracy,
        quality.low,
        quality.high,
        quality.p,
        traces.model,
        traces.sampling,
        traces.prompts,
        tuple(int(seed) for seed in np.unique(traces.seeds)),
    )


def _tasks(traces: Traces) -> Iterator[Task]:
    """Which comparisons an axis asks for."""
    labels, classes = traces.labels, traces.classes
    everything = np.arange(len(labels))
    if traces.ordered:
        scale = np.linspace(-1, 1, len(classes))
        yield Task(classes[-1], classes[0], everything, scale[labels])
        return
    if len(classes) == 2:
        yield Task(classes[0], classes[1], everything, np.where(labels == 0, 1.0, -1.0))
        return
    for index, label in enumerate(classes):
        yield Task(label, "rest", everything, np.where(labels == index, 1.0, -1.0))
    for first, second in combinations(range(len(classes)), 2):
        rows = np.flatnonzero((labels == first) | (labels == second))
        name = f"{classes[first]}-vs-{classes[second]}"
        yield Task(name, classes[second], rows, np.where(labels[rows] == first, 1.0, -1.0))


def _both_ways(directions: Sequence[Direction]) -> Iterator[Direction]:
    """Two unordered classes are fitted once; the second one's direction is the first one's with the sign turned."""
    for direction in directions:
        yield direction
        origin = direction.terms[0].origin
        if not origin.ordered and origin.against != "rest" and "-vs-" not in origin.label:
            turned = replace(origin, label=origin.against, against=origin.label)
            # not scaled again: rounding would keep the two from cancelling to the last bit
            yield Direction(-direction.vector, (replace(direction.terms[0], origin=turned),))
