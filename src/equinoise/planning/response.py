"""Responses: the share of each class as a function of the shift, fitted on few pilot images.

**What is fitted.** Let d₁ … d_m be orthonormal directions and uᵢ = z·dᵢ what the noise of an image has of them: its
*position*, known before anything is drawn, standard normal over seeds. A shift by w moves the position to v = u + w and
leaves the rest of the noise as it was, and the rest is independent of u. So for any model whatever

    P(class | w) = E_u[g(u + w)],   g(v) = P(class | position v),

and images under any shift, untouched ones too, are data for the one function g. That is what shared seeds are used for
elsewhere: a seed's luck along the directions is no noise here.

**The form of g.** For two classes and for scales a cumulative probit in v. In its marginal terms (κ the thresholds of
the untouched images, c the cosines with what moves the class) it reads

    P(class ≤ k | v) = Φ((κ_k − c·v)/√(1 − |c|²)),   P(class ≤ k | w) = Φ(κ_k − c·w),

which is monotone in w along every direction, and exact on the mixture where classes lie on a line. For more classes
without an order it is a multinomial logit in v, averaged over u.

**Shrinkage.** Normal priors on κ, on the steps between thresholds and on the slopes keep it finite where a class was
not seen or a direction tells everything. The most probable parameters are taken, with the normal approximation about
them; where the pilots disagree with the form more than chance allows, its spread is widened by as much (`Fit.spread`).
A scale whose classes do not lie in their order along the directions is better told by the logit: of the two forms the
one with the smaller AIC is taken (`better_response`).

**The detector.** Unclear images are left out. Where its confusion matrix M is known, the others have
P(seen j | v) = Σ_k g_k(v) M_kj / Σ_k g_k(v) (1 − M_k,unclear), so that g and all shares are of the true classes, among
images that show one; without M they are of what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats
from torch import Tensor

from equinoise.statistics import Confusion

Array = NDArray[np.float64]
UNCLEAR_INDEX = -1
"""The label of an image that shows no class plainly."""

NODES = 512
"""Positions that shares without a formula are averaged over."""
THRESHOLD, GAP, SLOPE = 2.0, 1.5, 2.0
"""Standard deviations of the priors: of thresholds (z-scores), of the logarithm of a step between them, of slopes."""
FEW = 5
"""Pilots with fewer expected images than this in a class are judged together."""


@dataclass(frozen=True)
class Form:
    """What kind of g: K classes over m directions; `given` classes of other axes that it is conditional on, or 0."""

    classes: int
    ordered: bool
    directions: int
    given: int = 0

    @property
    def probit(self) -> bool:
        """Two classes and scales have the probit, more classes without an order the logit."""
        return self.ordered or self.classes == 2

    @property
    def free(self) -> int:
        """Parameters that the shares hang on: of a logit's rows only differences count."""
        return self.size if self.probit else self.size - self.size // self.classes

    @property
    def size(self) -> int:
        """Parameters."""
        if self.probit:
            return self.classes - 1 + self.directions + self.given
        return self.classes * (1 + self.directions + self.given)


