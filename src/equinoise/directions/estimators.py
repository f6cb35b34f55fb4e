"""Estimators: latents with scores → the direction along which the score grows, all of them in the dual.

With n images of far more dimensions a direction is a combination Σ αᵢ xᵢ of the images, and everything that an
estimator needs of them is the Gram matrix K = X Xᵀ. So each is a short function (K, y, seeds) → α: validation and
permutations never touch the latents again, and 65,536 dimensions cost as much as 1,024.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.svm import SVC, SVR

from equinoise.directions.cross_validation import Array, Estimator, Ids, held_out
from equinoise.directions.direction import Direction, DirectionSet, Kind, Origin, Skipped, Term
from equinoise.directions.traces import Traces
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models.base import Step

LATENT_SCALE = 0.18215  # of Stable Diffusion 1; the authors' scripts divide the latents of every model by it


def svm(gram: Array, scores: Array, seeds: Ids, c: float = 1.0) -> Array:
    """Normal of a linear support vector machine (Lopez Olmos et al. 2024, section 3.1).

    Penalty `c` counts on latents divided by `LATENT_SCALE`, where its authors' 1 is nearly a hard margin. More than two
    score values, which the paper has not, take support vector regression with the same penalty, tube ±0.1.
    """
    if len(np.unique(scores)) == 2:
        model = SVC(kernel="precomputed", C=c).fit(gram, scores > scores.mean())
    else:
        model = SVR(kernel="precomputed", C=c, epsilon=0.1).fit(gram, scores)
    alpha = np.zeros(len(scores))
    alpha[model.support_] = model.dual_coef_.ravel()
    return alpha


def mean(gram: Array, scores: Array, seeds: Ids) -> Array:
    """Difference of the class means; on a scale the covariance of latents and score. Seeds are not used."""
    if len(np.unique(scores)) == 2:
        upper = scores > scores.mean()
        alpha: Array = np.where(upper, 1 / upper.sum(), -1 / (~upper).sum())
        return alpha
    centred: Array = scores - scores.mean()
    return centred


def paired(gram: Array, scores: Array, seeds: Ids) -> Array:
    """Mean over seeds of the difference within a seed: the noise of a seed, which both classes share, cancels.

    On a scale the covariance within seeds. Only seeds with more than one score count. Where every seed has every
    class, as `collect` makes them, it equals `mean` up to rounding.

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


class Task(NamedTuple):
    """One direction to fit: what it separates, and the rows of the traces that count, with a score for each."""

    origin: Origin
    rows: Ids
    scores: Array


def fit(
    traces: Traces, estimator: str = "svm", steps: Sequence[Step] | None = None, permutations: int = 99, c: float = 1.0
) -> DirectionSet:
    """The directions of all classes at all captured steps (or the given ones), each with its held-out accuracy.

    Two classes give one direction each way; more unordered classes one against the rest and one for each pair; an
    ordered axis a single direction towards its last class, used with both signs. `skipped` says what gave none.

    Raises:
        EquinoiseError: no such estimator, a step that was not captured, or latents that are not finite.
    """
    if estimator not in ESTIMATORS:
        raise EquinoiseError(f"no estimator '{estimator}'; use one of {', '.join(ESTIMATORS)}")
    wanted = traces.require(traces.latents if steps is None else steps)
    return sum((_fit_step(traces, step, estimator, permutations, c) for step in wanted), DirectionSet(()))


def _fit_step(traces: Traces, step: Step, estimator: str, permutations: int, c: float) -> DirectionSet:
    if not traces.can_tell(step):
        reason = "the prompt set the class, so the noise is the same for every class; label by detection instead"
        return DirectionSet((), (Skipped(traces.axis, step, reason),))
    latents, found, skipped = traces.rows(step), list[Direction](), list[Skipped]()
    for task in _tasks(traces, partial(traces.origin, step=step, estimator=estimator)):
        origin = task.origin
        if len(np.unique(task.scores)) < 2:
            reason = f"all images are on one side, so nothing tells '{origin.label}' from '{origin.against}'"
            skipped.append(Skipped(traces.axis, step, reason))
            continue
        direction = _fit_task(traces, latents, task, permutations, c)
        found.append(direction)
        if origin.kind == "two_class":  # fitted once, and not scaled again: the two cancel to the last bit
            turned = replace(direction.origin, label=origin.against, against=origin.label)
            found.append(Direction(-direction.vector, (Term(1.0, turned),)))
    return DirectionSet(tuple(found), tuple(skipped))


def _fit_task(traces: Traces, latents: Array, task: Task, permutations: int, c: float) -> Direction:
    x, seeds = latents[task.rows], traces.seeds[task.rows]
    centred = x - x.mean(axis=0)
    gram, is_svm = centred @ centred.T / LATENT_SCALE**2, task.origin.estimator == "svm"
    estimate = partial(svm, c=c) if is_svm else ESTIMATORS[task.origin.estimator]
    quality = held_out(estimate, gram, task.scores, seeds, permutations)
    vector = centred.T @ estimate(gram, task.scores, seeds)
    origin = replace(task.origin, c=c if is_svm else None, **quality._asdict())
    if quality.low <= 0.5:
        known = f"{origin.name}: held-out accuracy {quality.accuracy:.2f} ({quality.low:.2f}–{quality.high:.2f})"
        warnings.warn(f"{known} is no better than chance", EquinoiseWarning, stacklevel=5)  # the line that called `fit`
    return Direction.unit(vector.reshape(traces.latents[origin.step].shape[1:]), origin)


def _tasks(traces: Traces, origin: Callable[[Kind, str, str], Origin]) -> Iterator[Task]:
    """Which comparisons an axis asks for."""
    labels, classes, everything = traces.labels, traces.classes, np.arange(len(traces.labels))
    if traces.ordered:
        yield Task(origin("scale", classes[-1], classes[0]), everything, np.linspace(-1, 1, len(classes))[labels])
    elif len(classes) == 2:
        yield Task(origin("two_class", *classes), everything, np.where(labels == 0, 1.0, -1.0))
    else:
        for index, label in enumerate(classes):
            yield Task(origin("one_vs_rest", label, "rest"), everything, np.where(labels == index, 1.0, -1.0))
        for first, second in combinations(range(len(classes)), 2):
            rows = np.flatnonzero((labels == first) | (labels == second))
            scores = np.where(labels[rows] == first, 1.0, -1.0)
            yield Task(origin("pairwise", classes[first], classes[second]), rows, scores)
