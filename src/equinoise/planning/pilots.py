"""What pilots showed: one by one, and all of them as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from equinoise.axes import UNCLEAR_INDEX
from equinoise.planning.basis import Array, Basis
from equinoise.planning.response import Integers
from equinoise.results.plans import EarlyStops
from equinoise.steering.early_classifier import Early

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
        certain: axis → class, where the early check was certain of every axis: the labels of a run that was stopped
            there, and for any other run what the labels are compared with.
        unbiased: whether the run went to its end whatever the early check said.
        spent: its denoiser calls, as a fraction of those of a whole run.
    """

    labels: Mapping[str, str]
    faithful: bool | None = None
    predicted: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    latents: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)
    certain: Mapping[str, str] | None = None
    unbiased: bool = True
    spent: float = 1.0


@dataclass(frozen=True, eq=False)
class Pilots:
    """All pilots so far, as arrays; the attributes of `Pilot` for n of them.

    Attributes:
        weights: (n, m) shifts.
        positions: (n, m) where the noise lies after them.
        labels: axis → class numbers (n,).
        faithful: (n,) 1, 0, or NaN where it is not known.
        early: what was read during the runs.
        certain: axis → class numbers (n,), `UNCLEAR_INDEX` where the early check was not certain.
        unbiased: (n,).
        spent: (n,).
    """

    weights: Array
    positions: Array
    labels: Mapping[str, Integers]
    faithful: Array
    early: Early
    certain: Mapping[str, Integers]
    unbiased: NDArray[np.bool_]
    spent: Array

    @classmethod
    def gathered(
        cls,
        asked: Sequence[tuple[Array, int]],
        seen: Sequence[Pilot],
        basis: Basis,
        classes: Mapping[str, Sequence[str]],
    ) -> Pilots:
        """What was seen under shifts (m,) from seeds; `classes` by axis."""
        weights = np.stack([arm for arm, _ in asked])
        return cls(
            weights=weights,
            positions=basis.positions([seed for _, seed in asked]) + weights,
            labels=cls._numbered([found.labels for found in seen], classes),
            faithful=np.array([np.nan if found.faithful is None else float(found.faithful) for found in seen]),
            early=cls._early(seen, classes),
            certain=cls._numbered([found.certain or dict.fromkeys(classes, "") for found in seen], classes),
            unbiased=np.array([found.unbiased for found in seen]),
            spent=np.array([found.spent for found in seen]),
        )

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def arms(self) -> Integers:
        """(n,) a number for each different shift."""
        found: Integers = np.unique(self.weights, axis=0, return_inverse=True)[1].ravel()
        return found

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """(n,) whether they were stopped early, without an image."""
        return self._all_certain & ~self.unbiased

    @property
    def stopped_early(self) -> EarlyStops:
        """How many were stopped, and how reliable that was."""
        checked = self._all_certain & self.unbiased
        wrong = checked & np.any([self.labels[name] != certain for name, certain in self.certain.items()], axis=0)
        return EarlyStops(images=int(self.stopped.sum()), checked=int(checked.sum()), wrong=int(wrong.sum()))

    @property
    def _all_certain(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.all([certain != UNCLEAR_INDEX for certain in self.certain.values()], axis=0)
        return found

    @property
    def unbiased_sample(self) -> Pilots:
        """Those that went to their end whatever the early check said."""
        return self.where(self.unbiased)

    def expected_fidelity(self, weights: Array) -> Array | None:
        """Expected share (J,) of images that keep the concept under shifts (J, m); None where it is not known.

        A logit that falls with the nats of the shift. Weak normal priors: about 0.95 untouched, and a hundredth of a
        logit a nat.
        """
        known = ~np.isnan(self.faithful)
        if not known.any():
            return None
        nats, faithful = (self.weights[known] ** 2).sum(1) / 2, self.faithful[known]
        first = np.array([3.0, -4.6])

        def loss(theta: Array) -> float:
            p = np.clip(expit(theta[0] - np.exp(theta[1]) * nats), 1e-9, 1 - 1e-9)
            log_likelihood = (faithful * np.log(p) + (1 - faithful) * np.log1p(-p)).sum()
            return float((((theta - first) / 2) ** 2).sum() / 2 - log_likelihood)

        theta = optimize.minimize(loss, first, method="Nelder-Mead").x
        found: Array = expit(theta[0] - np.exp(theta[1]) * (weights**2).sum(1) / 2)
        return found

    def where(self, mask: NDArray[np.bool_]) -> Pilots:
        """Those of a mask (n,)."""
        read = {step: self._where(found, mask) for step, found in self.early.predicted.items()}
        return Pilots(
            weights=self.weights[mask],
            positions=self.positions[mask],
            labels=self._where(self.labels, mask),
            faithful=self.faithful[mask],
            early=Early(read, self._where(self.early.latents, mask)),
            certain=self._where(self.certain, mask),
            unbiased=self.unbiased[mask],
            spent=self.spent[mask],
        )

    def joined(self, after: Pilots) -> Pilots:
        """These, and those of a later round."""
        later = after.early.predicted
        read = {step: self._joined(own, later[step]) for step, own in self.early.predicted.items()}
        return Pilots(
            weights=np.concatenate([self.weights, after.weights]),
            positions=np.concatenate([self.positions, after.positions]),
            labels=self._joined(self.labels, after.labels),
            faithful=np.concatenate([self.faithful, after.faithful]),
            early=Early(read, self._joined(self.early.latents, after.early.latents)),
            certain=self._joined(self.certain, after.certain),
            unbiased=np.concatenate([self.unbiased, after.unbiased]),
            spent=np.concatenate([self.spent, after.spent]),
        )

    @staticmethod
    def _early(seen: Sequence[Pilot], classes: Mapping[str, Sequence[str]]) -> Early:
        """At the steps at which all of them were read."""

        def read(step: int, axis: str, own: Sequence[str]) -> Array:
            return np.array([[found.predicted[step][axis][label] for label in own] for found in seen], np.float64)

        predicted = set.intersection(*(set(found.predicted) for found in seen))
        captured = set.intersection(*(set(found.latents) for found in seen))
        return Early(
            {step: {axis: read(step, axis, own) for axis, own in classes.items()} for step in sorted(predicted)},
            {step: np.stack([found.latents[step] for found in seen]) for step in sorted(captured)},
        )

    @staticmethod
    def _numbered(labels: Sequence[Mapping[str, str]], classes: Mapping[str, Sequence[str]]) -> dict[str, Integers]:
        """Axis → class numbers (n,); what is no class is unclear."""
        index = {axis: {name: number for number, name in enumerate(own)} for axis, own in classes.items()}
        return {
            axis: np.array([numbers.get(row[axis], UNCLEAR_INDEX) for row in labels], np.int64)
            for axis, numbers in index.items()
        }

    @staticmethod
    def _where(arrays: Mapping[K, NDArray[D]], mask: NDArray[np.bool_]) -> dict[K, NDArray[D]]:
        return {key: array[mask] for key, array in arrays.items()}

    @staticmethod
    def _joined(before: Mapping[K, NDArray[D]], after: Mapping[K, NDArray[D]]) -> dict[K, NDArray[D]]:
        return {key: np.concatenate([own, after[key]]) for key, own in before.items()}