@dataclass(frozen=True, eq=False)
class Pilots:
    """What was seen: positions v (n, m) after the shift, a label each (`UNCLEAR_INDEX`: unclear), and the arm.

    `arms` (n,) numbers the interventions, by which the fit is checked.
    """

    positions: Array
    labels: NDArray[np.int64]
    arms: NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """Do the pilots agree with the form? χ² over arms and classes against what g expects, and what it widened."""

    chi2: float
    df: int
    p: float

    @property
    def spread(self) -> float:
        """What standard deviations are multiplied by; 1 where the form fits."""
        return float(max(1.0, self.chi2 / self.df)) ** 0.5 if self.p < 0.05 and self.df else 1.0


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted g: its parameters, their covariance, and how well it fits."""

    form: Form
    theta: Array
    covariance: Array
    fit: Fit
    aic: float

    @property
    def slopes(self) -> Array:
        """c (m,), as of the module's formula; of a logit (K, m) the slopes of each class."""
        f = self.form
        if f.probit:
            return _cosines(torch.from_numpy(self.theta), f).numpy()
        rows: Array = self.theta.reshape(f.classes, -1)[:, 1 : 1 + f.directions]
        return rows

    def shares(self, weights: Array, theta: Array | None = None) -> Array:
        """Expected shares (J, K) under shifts (J, m)."""
        chosen = torch.from_numpy(self.theta if theta is None else theta)
        if self.form.probit and not self.form.given:
            below = torch.special.ndtr(
                _thresholds(chosen, self.form) - (_t(weights) @ _cosines(chosen, self.form))[:, None]
            )
            return _steps(below).numpy()
        at = _t(weights)[:, None, :] + _t(nodes(self.form.directions))
        found = conditional(self.form, chosen, at.flatten(0, 1)).view(len(weights), -1, self.form.classes)
        return found.mean(1).numpy()

    def draws(self, number: int, seed: int = 0) -> Array:
        """(number, parameters) from the normal approximation, widened by the misfit."""
        root = np.linalg.cholesky(self.covariance + 1e-10 * np.eye(len(self.theta)))
        drawn: Array = (
            self.theta + self.fit.spread * np.random.default_rng(seed).standard_normal((number, len(root))) @ root.T
        )
        return drawn


def fit_response(
    form: Form,
    pilots: Pilots,
    confusion: Confusion | None = None,
    given: NDArray[np.int64] | None = None,
    start: Array | None = None,
) -> Response:
    """The most probable g, its curvature, and a check against the pilots.

    `given` (n,) are the classes of the axes it is conditional on; `start` parameters of an earlier fit.
    """
    rates = None if confusion is None else _t(_rates(confusion)[:, :-1])
    kept = pilots.labels != UNCLEAR_INDEX
    positions, labels = _t(pilots.positions[kept]), torch.from_numpy(pilots.labels[kept])
    known = None if given is None else torch.from_numpy(given[kept])

    def read(theta: Tensor) -> Tensor:
        """(n, K) what the detector says of images on which it says something."""
        found = conditional(form, theta, positions, known)
        if rates is None:
            return found
        found = found @ rates
        return found / found.sum(1, keepdim=True)

    def likely(theta: Tensor) -> Tensor:
        return read(theta).gather(1, labels[:, None]).clamp_min(1e-12).log().sum()

    def loss(theta: Tensor) -> Tensor:
        return _prior(form, theta) - likely(theta)

    def value_and_slope(theta: Array) -> tuple[float, Array]:
        at = torch.from_numpy(theta.copy()).requires_grad_()
        value = loss(at)
        (slope,) = torch.autograd.grad(value, at)
        return value.item(), slope.numpy()

    first = np.zeros(form.size) if start is None else start
    theta = np.asarray(optimize.minimize(value_and_slope, first, jac=True, method="BFGS").x, np.float64)
    hessian: Any = torch.autograd.functional.hessian  # that of torch.func imports a compiler, for a second and a half
    curvature = hessian(loss, torch.from_numpy(theta)).numpy()
    checked = _check(read(torch.from_numpy(theta)).numpy(), pilots.labels[kept], pilots.arms[kept], form.free)
    aic = 2 * (form.free - float(likely(torch.from_numpy(theta))))
    return Response(form, theta, _inverse(curvature), checked, aic)


def better_response(
    form: Form,
    pilots: Pilots,
    confusion: Confusion | None = None,
    given: NDArray[np.int64] | None = None,
    before: Response | None = None,
) -> Response:
    """As `fit_response`; of a scale without its order, where that has the smaller AIC. `before` is an earlier fit."""
    forms = [form] if not form.ordered or form.classes == 2 else [form, replace(form, ordered=False)]
    found = []
    for one in forms:
        start = before.theta if before is not None and before.form == one else None
        found.append(fit_response(one, pilots, confusion, given, start))
    return min(found, key=lambda response: response.aic)


