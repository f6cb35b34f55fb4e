"""Responses: the share of each class as a function of the shift, fitted on few pilot images.

**What is fitted.** Let d₁ … d_m be orthonormal directions and uᵢ = z·dᵢ the projections of an image's initial noise z:
its *position*, known before anything is generated, and standard normal over seeds. A shift by w moves the position to
v = u + w and leaves the rest of the noise as it was, which is independent of u. So for any model

    P(class | w) = E_u[g(u + w)],   g(v) = P(class | position v),

and images under any shift, untouched ones too, are data for the one function g. Usually shared seeds are used to remove
the luck of a seed along the directions; here that luck is a known covariate.

**The form of g.** For two classes and for scales a cumulative probit in v. In its marginal terms (κ the thresholds of
the untouched images, c the cosines with what moves the class) it reads

    P(class ≤ k | v) = Φ((κ_k − c·v)/√(1 − |c|²)),   P(class ≤ k | w) = Φ(κ_k − c·w),

which is monotone in w along every direction, and exact on the mixture where classes lie on a line. For more classes
without an order it is a multinomial logit in v, averaged over u.

**Shrinkage.** Normal priors on κ, on the steps between thresholds and on the slopes keep the estimates finite where a
class was never seen or a direction separates the classes wholly. The posterior mode is taken, with the normal
approximation about it; where the pilots disagree with the form more than chance allows, the standard deviations are
widened accordingly (`ResponseFit.widened`). A scale whose classes do not lie in their order along the directions is
better described by the logit: of the two forms the one with the smaller AIC is taken (`better_response`).

**The detector.** Unclear images are left out. Where the detector's confusion matrix M is known, the others have
P(seen j | v) = Σ_k g_k(v) M_kj / Σ_k g_k(v) (1 − M_k,unclear), so that g and all shares are of the true classes, among
images that show one; without M they are of the classes that the detector saw.

**Several axes together** have a chain of responses, P(a, b | v) = P(a | v) · P(b | a, v): the second is conditional on
the class of the first axis as well, so that axes which depend on each other beyond the directions do so in the joint
shares too. Joint shares are of what the detector saw; only those of one axis are corrected for its errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats
from torch import Tensor

from equinoise.axes import UNCLEAR_INDEX, Axis
from equinoise.results.plans import ResponseFit
from equinoise.statistics import Confusion

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
NODES = 512
"""Positions over which shares without a formula are averaged."""
JOINT_NODES = 128
"""Positions over which joint shares of several axes are averaged."""
THRESHOLD, GAP, SLOPE = 2.0, 1.5, 2.0
"""Standard deviations of the priors: of thresholds (z-scores), of the logarithm of a step between them, of slopes."""
FEW = 5
"""Cells of arm and class with fewer expected images than this are pooled in the test of fit."""
SIGNIFICANT = 0.05
"""A form that is rejected at this level has its standard deviations widened."""


@dataclass(frozen=True)
class Form:
    """The parametric form of g: K classes over m directions.

    Attributes:
        given: number of classes (of the earlier axes of a chain) that g is conditional on; 0 for none.
    """

    classes: int
    ordered: bool
    directions: int
    given: int = 0

    @property
    def probit(self) -> bool:
        """Two classes and scales have the probit, more classes without an order the logit."""
        return self.ordered or self.classes == 2

    @property
    def size(self) -> int:
        """Number of parameters."""
        if self.probit:
            return self.classes - 1 + self.directions + self.given
        return self.classes * (1 + self.directions + self.given)

    @property
    def degrees(self) -> int:
        """Number of parameters that the shares depend on: of a logit's rows only the differences do."""
        return self.size if self.probit else self.size - self.size // self.classes

    def shares(self, theta: Tensor, positions: Tensor, given: Tensor | None = None) -> Tensor:
        """g: (n, K) at positions (n, m) under parameters `theta`; `given` (n,) are the classes it is conditional on."""
        m, k = self.directions, self.classes
        if self.probit:
            cosines = self.cosines(theta)
            rest = (1 - cosines.square().sum()).clamp_min(1e-6).sqrt()
            place = positions @ cosines
            if given is not None:
                place = place + theta[k - 1 + m :][given]
            return _differences(torch.special.ndtr((self.thresholds(theta) - place[:, None]) / rest))
        rows = theta.view(k, -1)
        logits = rows[:, 0] + positions @ rows[:, 1 : 1 + m].T
        if given is not None:
            logits = logits + rows[:, 1 + m :].T[given]
        return logits.softmax(1)

    def thresholds(self, theta: Tensor) -> Tensor:
        """κ of a probit, rising: the first parameter, then steps given by their logarithms."""
        steps = theta[1 : self.classes - 1].exp()
        return theta[0] + torch.cat([torch.zeros(1, dtype=theta.dtype), steps.cumsum(0)])

    def cosines(self, theta: Tensor) -> Tensor:
        """c of a probit, b/√(1 + |b|²): inside the unit ball whatever the parameters b."""
        b = theta[self.classes - 1 : self.classes - 1 + self.directions]
        return b / (1 + b.square().sum()).sqrt()

    def negative_log_prior(self, theta: Tensor) -> Tensor:
        """Up to a constant. Steps between thresholds are about as wide as five even classes have them."""
        if not self.probit:
            return theta.square().sum() / (2 * SLOPE**2)
        k = self.classes
        first, steps, slopes = theta[0] / THRESHOLD, (theta[1 : k - 1] + 0.4) / GAP, theta[k - 1 :] / SLOPE
        return (first.square() + steps.square().sum() + slopes.square().sum()) / 2


