"""Held-out accuracy of an estimator, and the p-value of a permutation test of it.

Images that share a seed share a fold, and permutations swap scores within a seed: otherwise the accuracy of pairs is
far below 50% where the latents hold nothing of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from equinoise.statistics import wilson

FOLDS = 5
Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Estimator = Callable[[Array, Array, Ids], Array]
"""(Gram matrix (n, n), scores (n,), seeds (n,)) → coefficients α (n,)."""


class HeldOut(NamedTuple):
    """Balanced accuracy with its 95% interval and the permutation p-value.

    The interval is Wilson's at the number of images that the balanced accuracy is worth, 4 / (1/n₁ + 1/n₂) for two
    classes, and never at more than the number of seeds.
    """

    accuracy: float
    low: float
    high: float
    p: float


def held_out(estimate: Estimator, gram: Array, scores: Array, seeds: Ids, permutations: int) -> HeldOut:
    """Cross-validated accuracy of an estimator on n images, from what the estimator takes.

    Two score values: balanced accuracy, chance is 0.5. A scale: the share of pairs of different score, within the
    held-out images, that are ranked in the right order; chance is 0.5 too.
    """
    accuracy = _accuracy(estimate, gram, scores, seeds)
    n = _effective_number(scores, seeds)
    interval = wilson(round(accuracy * n), n)
    rng = np.random.default_rng(0)
    null = [_accuracy(estimate, gram, _permuted(scores, seeds, rng), seeds) for _ in range(permutations)]
    p = (1 + sum(value >= accuracy for value in null)) / (1 + permutations)
    return HeldOut(accuracy=accuracy, low=min(interval.low, accuracy), high=max(interval.high, accuracy), p=p)


def _effective_number(scores: Array, seeds: Ids) -> int:
    """The number of independent images that the accuracy is worth."""
    values, counts = np.unique(scores, return_counts=True)
    groups = len(np.unique(seeds))
    return groups if len(values) != 2 else min(groups, max(1, round(4 / (1 / counts).sum())))


def _accuracy(estimate: Estimator, gram: Array, scores: Array, seeds: Ids) -> float:
    folds = min(FOLDS, len(np.unique(seeds)))
    if folds < 2:
        return 0.5
    splits = GroupKFold(folds, shuffle=True, random_state=0).split(scores, groups=seeds)
    right = np.sum([_fold(estimate, gram, scores, seeds, train, test) for train, test in splits], axis=0)
    per_class = [hits / total for hits, total in right if total]
    return float(np.mean(per_class)) if per_class else 0.5


def _fold(estimate: Estimator, gram: Array, scores: Array, seeds: Ids, train: Ids, test: Ids) -> Array:
    """(classes, 2): how many test images of each class were told right, and how many there were; pairs on a scale."""
    upper = scores > scores.mean()
    if len(np.unique(scores[train])) < 2:
        alpha = np.zeros(len(train))  # a class too rare to be learnt without the test images: nothing can be told
    else:
        alpha = estimate(gram[np.ix_(train, train)], scores[train], seeds[train])
    projection = gram[np.ix_(test, train)] @ alpha
    if len(np.unique(scores)) > 2:
        return _ranked(projection, scores[test])
    # without the part that an image has in its own projection, which would push the threshold past every other image
    inner = gram[np.ix_(train, train)]
    ours = inner @ alpha - np.diag(inner) * alpha
    sides = [ours[side].mean() for side in (upper[train], ~upper[train]) if side.any()]
    threshold = sum(sides) / len(sides)
    # a projection exactly on the threshold says nothing: half right
    said = np.sign(projection - threshold) * np.where(upper[test], 1, -1)
    right = (1 + np.where(np.abs(projection - threshold) <= 1e-12 * np.abs(ours).max(), 0, said)) / 2
    return np.array([[right[side].sum(), side.sum()] for side in (upper[test], ~upper[test])])


def _ranked(projection: Array, scores: Array) -> Array:
    """(1, 2): pairs in the right order among all pairs of different score, ties counted half; and all such pairs."""
    ahead = np.sign(scores[:, None] - scores[None, :])
    agrees = (1 + np.sign(projection[:, None] - projection[None, :])) / 2
    pairs = ahead > 0
    return np.array([[agrees[pairs].sum(), pairs.sum()]])


def _permuted(scores: Array, seeds: Ids, rng: np.random.Generator) -> Array:
    """Scores shuffled among the images of a seed; among all images where no seed has two."""
    if len(np.unique(seeds)) == len(seeds):
        return rng.permutation(scores)
    order = np.lexsort((rng.random(len(scores)), seeds))
    by_seed = np.lexsort((np.arange(len(scores)), seeds))
    result = np.empty_like(scores)
    result[by_seed] = scores[order]
    return result
