"""Candidates: what a plan may do to an image (a shift, and perhaps rejection sampling), and what is expected of it.

Under a shift the final classes of all axes together have the shares P(c), and the early classifier predicts ĉ with the
confusion P(ĉ | c), taken to be the same under every shift and independent from axis to axis. Where attempts are
accepted whose ĉ lies in a set S (a product of sets of classes, one an axis), an attempt has

    P(accepted) = Σ_c P(c) Π_axis P(ĉ_axis ∈ S_axis | c_axis) = π,   P(c | accepted) ∝ P(c) P(accepted | c).

With at most M attempts, of which the last is taken whatever is predicted, an image has the shares

    (1 − (1 − π)^(M−1)) P(c | accepted) + (1 − π)^(M−1) P(c)   and takes   (1 − (1 − π)^M)/π   attempts.

A mixture of sets is as good as any probabilities of acceptance: with a classifier that is always right, to bring two
classes to 50/50 from p < 1/2 it accepts the rarer class alone for (½ − p)/(1 − p) of the images, which takes 0.5/p − 1
early runs an image; and its shares depend less on p being known than those of acceptance by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.engine.jobs import Accepted
from equinoise.planning.response import Array, JointResponse
from equinoise.planning.solver import Goal
from equinoise.statistics import Confusion
from equinoise.steering.early_classifier import EarlyClassifier, smoothed
from equinoise.understanding.targets import Target

SETS = 128
"""Sets of accepted classes that are tried under each shift, at most about so many."""
RICH = 5
"""Of axes with as many classes every set is tried; of larger ones single classes and all but one."""
LEAST_ACCEPTED = 0.1
"""A set that accepts a smaller share of the attempts costs too much to be a candidate."""
CELLS = 64
"""Axes with more classes together have no rejection sampling: pilots could not tell their joint shares."""

Rates = Mapping[str, Array]
"""Axis → (K, K + 1) P(predicted | final class), the last column unclear."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """J candidates: shifts (J, m), and which predicted classes are accepted under each (empty: the first attempt)."""

    weights: Array
    accepted: tuple[Accepted, ...]

    def __len__(self) -> int:
        return len(self.accepted)

    @classmethod
    def without_rejection(cls, weights: Array) -> Candidates:
        """Shifts alone (J, m)."""
        return cls(weights, ({},) * len(weights))

    @staticmethod
    def acceptance_sets(axes: Sequence[Axis]) -> list[Accepted]:
        """Sets of classes to accept, of one axis and of axes together; an axis that accepts all is left out."""
        if prod(len(axis.classes) for axis in axes) > CELLS:
            return []
        ways: list[list[tuple[str, ...]]] = []
        for axis in axes:
            k = len(axis.classes)
            sizes = range(1, k) if k <= RICH else (1, k - 1)
            ways.append([(), *(part for size in sizes for part in combinations(axis.classes, size))])
        if prod(map(len, ways)) <= SETS:
            chosen = list(product(*ways))
        else:  # one axis at a time
            n = range(len(axes))
            chosen = [tuple(part if i == j else () for j in n) for i, own in enumerate(ways) for part in own]
        named = [{a.name: part for a, part in zip(axes, parts, strict=True) if part} for parts in chosen]
        return [accepted for accepted in named if accepted]

    @cached_property
    def arms(self) -> tuple[Array, NDArray[np.int64]]:
        """The different shifts (U, m), and which of them each candidate has (J,)."""
        arms, place = np.unique(self.weights, axis=0, return_inverse=True)
        return arms, place.ravel()

    @cached_property
    def sets(self) -> tuple[list[Accepted], NDArray[np.int64]]:
        """The different sets of accepted classes, and which of them each candidate has (J,)."""
        known: dict[tuple[tuple[str, tuple[str, ...]], ...], int] = {}
        which = [known.setdefault(tuple(sorted(accepted.items())), len(known)) for accepted in self.accepted]
        return [dict(key) for key in known], np.array(which)

    @property
    def rejecting(self) -> NDArray[np.bool_]:
        """(J,) whether attempts may be rejected."""
        return np.array([bool(accepted) for accepted in self.accepted])

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> Candidates:
        """Some of them."""
        return Candidates(self.weights[np.asarray(rows, int)], tuple(self.accepted[int(row)] for row in rows))


@dataclass(frozen=True)
class RunCalls:
    """Denoiser calls of a whole run, and whether a run can be resumed from held latents."""

    whole: int
    resumable: bool


@dataclass(frozen=True, eq=False)
class RejectionSampling:
    """What acceptance by an early classifier makes of the shares, and what it costs.

    Attributes:
        classifier: predicts the classes of the final image after a few steps.
        joint: fitted shares of all its axes together.
        calls: what a run costs on the model.
        confusions: axis → confusion matrix of the detector, by which the shares of that axis alone were corrected.
    """

    classifier: EarlyClassifier
    joint: JointResponse
    calls: RunCalls
    confusions: Mapping[str, Confusion] = field(default_factory=dict)

    @property
    def rates(self) -> Rates:
        """As counted on the pilots."""
        return {axis.name: self.classifier.rates(axis.name) for axis in self.classifier.axes}

    def sampled_rates(self, rng: np.random.Generator) -> Rates:
        """Other rates that the counts allow: a draw from a Dirichlet distribution for each final class."""
        counts = {a.name: np.array(self.classifier.confusions[a.name], np.float64) for a in self.classifier.axes}
        return {name: np.stack([rng.dirichlet(row + 1 / len(row)) for row in table]) for name, table in counts.items()}

    def candidates(self, weights: Array) -> Candidates:
        """Every shift (J, m) with every set of accepted classes that does not cost too much, and without one."""
        sets = [{}, *Candidates.acceptance_sets(self.classifier.axes)]
        candidates = Candidates(np.repeat(weights, len(sets), axis=0), tuple(sets) * len(weights))
        return candidates.rows(np.flatnonzero(self.attempts(candidates) <= 1 / LEAST_ACCEPTED))

    def attempts(self, candidates: Candidates) -> Array:
        """(J,) expected attempts at an image."""
        (arms, place), (sets, which) = candidates.arms, candidates.sets
        accepted = (self.joint.expected(arms) @ self._acceptance(sets, self.rates).T)[place, which]
        attempts: Array = (1 - (1 - accepted) ** self.classifier.most_attempts) / accepted
        return attempts

    def extra_calls(self, candidates: Candidates) -> Array:
        """(J,) expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        calls = (self.attempts(candidates) - self.calls.resumable) * (self.classifier.step + 1)
        return np.where(candidates.rejecting, calls / self.calls.whole, 0.0)

    def shares(self, target: Target, candidates: Candidates, own: Array, joint: Array, rates: Rates) -> Array:
        """(J, cells of the target) shares of images.

        `own` (U, cells of the target) and `joint` (U, cells of all axes) are shares under each different shift.
        """
        (_, place), (sets, which) = candidates.arms, candidates.sets
        acceptance, within = self._acceptance(sets, rates), self._cells_within(target)
        whole = np.maximum(joint @ within, 1e-12)
        given = np.einsum("uc,sc,ct->ust", joint, acceptance, within) / whole[:, None]
        if len(target.axes) == 1 and target.name in self.confusions:  # acceptance by the true class, not the seen one
            clear = smoothed(np.array(self.confusions[target.name].counts, np.float64))[:, :-1]
            given = given @ (clear / clear.sum(axis=1, keepdims=True)).T
        before = own[place]
        among = before * given[place, which]
        accepted = among.sum(axis=1, keepdims=True)
        missed = (1 - np.minimum(accepted, 1)) ** (self.classifier.most_attempts - 1)
        shares: Array = (1 - missed) * among / np.maximum(accepted, 1e-12) + missed * before
        return shares

    def _acceptance(self, sets: Sequence[Accepted], rates: Rates) -> Array:
        """(S, cells) P(accepted | final classes), the first axis varying slowest."""
        rows = []
        for accepted in sets:
            row = np.ones(1)
            for axis in self.classifier.axes:
                columns = [axis.classes.index(label) for label in accepted.get(axis.name, ())]
                own = rates[axis.name][:, columns].sum(axis=1) if columns else np.ones(len(axis.classes))
                row = np.outer(row, own).ravel()
            rows.append(row)
        return np.stack(rows)

    def _cells_within(self, target: Target) -> Array:
        """(cells of all axes, cells of the target): 1 where the one lies in the other."""
        axes = self.classifier.axes
        places = [[axis.name for axis in axes].index(axis.name) for axis in target.axes]
        own = list(product(*(axis.classes for axis in target.axes)))
        cells = product(*(axis.classes for axis in axes))
        return np.array([[float(tuple(cell[i] for i in places) == other) for other in own] for cell in cells])


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is expected of candidates: fitted shares by name of the target, and rejection sampling where it is used."""

    responses: Mapping[str, JointResponse]
    rejection: RejectionSampling | None = None

    def candidates(self, weights: Array) -> Candidates:
        """What may be done under shifts (J, m)."""
        return self.rejection.candidates(weights) if self.rejection else Candidates.without_rejection(weights)

    def expected(self, target: Target, candidates: Candidates) -> Array:
        """(J, cells) shares of the target's cells."""
        arms, place = candidates.arms
        own = self.responses[target.name].expected(arms)
        if self.rejection is None:
            return own[place]
        joint = self.rejection.joint.expected(arms)
        return self.rejection.shares(target, candidates, own, joint, self.rejection.rates)

    def sampled(self, target: Target, candidates: Candidates, number: int, seed: int = 0) -> Array:
        """(number, J, cells) the same under posterior samples of the responses and of the classifier's confusion."""
        arms, place = candidates.arms
        own = self.responses[target.name].sampled(arms, number, seed)
        if self.rejection is None:
            return own[:, place]
        joint, rng = self.rejection.joint.sampled(arms, number, seed), np.random.default_rng([seed, 1])
        found = [
            self.rejection.shares(target, candidates, one, together, self.rejection.sampled_rates(rng))
            for one, together in zip(own, joint, strict=True)
        ]
        return np.stack(found) if found else np.zeros((0, len(candidates), own.shape[-1]))

    def goal(self, target: Target, candidates: Candidates, samples: int, weight: float | None = None) -> Goal:
        """A target for the solver, with so many posterior samples; with a weight a soft target."""
        wanted, expected = np.array(list(target.shares.values())), self.expected(target, candidates)
        return Goal(wanted, expected, self.sampled(target, candidates, samples), weight)

    def attempts(self, candidates: Candidates) -> Array:
        """(J,) expected attempts at an image; 1 without rejection sampling."""
        if self.rejection is None:
            return np.ones(len(candidates))
        return np.where(candidates.rejecting, self.rejection.attempts(candidates), 1.0)

    def extra_calls(self, candidates: Candidates) -> Array:
        """(J,) expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        return self.rejection.extra_calls(candidates) if self.rejection else np.zeros(len(candidates))
