"""What pilots showed: one by one, and all of them as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equinoise.planning.basis import Basis
from equinoise.planning.response import UNCLEAR_INDEX, Array, encode
from equinoise.steering.looking import Early

K = TypeVar("K")
D = TypeVar("D", bound=np.generic)


@dataclass(frozen=True)
class Pilot:
    """What one pilot image showed.

    Attributes:
        labels: axis → class or `unclear`.
        faithful: whether its role is the one asked for, if known.
        predicted: step → axis → class → probability, read off the image that the model predicted there.
        latents: step → (*latent_shape).
        told: what an early look was certain of: the labels of a run that ended there, to be checked for any other.
        fair: whether it went to its end whatever it looked like.
        took: its denoiser calls, in those of a whole image.
    """

    labels: Mapping[str, str]
    faithful: bool | None = None
    predicted: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    latents: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)
    told: Mapping[str, str] | None = None
    fair: bool = True
    took: float = 1.0


@dataclass(frozen=True, eq=False)
class Pilots:
    """All pilots so far, as arrays.

    Attributes:
        weights: (n, m) shifts.
        positions: (n, m) where the noise lies after them.
        labels: axis → class numbers (n,).
        faithful: (n,) whether the role is the one asked for: 1, 0, or NaN where it is not known.
        early: what was seen of them on their way.
        told: axis → (n,) the class that an early look was certain of, `UNCLEAR_INDEX` where of none.
        fair: (n,) whether they went to their end whatever they looked like.
        took: (n,) their denoiser calls, in those of a whole image.
    """

    weights: Array
    positions: Array
    labels: Mapping[str, NDArray[np.int64]]
    faithful: Array
    early: Early
    told: Mapping[str, NDArray[np.int64]]
    fair: NDArray[np.bool_]
    took: Array

    @property
    def arms(self) -> NDArray[np.int64]:
        """(n,) a number for each different shift."""
        found: NDArray[np.int64] = np.unique(self.weights, axis=0, return_inverse=True)[1].ravel()
        return found

    @property
    def early_stopping(self) -> NDArray[np.bool_]:
        """(n,) whether an early look was certain of every class."""
        found: NDArray[np.bool_] = np.all([told != UNCLEAR_INDEX for told in self.told.values()], axis=0)
        return found

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(n,) whether they ended there, without an image."""
        found: NDArray[np.bool_] = self.early_stopping & ~self.fair
        return found

    def of(self, kept: NDArray[np.bool_]) -> Pilots:
        """Those of a mask (n,)."""
        early = Early(
            {step: _of(read, kept) for step, read in self.early.predicted.items()}, _of(self.early.latents, kept)
        )
        return Pilots(
            self.weights[kept], self.positions[kept], _of(self.labels, kept), self.faithful[kept], early,
            _of(self.told, kept), self.fair[kept], self.took[kept],
        )  # fmt: skip

    def joined(self, after: Pilots) -> Pilots:
        """These, and those of a later round."""
        read = after.early.predicted
        early = Early(
            {step: _joined(own, read[step]) for step, own in self.early.predicted.items()},
            _joined(self.early.latents, after.early.latents),
        )
        return Pilots(
            np.concatenate([self.weights, after.weights]),
            np.concatenate([self.positions, after.positions]),
            _joined(self.labels, after.labels),
            np.concatenate([self.faithful, after.faithful]),
            early,
            _joined(self.told, after.told),
            np.concatenate([self.fair, after.fair]),
            np.concatenate([self.took, after.took]),
        )


def gather(
    asked: Sequence[tuple[Array, int]], seen: Sequence[Pilot], basis: Basis, classes: Mapping[str, Sequence[str]]
) -> Pilots:
    """What was seen under shifts (m,) from seeds; `classes` by axis."""
    weights = np.stack([arm for arm, _ in asked])
    return Pilots(
        weights,
        basis.positions([seed for _, seed in asked]) + weights,
        _encoded([found.labels for found in seen], classes),
        np.array([np.nan if found.faithful is None else float(found.faithful) for found in seen]),
        _early(seen, classes),
        _encoded([found.told or dict.fromkeys(classes, "") for found in seen], classes),
        np.array([found.fair for found in seen]),
        np.array([found.took for found in seen]),
    )


def _early(seen: Sequence[Pilot], classes: Mapping[str, Sequence[str]]) -> Early:
    """At the steps at which all of them were looked at."""
    predicted = set.intersection(*(set(found.predicted) for found in seen))
    captured = set.intersection(*(set(found.latents) for found in seen))
    return Early(
        {
            step: {
                name: np.array([[found.predicted[step][name][label] for label in own] for found in seen], np.float64)
                for name, own in classes.items()
            }
            for step in sorted(predicted)
        },
        {step: np.stack([found.latents[step] for found in seen]) for step in sorted(captured)},
    )


def _encoded(labels: Sequence[Mapping[str, str]], classes: Mapping[str, Sequence[str]]) -> dict[str, NDArray[np.int64]]:
    return {name: encode([row[name] for row in labels], own) for name, own in classes.items()}


def _of(arrays: Mapping[K, NDArray[D]], kept: NDArray[np.bool_]) -> dict[K, NDArray[D]]:
    return {key: array[kept] for key, array in arrays.items()}


def _joined(before: Mapping[K, NDArray[D]], after: Mapping[K, NDArray[D]]) -> dict[K, NDArray[D]]:
    return {key: np.concatenate([own, after[key]]) for key, own in before.items()}