def conditional(form: Form, theta: Tensor, positions: Tensor, given: Tensor | None = None) -> Tensor:
    """g: (n, K) at positions (n, m); `given` (n,) classes of the axes it is conditional on."""
    m, k = form.directions, form.classes
    if form.probit:
        cosines = _cosines(theta, form)
        rest = (1 - cosines.square().sum()).clamp_min(1e-6).sqrt()
        place = positions @ cosines
        if given is not None:
            place = place + theta[k - 1 + m :][given]
        return _steps(torch.special.ndtr((_thresholds(theta, form) - place[:, None]) / rest))
    rows = theta.view(k, -1)
    logits = rows[:, 0] + positions @ rows[:, 1 : 1 + m].T
    if given is not None:
        logits = logits + rows[:, 1 + m :].T[given]
    return logits.softmax(1)


@cache
def nodes(directions: int) -> Array:
    """(NODES, m) quasi-random standard normal positions: Sobol points, scrambled with a fixed seed."""
    points = stats.qmc.Sobol(directions, seed=np.random.default_rng(0)).random(NODES)
    found: Array = stats.norm.ppf(np.clip(points, 1e-9, 1 - 1e-9))
    return found


def _thresholds(theta: Tensor, form: Form) -> Tensor:
    """κ, rising: the first, then steps as logarithms."""
    steps = theta[1 : form.classes - 1].exp()
    return theta[0] + torch.cat([torch.zeros(1, dtype=theta.dtype), steps.cumsum(0)])


def _cosines(theta: Tensor, form: Form) -> Tensor:
    """c = b/√(1 + |b|²), within the unit ball whatever b."""
    b = theta[form.classes - 1 : form.classes - 1 + form.directions]
    return b / (1 + b.square().sum()).sqrt()


def _prior(form: Form, theta: Tensor) -> Tensor:
    """Minus the logarithm of the prior, up to a constant. Steps are about as wide as five even classes have them."""
    if not form.probit:
        return theta.square().sum() / (2 * SLOPE**2)
    k = form.classes
    first, steps, slopes = theta[0] / THRESHOLD, (theta[1 : k - 1] + 0.4) / GAP, theta[k - 1 :] / SLOPE
    return (first.square() + steps.square().sum() + slopes.square().sum()) / 2


def _steps(below: Tensor) -> Tensor:
    """P(class ≤ k) for k < K → P(class k)."""
    edge = torch.zeros_like(below[:, :1])
    return torch.diff(torch.cat([edge, below, edge + 1], dim=1), dim=1)


def _rates(confusion: Confusion) -> Array:
    """Rows of the confusion matrix as rates, one image shared by the columns added, as in `statistics.correct`."""
    counts = np.asarray(confusion.counts, np.float64) + 1 / (len(confusion.classes) + 1)
    rates: Array = counts / counts.sum(axis=1, keepdims=True)
    return rates


def _check(expected: Array, labels: NDArray[np.int64], arms: NDArray[np.int64], parameters: int) -> Fit:
    """χ² of counts by arm and class; cells that expect few are judged together."""
    seen = np.eye(expected.shape[1])[labels]
    found, wanted, rest = list[float](), list[float](), np.zeros(2)
    groups = np.unique(arms)
    for arm in groups:
        here = arms == arm
        for got, due in zip(seen[here].sum(0), expected[here].sum(0), strict=True):
            if due >= FEW:
                found.append(got)
                wanted.append(due)
            else:
                rest += got, due
    if rest[1] >= FEW:
        found.append(rest[0])
        wanted.append(rest[1])
    chi2 = float(((np.array(found) - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum())
    df = max(0, len(found) - len(groups) - parameters)
    return Fit(chi2, df, float(stats.chi2.sf(chi2, df)) if df else 1.0)


def _inverse(curvature: Array) -> Array:
    """Inverse of the curvature; directions in which it is flat or bent the wrong way get the prior's."""
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    inverse: Array = vectors / np.maximum(values, 1 / SLOPE**2) @ vectors.T
    return inverse


def _t(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float64))


def encode(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Class names → numbers; what is no class is unclear."""
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index.get(label, UNCLEAR_INDEX) for label in labels], np.int64)
