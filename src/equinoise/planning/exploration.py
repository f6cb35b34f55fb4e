"""Pilots: which images to draw next, what they say, and the mixture that follows from them.

Rounds. First untouched images, then a few shifted by 2 along each direction both ways, then images of the mixture that
is best by what is known so far, until its expected shares are known well enough or the pilots are spent. Every image is
of a seed of its own: where a seed lies along the directions is known and enters the fit (`response`), which does what
pairing does for the slopes, and what else a seed holds is better drawn afresh, since it is the shares themselves that
have to be known. From the second round on runs may end early (`certain`), and what a pilot took is counted in images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from equinoise.errors import EquinoiseError
from equinoise.planning.basis import Basis
from equinoise.planning.early_stopping import EarlyStopping, fit_early_stopping
from equinoise.planning.joint_response import Table
from equinoise.planning.optimise import Chosen, Settings, optimise, responses
from equinoise.planning.pilots import Pilot, gather
from equinoise.planning.response import Array
from equinoise.statistics import Confusion
from equinoise.understanding.targets import Target

SCOUT = 2.0
"""Length of the first shifts, in standard deviations of the noise."""

LEAST = 8
"""Pilots in a round; where runs that ended early leave fewer than that of the budget, they are not worth one."""

Draw = Callable[[Sequence[tuple[Array, int]], EarlyStopping | None], Sequence[Pilot]]
"""Images under shifts (m,) from seeds → what they showed; runs that an early look is certain of may end there."""


def explore(
    targets: Sequence[Target],
    basis: Basis,
    draw: Draw,
    seeds: Sequence[int],
    settings: Settings,
    confusions: Mapping[str, Confusion] | None = None,
) -> Chosen:
    """Draw pilots in rounds and choose the mixture; seeds in order, as many as come to `settings.pilots` images.

    Raises:
        EquinoiseError: too few pilots to learn anything from.
    """
    m, total, left = len(basis.directions), settings.pilots, iter(seeds)
    scouts = [sign * SCOUT * axis for axis in np.eye(m) for sign in (1, -1)]
    if total < 4 * (1 + len(scouts)) or len(seeds) < total:
        raise EquinoiseError(f"{total} pilots are too few for {m} directions; allow {4 * (1 + len(scouts))} or more")
    each = max(4, total // 6 // len(scouts))
    first = [*[np.zeros(m)] * max(4, total // 6), *[arm for arm in scouts for _ in range(each)]]
    axes = {axis.name: axis for target in targets for axis in target.axes}
    classes = {name: axis.classes for name, axis in axes.items()}
    rounds, all_seen, known, early_stopping = [first[:total]], None, dict[str, Table](), None
    while True:
        asked = list(zip(rounds[-1], left, strict=False))
        found = gather(asked, draw(asked, early_stopping), basis, classes)
        all_seen = found if all_seen is None else all_seen.joined(found)
        reach = min(settings.farthest, SCOUT + 1.5 * len(rounds))
        known = responses(targets, all_seen, settings, confusions or {}, known)
        chosen = optimise(targets, basis, all_seen, settings, confusions or {}, known, reach)
        rest = min(int(total - all_seen.took.sum()), len(seeds) - len(all_seen.weights))
        least = LEAST if all_seen.ended.any() else 1
        if rest < least or (len(rounds) > 2 and chosen.spread <= settings.precision):
            chosen = optimise(targets, basis, all_seen, settings, confusions or {}, known, reach, final=True)
            return replace(chosen, rounds=tuple(map(len, rounds)))
        if settings.selecting and settings.selecting.price.resumable:
            fair = all_seen.of(all_seen.fair)
            early_stopping = fit_early_stopping(list(axes.values()), fair.labels, fair.early, settings.precision)
        number = min(rest, max(LEAST, total // 6))
        rounds.append([chosen.weights[j] for j in assign(chosen.choice.mixture, number)])


def assign(mixture: Array, n: int) -> list[int]:
    """Which candidate each of n images gets: as near to the mixture as whole images can be (largest remainders)."""
    wanted = mixture * n
    counts = np.floor(wanted).astype(int)
    for j in np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]:
        counts[j] += 1
    return [j for j, count in enumerate(counts) for _ in range(count)]
