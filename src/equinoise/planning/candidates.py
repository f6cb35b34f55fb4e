"""What a plan may do to an image, and what is expected of it: a shift, and perhaps a selection of draws.

Under a shift the final classes of all axes together have the table P(c), and the look predicts ĉ with P(ĉ | c), its
confusion, taken to be the same under every shift and to err on each axis by itself. Where draws are kept whose ĉ lies
in a set S (a product of sets of classes, an axis each), of a draw

    P(kept) = Σ_c P(c) Π_axis P(ĉ_axis ∈ S_axis | c_axis) = π,   P(c | kept) ∝ P(c) P(kept | c).

After at most M draws, the last taken whatever it shows, an image has the shares

    (1 − (1 − π)^(M−1)) P(c | kept) + (1 − π)^(M−1) P(c)   and took   (1 − (1 − π)^M)/π   draws.

A mixture of sets is as good as any probabilities of acceptance: with a look that is always right, to bring two classes
to 50/50 from p < 1/2 it keeps the rarer class alone for (½ − p)/(1 − p) of the images, which takes 0.5/p − 1 early
runs an image; and its shares hang less on p being known than those of acceptance by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.engine.jobs import Keep
from equinoise.planning.joint_response import Table
from equinoise.planning.response import Array
from equinoise.statistics import Confusion
from equinoise.steering.early_classifier import EarlyClassifier, smoothed
from equinoise.understanding.targets import Target

SETS = 128
"""Sets of kept classes that are tried under each shift, at most about so many."""
RICH = 5
"""Of axes with as many classes every set is tried; of larger ones single classes and all but one."""
LEAST_KEPT = 0.1
"""A selection that keeps fewer draws is too dear to be offered."""
CELLS = 64
"""Axes with more classes together are not selected on: pilots could not tell their table."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """J candidates: shifts (J, m), and what of their draws is kept."""

    weights: Array
    keeps: tuple[Keep, ...]

    def __len__(self) -> int:
        return len(self.keeps)

    @cached_property
    def arms(self) -> tuple[Array, NDArray[np.int64]]:
        """The different shifts (U, m), and which of them each offer has (J,)."""
        arms, place = np.unique(self.weights, axis=0, return_inverse=True)
        return arms, place.ravel()

    @cached_property
    def sets(self) -> tuple[list[Keep], NDArray[np.int64]]:
        """The different sets, and which of them each offer has (J,)."""
        known: dict[tuple[tuple[str, tuple[str, ...]], ...], int] = {}
        which = [known.setdefault(tuple(sorted(keep.items())), len(known)) for keep in self.keeps]
        return [dict(key) for key in known], np.array(which)

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> Candidates:
        """Some of them."""
        return Candidates(self.weights[np.asarray(rows, int)], tuple(self.keeps[int(row)] for row in rows))


@dataclass(frozen=True)
class Price:
    """What a look costs on a model: calls of a whole run, and whether a run can go on from held latents."""

    calls: int
    resumable: bool


@dataclass(frozen=True, eq=False)
class Expectation:
    """Tables of targets and wishes by name; with a look also what selection makes of them.

    `together` is the table of all axes of the look, `confusions` those of the detector by which tables of one axis were
    corrected.
    """

    tables: Mapping[str, Table]
    look: EarlyClassifier | None = None
    together: Table | None = None
    price: Price | None = None
    confusions: Mapping[str, Confusion] | None = None

    def expected(self, target: Target, candidates: Candidates) -> Array:
        """(J, cells) shares of the target's cells."""
        arms, place = candidates.arms
        base = self.tables[target.name].expected(arms)
        if self.look is None or self.together is None:
            return base[place]
        rates = {axis.name: self.look.rates(axis.name) for axis in self.look.axes}
        return self._selected(target, candidates, base, self.together.expected(arms), rates, place)

    def drawn(self, target: Target, candidates: Candidates, number: int, seed: int = 0) -> Array:
        """(number, J, cells) under other parameters and confusions of the look that the pilots allow."""
        arms, place = candidates.arms
        base = self.tables[target.name].drawn(arms, number, seed)
        if self.look is None or self.together is None:
            return base[:, place]
        joint, rng = self.together.drawn(arms, number, seed), np.random.default_rng([seed, 1])
        found = []
        for own, all_axes in zip(base, joint, strict=True):
            rates = {axis.name: _drawn_rates(self.look, axis.name, rng) for axis in self.look.axes}
            found.append(self._selected(target, candidates, own, all_axes, rates, place))
        return np.stack(found) if found else np.zeros((0, len(candidates), base.shape[-1]))

    def draws(self, candidates: Candidates) -> Array:
        """(J,) expected draws of an image."""
        if self.look is None or self.together is None:
            return np.ones(len(candidates))
        arms, place = candidates.arms
        rates = {axis.name: self.look.rates(axis.name) for axis in self.look.axes}
        keeps, which = candidates.sets
        kept = (self.together.expected(arms) @ _accepts(self.look.axes, keeps, rates).T)[place, which]
        found: Array = (1 - (1 - kept) ** self.look.most) / kept
        return found

    def extra(self, candidates: Candidates) -> Array:
        """(J,) expected denoiser calls of an image beyond those of a whole run, as a share of these."""
        if self.look is None or self.price is None:
            return np.zeros(len(candidates))
        looked = np.array([bool(keep) for keep in candidates.keeps])
        calls = (self.draws(candidates) - self.price.resumable) * (self.look.step + 1)
        return np.where(looked, calls / self.price.calls, 0.0)

    def _selected(
        self,
        target: Target,
        candidates: Candidates,
        base: Array,
        joint: Array,
        rates: Mapping[str, Array],
        place: NDArray[np.int64],
    ) -> Array:
        assert self.look is not None
        keeps, which = candidates.sets
        accepts, cells = _accepts(self.look.axes, keeps, rates), _cells_of(target, self.look.axes)
        whole = np.maximum(joint @ cells, 1e-12)
        given = np.einsum("uc,sc,ct->ust", joint, accepts, cells) / whole[:, None]
        if len(target.axes) == 1 and self.confusions and target.name in self.confusions:
            clear = smoothed(np.array(self.confusions[target.name].counts, np.float64))[:, :-1]
            given = given @ (clear / clear.sum(axis=1, keepdims=True)).T
        own, chance = base[place], given[place, which]
        selected = own * chance
        kept = selected.sum(axis=1, keepdims=True)
        missed = (1 - np.minimum(kept, 1)) ** (self.look.most - 1)
        shares: Array = (1 - missed) * selected / np.maximum(kept, 1e-12) + missed * own
        return shares