@dataclass(frozen=True, eq=False)
class Observations:
    """Images of one axis: positions v (n, m) after the shift, labels (n,), and arms (n,).

    A label is the number of a class or `UNCLEAR_INDEX`; an arm is the number of the shift, for the test of fit.
    """

    positions: Array
    labels: Integers
    arms: Integers

    def where(self, mask: NDArray[np.bool_]) -> Observations:
        """Those of a mask (n,)."""
        return Observations(self.positions[mask], self.labels[mask], self.arms[mask])


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted g: its parameters, their covariance, how well it fits, and its AIC."""

    form: Form
    theta: Array
    covariance: Array
    fit: ResponseFit
    aic: float

    @property
    def slopes(self) -> Array:
        """c (m,), as in the formula of the module; of a logit (K, m) the slopes of each class."""
        f = self.form
        if f.probit:
            return f.cosines(torch.from_numpy(self.theta)).numpy()
        rows: Array = self.theta.reshape(f.classes, -1)[:, 1 : 1 + f.directions]
        return rows

    def shares(self, weights: Array, theta: Array | None = None) -> Array:
        """Expected shares (J, K) under shifts (J, m); under other parameters `theta` where given."""
        chosen = torch.from_numpy(self.theta if theta is None else theta)
        form = self.form
        if form.probit and not form.given:
            moved = _tensor(weights) @ form.cosines(chosen)
            return _differences(torch.special.ndtr(form.thresholds(chosen) - moved[:, None])).numpy()
        at = _tensor(weights)[:, None, :] + _tensor(nodes(form.directions))
        found = form.shares(chosen, at.flatten(0, 1)).view(len(weights), -1, form.classes)
        return found.mean(1).numpy()

    def posterior_samples(self, number: int, seed: int = 0) -> Array:
        """(number, parameters) from the normal approximation of the posterior, widened by the misfit."""
        root = np.linalg.cholesky(self.covariance + 1e-10 * np.eye(len(self.theta)))
        normal = np.random.default_rng(seed).standard_normal((number, len(root)))
        samples: Array = self.theta + self.fit.widened * normal @ root.T
        return samples


def fit_response(
    form: Form,
    observations: Observations,
    confusion: Confusion | None = None,
    given: Integers | None = None,
    start: Array | None = None,
) -> Response:
    """The posterior mode of g, the curvature there, and a test of fit.

    `given` (n,) are the classes that g is conditional on; `start` are parameters of an earlier fit to start from.
    """
    clear = observations.labels != UNCLEAR_INDEX
    seen = observations.where(clear)
    positions, labels = _tensor(seen.positions), torch.from_numpy(seen.labels)
    known = None if given is None else torch.from_numpy(given[clear])
    rates = None if confusion is None else _tensor(_rates(confusion)[:, :-1])

    def read(theta: Tensor) -> Tensor:
        """(n, K) P(the detector sees a class), among images on which it sees one."""
        found = form.shares(theta, positions, known)
        if rates is None:
            return found
        found = found @ rates
        return found / found.sum(1, keepdim=True)

    def log_likelihood(theta: Tensor) -> Tensor:
        return read(theta).gather(1, labels[:, None]).clamp_min(1e-12).log().sum()

    def loss(theta: Tensor) -> Tensor:
        return form.negative_log_prior(theta) - log_likelihood(theta)

    theta = _minimum(loss, np.zeros(form.size) if start is None else start)
    hessian: Any = torch.autograd.functional.hessian  # that of torch.func imports a compiler, for a second and a half
    curvature = hessian(loss, torch.from_numpy(theta)).numpy()
    fit = _goodness_of_fit(read(torch.from_numpy(theta)).numpy(), seen, form.degrees)
    aic = 2 * (form.degrees - float(log_likelihood(torch.from_numpy(theta))))
    return Response(form, theta, _inverse(curvature), fit, aic)


def better_response(
    form: Form,
    observations: Observations,
    confusion: Confusion | None = None,
    given: Integers | None = None,
    before: Response | None = None,
) -> Response:
    """As `fit_response`; of a scale also fitted without its order, and the fit with the smaller AIC is taken.

    `before` is a fit on fewer images, to start from.
    """
    forms = [form] if not form.ordered or form.classes == 2 else [form, replace(form, ordered=False)]
    found = []
    for one in forms:
        start = before.theta if before is not None and before.form == one else None
        found.append(fit_response(one, observations, confusion, given, start))
    return min(found, key=lambda response: response.aic)


@dataclass(frozen=True, eq=False)
class JointResponse:
    """Responses whose product gives the shares of the cells of one or several axes, the first varying slowest."""

    responses: tuple[Response, ...]

    def expected(self, weights: Array) -> Array:
        """Shares (J, cells) under shifts (J, m)."""
        return self._shares(weights, [response.theta for response in self.responses])

    def sampled(self, weights: Array, number: int, seed: int = 0) -> Array:
        """Shares (number, J, cells) under posterior samples of the parameters."""
        thetas = [response.posterior_samples(number, seed + place) for place, response in enumerate(self.responses)]
        found = [self._shares(weights, [theta[s] for theta in thetas]) for s in range(number)]
        return np.stack(found) if found else np.zeros((0, *self.expected(weights).shape))

    def _shares(self, weights: Array, thetas: Sequence[Array]) -> Array:
        if len(self.responses) == 1:
            return self.responses[0].shares(weights, thetas[0])
        m = self.responses[0].form.directions
        at = torch.from_numpy((weights[:, None, :] + nodes(m)[:JOINT_NODES]).reshape(-1, m))
        joint = torch.ones(len(at), 1, dtype=torch.float64)
        for response, theta in zip(self.responses, thetas, strict=True):
            cells, parameters = joint.shape[1], torch.from_numpy(theta)
            conditional = response.form.given and cells > 1
            rows = [
                response.form.shares(parameters, at, torch.full((len(at),), cell) if conditional else None)
                for cell in range(cells)
            ]
            joint = torch.cat([joint[:, cell : cell + 1] * row for cell, row in enumerate(rows)], dim=1)
            joint = joint.view(len(at), -1, response.form.classes).flatten(1)
        found: Array = joint.view(len(weights), -1, joint.shape[1]).mean(1).numpy()
        return found


def fit_joint_response(
    axes: Sequence[Axis],
    positions: Array,
    labels: Mapping[str, Integers],
    arms: Integers,
    confusions: Mapping[str, Confusion],
    before: JointResponse | None = None,
) -> JointResponse:
    """The response of one axis, or the chain of several; `labels` and `confusions` by axis.

    `before` is a fit on fewer images, to start from.
    """
    m, found, given, earlier = positions.shape[1], list[Response](), None, 1
    confusion = confusions.get(axes[0].name) if len(axes) == 1 else None
    clear = np.all([labels[axis.name] != UNCLEAR_INDEX for axis in axes], axis=0)
    for place, axis in enumerate(axes):
        form = Form(len(axis.classes), axis.ordered, m, earlier if given is not None else 0)
        seen = Observations(positions, labels[axis.name], arms).where(clear)
        found.append(better_response(form, seen, confusion, given, before.responses[place] if before else None))
        given = seen.labels if given is None else given * len(axis.classes) + seen.labels
        earlier *= len(axis.classes)
    return JointResponse(tuple(found))


@cache
def nodes(directions: int) -> Array:
    """(NODES, m) quasi-random standard normal positions: Sobol points, scrambled with a fixed seed."""
    points = stats.qmc.Sobol(directions, seed=np.random.default_rng(0)).random(NODES)
    found: Array = stats.norm.ppf(np.clip(points, 1e-9, 1 - 1e-9))
    return found


def _minimum(loss: Callable[[Tensor], Tensor], start: Array) -> Array:
    """Where a differentiable loss is smallest, by BFGS."""

    def value_and_slope(theta: Array) -> tuple[float, Array]:
        at = torch.from_numpy(theta.copy()).requires_grad_()
        value = loss(at)
        (slope,) = torch.autograd.grad(value, at)
        return value.item(), slope.numpy()

    return np.asarray(optimize.minimize(value_and_slope, start, jac=True, method="BFGS").x, np.float64)


def _goodness_of_fit(expected: Array, seen: Observations, parameters: int) -> ResponseFit:
    """χ² of counts by arm and class; cells that expect few are pooled."""
    observed = np.eye(expected.shape[1])[seen.labels]
    found, wanted, rest = list[float](), list[float](), np.zeros(2)
    groups = np.unique(seen.arms)
    for arm in groups:
        here = seen.arms == arm
        for got, due in zip(observed[here].sum(0), expected[here].sum(0), strict=True):
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
    p = float(stats.chi2.sf(chi2, df)) if df else 1.0
    widened = float(max(1.0, chi2 / df)) ** 0.5 if p < SIGNIFICANT and df else 1.0
    return ResponseFit(chi2=chi2, df=df, p=p, widened=widened)


def _differences(below: Tensor) -> Tensor:
    """P(class ≤ k) for k < K → P(class k)."""
    edge = torch.zeros_like(below[:, :1])
    return torch.diff(torch.cat([edge, below, edge + 1], dim=1), dim=1)


def _rates(confusion: Confusion) -> Array:
    """Rows of the confusion matrix as rates, one image shared by the columns added, as in `statistics.correct`."""
    counts = np.asarray(confusion.counts, np.float64) + 1 / (len(confusion.classes) + 1)
    rates: Array = counts / counts.sum(axis=1, keepdims=True)
    return rates


def _inverse(curvature: Array) -> Array:
    """Inverse of the curvature; directions in which it is flat or bent the wrong way get the prior's."""
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    inverse: Array = vectors / np.maximum(values, 1 / SLOPE**2) @ vectors.T
    return inverse


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float64))
