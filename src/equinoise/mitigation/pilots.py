"""Pilots: which images to draw next, what they say, and the mixture that follows from them.

Rounds. First untouched images, then a few shifted by 2 along each direction both ways, then images of the mixture that
is best by what is known so far, until its expected shares are known well enough or the pilots are spent. Every image is
of a seed of its own: where a seed lies along the directions is known and enters the fit (`response`), which does what
pairing does for the slopes, and what else a seed holds is better drawn afresh, since it is the shares themselves that
have to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError
from equinoise.mitigation.looking import Early
from equinoise.mitigation.response import Array, encode
from equinoise.mitigation.settle import Chosen, Seeing, Settings, responses, settle
from equinoise.mitigation.span import Span
from equinoise.mitigation.tables import Table
from equinoise.statistics import Confusion
from equinoise.understanding.targets import Target

K = TypeVar("K")
D = TypeVar("D", bound=np.generic)

SCOUT = 2.0
"""Length of the first shifts, in standard deviations of the noise."""


@dataclass(frozen=True)
class Seen:
    """What one pilot image showed.

    Attributes:
        labels: axis → class or `unclear`.
        faithful: whether its role is the one asked for, if known.
        predicted: step → axis → class → probability, read off the image that the model predicted there.
        latents: step → (*latent_shape).
    """

    labels: Mapping[str, str]
    faithful: bool | None = None
    predicted: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    latents: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)


Draw = Callable[[Sequence[tuple[Array, int]]], Sequence[Seen]]
"""Images under shifts (m,) from seeds → what they showed."""


def explore(
    targets: Sequence[Target],
    span: Span,
    draw: Draw,
    seeds: Sequence[int],
    settings: Settings,
    confusions: Mapping[str, Confusion] | None = None,
) -> Chosen:
    """Draw pilots in rounds and choose the mixture. Uses the seeds in order, at most `settings.pilots` of them.

    Raises:
        EquinoiseError: too few pilots to learn anything from.
    """
    m, total, left = len(span.directions), settings.pilots, iter(seeds)
    scouts = [sign * SCOUT * axis for axis in np.eye(m) for sign in (1, -1)]
    if total < 4 * (1 + len(scouts)) or len(seeds) < total:
        raise EquinoiseError(f"{total} pilots are too few for {m} directions; allow {4 * (1 + len(scouts))} or more")
    each = max(4, total // 6 // len(scouts))
    first = [*[np.zeros(m)] * max(4, total // 6), *[arm for arm in scouts for _ in range(each)]]
    axes = {axis.name: axis for target in targets for axis in target.axes}
    rounds, seeing, known = [first[:total]], None, dict[str, Table]()
    while True:
        asked = [(arm, next(left)) for arm in rounds[-1]]
        seeing = _add(seeing, asked, draw(asked), span, {name: axis.classes for name, axis in axes.items()})
        reach = min(settings.farthest, SCOUT + 1.5 * len(rounds))
        known = responses(targets, seeing, settings, confusions or {}, known)
        chosen = settle(targets, span, seeing, settings, confusions or {}, known, reach)
        spent = len(seeing.weights)
        if spent >= total or (len(rounds) > 2 and chosen.spread <= settings.precision):
            chosen = settle(targets, span, seeing, settings, confusions or {}, known, reach, final=True)
            return replace(chosen, rounds=tuple(map(len, rounds)))
        number = min(total - spent, max(8, total // 6))
        rounds.append([chosen.weights[j] for j in allot(chosen.choice.mixture, number)])


def allot(mixture: Array, n: int) -> list[int]:
    """Which candidate each of n images gets: as near to the mixture as whole images can be (largest remainders)."""
    wanted = mixture * n
    counts = np.floor(wanted).astype(int)
    for j in np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]:
        counts[j] += 1
    return [j for j, count in enumerate(counts) for _ in range(count)]


def _add(
    before: Seeing | None,
    asked: Sequence[tuple[Array, int]],
    seen: Sequence[Seen],
    span: Span,
    classes: Mapping[str, Sequence[str]],
) -> Seeing:
    weights = np.stack([arm for arm, _ in asked])
    made = Seeing(
        weights,
        span.positions([seed for _, seed in asked]) + weights,
        _encoded([found.labels for found in seen], classes),
        np.array([np.nan if found.faithful is None else float(found.faithful) for found in seen]),
        _early(seen, classes),
    )
    if before is None:
        return made
    return Seeing(
        np.concatenate([before.weights, made.weights]),
        np.concatenate([before.positions, made.positions]),
        _joined(before.labels, made.labels),
        np.concatenate([before.faithful, made.faithful]),
        Early(
            {step: _joined(own, made.early.predicted[step]) for step, own in before.early.predicted.items()},
            _joined(before.early.latents, made.early.latents),
        ),
    )


def _early(seen: Sequence[Seen], classes: Mapping[str, Sequence[str]]) -> Early:
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


def _joined(before: Mapping[K, NDArray[D]], after: Mapping[K, NDArray[D]]) -> dict[K, NDArray[D]]:
    return {key: np.concatenate([own, after[key]]) for key, own in before.items()}