def without_rejection(weights: Array) -> Candidates:
    """Shifts alone (J, m)."""
    return Candidates(weights, ({},) * len(weights))


def with_rejection(weights: Array, expectation: Expectation) -> Candidates:
    """Every shift (J, m) with every set of kept classes that is not too dear, and without one."""
    look = expectation.look
    if look is None:
        return without_rejection(weights)
    keeps = [{}, *sets_of(look.axes)]
    candidates = Candidates(np.repeat(weights, len(keeps), axis=0), tuple(keeps) * len(weights))
    return candidates.rows(np.flatnonzero(expectation.draws(candidates) <= 1 / LEAST_KEPT))


def sets_of(axes: Sequence[Axis]) -> list[Keep]:
    """Sets of classes to keep, an axis each and axes together; whole axes are left out of them."""
    if prod(len(axis.classes) for axis in axes) > CELLS:
        return []
    ways = [[(), *_subsets(axis)] for axis in axes]
    if prod(map(len, ways)) <= SETS:
        chosen = list(product(*ways))
    else:  # one axis at a time
        chosen = [tuple(part if i == j else () for j in range(len(axes))) for i, own in enumerate(ways) for part in own]
    named = [{a.name: part for a, part in zip(axes, parts, strict=True) if part} for parts in chosen]
    return [keep for keep in named if keep]


def _subsets(axis: Axis) -> list[tuple[str, ...]]:
    k = len(axis.classes)
    sizes = range(1, k) if k <= RICH else (1, k - 1)
    return [part for size in sizes for part in combinations(axis.classes, size)]


def _accepts(axes: Sequence[Axis], keeps: Sequence[Keep], rates: Mapping[str, Array]) -> Array:
    """(S, cells) P(kept | final classes), the first axis varying slowest."""
    rows = []
    for keep in keeps:
        row = np.ones(1)
        for axis in axes:
            columns = [axis.classes.index(label) for label in keep.get(axis.name, ())]
            own = rates[axis.name][:, columns].sum(axis=1) if columns else np.ones(len(axis.classes))
            row = np.outer(row, own).ravel()
        rows.append(row)
    return np.stack(rows)


def _cells_of(target: Target, axes: Sequence[Axis]) -> Array:
    """(cells of all axes, cells of the target): 1 where the one lies in the other."""
    names = [axis.name for axis in axes]
    places = [names.index(axis.name) for axis in target.axes]
    own = list(product(*(axis.classes for axis in target.axes)))
    cells = product(*(axis.classes for axis in axes))
    return np.array([[float(tuple(cell[i] for i in places) == other) for other in own] for cell in cells])


def _drawn_rates(look: EarlyClassifier, axis: str, rng: np.random.Generator) -> Array:
    counts = np.array(look.confusions[axis], np.float64)
    return np.stack([rng.dirichlet(row + 1 / len(row)) for row in counts])
