"""How well a direction tells its class on images it was not made from, and whether chance would do as well.

Images that share a seed share a fold, and permutations swap labels within a seed: ungrouped, the accuracy of pairs is
far below 50% where there is nothing to be found.
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


class HeldOut(NamedTuple):
    """Balanced accuracy with its 95% interval and the permutation p-value.

    The interval is Wilson's at the number of images that the balanced accuracy is worth, 4 / (1/n₁ + 1/n₂) for two
    classes, and never at more than the number of seeds.
    """

    accuracy: float
    low: float
    high: float
    p: float


def held_out(
    estimate: Callable[[Array, Array, Ids], Array], gram: Array, scores: Array, seeds: Ids, permutations: int
) -> HeldOut:
    """Cross-validated accuracy of an estimator, grouped by seed; chance is 0.5.

    Two score values: balanced accuracy of the class. A scale: the share of pairs of different score, within the
    held-out images, that are ranked the right way round.
    """
    accuracy = _accuracy(estimate, gram, scores, seeds)
    n = _worth(scores, seeds)
    interval = wilson(round(accuracy * n), n)
    rng = np.random.default_rng(0)
    null = [_accuracy(estimate, gram, _permuted(scores, seeds, rng), seeds) for _ in range(permutations)]
    p = (1 + sum(value >= accuracy for value in null)) / (1 + permutations)
    return HeldOut(accuracy, min(interval.low, accuracy), max(interval.high, accuracy), p)


def _worth(scores: Array, seeds: Ids) -> int:
    """The number of independent images that the accuracy is worth."""
    values, counts = np.unique(scores, return_counts=True)
    groups = len(np.unique(seeds))
    return groups if len(values) != 2 else min(groups, max(1, round(4 / (1 / counts).sum())))


def _accuracy(estimate: Callable[[Array, Array, Ids], Array], gram: Array, scores: Array, seeds: Ids) -> float:
    folds = min(FOLDS, len(np.unique(seeds)))
    if folds < 2:
        return 0.5
    parts = [
        _fold(estimate, gram, scores, seeds, train, test)
        for train, test in GroupKFold(folds, shuffle=True, random_state=0).split(scores, groups=seeds)
    ]
    right = np.sum(parts, axis=0)
    per_class = [hits / total for hits, total in right if total]
    return float(np.mean(per_class)) if per_class else 0.5


def _fold(
    estimate: Callable[[Array, Array, Ids], Array], gram: Array, scores: Array, seeds: Ids, train: Ids, test: Ids
) -> Array:
    """(kinds, 2): how many of each kind were right, and how many there were."""
    upper = scores > scores.mean()
    if len(np.unique(scores[train])) < 2:
        alpha = np.zeros(len(train))  # a class too rare to be learnt without these images: nothing can be told
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
    right = (1 + np.where(np.abs(projection - threshold) < 1e-12, 0, said)) / 2
    return np.array([[right[side].sum(), side.sum()] for side in (upper[test], ~upper[test])])


def _ranked(projection: Array, scores: Array) -> Array:
    """Pairs in the right order among all pairs of different score; ties count half."""
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
