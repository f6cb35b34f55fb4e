"""Exploration: which pilots to generate next, what they show, and the mixture that follows from them.

Rounds. First untouched images, then a few shifted by 2 along each direction both ways, then images of the mixture that
is best by what is known so far, until its expected shares are known well enough or the pilots are spent. Every image is
of a seed of its own: where a seed lies along the directions is known and enters the fit (`response`), which does what
pairing does for the slopes; the rest of a seed's noise is better drawn anew, since the shares themselves have to be
known. From the second round on runs may be stopped early (`early_stopping`), and what a pilot spent is counted in whole
images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from equinoise.errors import EquinoiseError
from equinoise.planning.basis import Array
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.planning.optimise import Problem, Solution
from equinoise.planning.pilots import Pilot, Pilots
from equinoise.planning.response import JointResponse

SCOUT = 2.0
"""Length of the first shifts, in standard deviations of the noise."""

LEAST = 8
"""Pilots in a round; where runs that were stopped early leave less of the budget than that, no round is begun."""

Generate = Callable[[Sequence[tuple[Array, int]], EarlyStopping | None], Sequence[Pilot]]
"""Images under shifts (m,) from seeds → what they showed; runs of which the early check is certain may be stopped."""


def explore(problem: Problem, generate: Generate, seeds: Sequence[int]) -> Solution:
    """Generate pilots in rounds and choose the mixture; seeds in order, as many as the budget of pilots allows.

    Raises:
        EquinoiseError: too few pilots to learn anything from.
    """
    settings, total, left = problem.settings, problem.settings.pilots, iter(seeds)
    classes = {axis.name: axis.classes for axis in problem.axes}
    rounds, pilots, early_stopping = [_first_round(problem, len(seeds))], None, None
    responses: dict[str, JointResponse] = {}
    while True:
        asked = list(zip(rounds[-1], left, strict=False))
        found = Pilots.gathered(asked, generate(asked, early_stopping), problem.basis, classes)
        pilots = found if pilots is None else pilots.joined(found)
        reach = min(settings.longest, SCOUT + 1.5 * len(rounds))
        responses = problem.responses(pilots, responses)
        solution = problem.solve(pilots, responses, reach)
        rest = min(int(total - pilots.spent.sum()), len(seeds) - len(pilots))
        least = LEAST if pilots.stopped.any() else 1
        if rest < least or (len(rounds) > 2 and solution.spread <= settings.precision):
            solution = problem.solve(pilots, responses, reach, final=True)
            return replace(solution, rounds=tuple(map(len, rounds)))
        if settings.rejection and settings.rejection.calls.resumable:
            sample = pilots.unbiased_sample
            early_stopping = EarlyStopping.fitted(problem.axes, sample.labels, sample.early, settings.precision)
        number = min(rest, max(LEAST, total // 6))
        rounds.append([solution.weights[j] for j in solution.choice.assign(number)])


def _first_round(problem: Problem, seeds: int) -> list[Array]:
    """Untouched images, and a few shifted along each direction both ways."""
    m, total = len(problem.basis.directions), problem.settings.pilots
    scouts = [sign * SCOUT * axis for axis in np.eye(m) for sign in (1, -1)]
    if total < 4 * (1 + len(scouts)) or seeds < total:
        raise EquinoiseError(f"{total} pilots are too few for {m} directions; allow {4 * (1 + len(scouts))} or more")
    each = max(4, total // 6 // len(scouts))
    first = [*[np.zeros(m)] * max(4, total // 6), *[arm for arm in scouts for _ in range(each)]]
    return first[:total]
