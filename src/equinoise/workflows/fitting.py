"""`fit`: a unit direction for each class and step, from collected traces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from equinoise.directions import estimators
from equinoise.directions.direction import DirectionSet
from equinoise.directions.traces import Traces
from equinoise.errors import EquinoiseError, warn
from equinoise.models.base import Step


def fit(
    traces: Traces | str | Path | Sequence[Traces | str | Path],
    *,
    estimator: str = "svm",
    steps: Sequence[Step] | None = None,
    orthogonal_to: Sequence[tuple[DirectionSet, str]] = (),
    permutations: int = 99,
    c: float = 1.0,
    out: str | Path | None = None,
) -> DirectionSet:
    """The directions of all classes at all captured steps, each with its held-out accuracy.

    Args:
        traces: as `collect` gives them, or the folders it made; several are fitted into one set.
        estimator: svm, mean or paired; see `directions.estimators`.
        steps: only these; default all that were captured.
        orthogonal_to: sets and classes; each direction is made orthogonal to theirs at its step.
        permutations: of labels, for the p-value of the held-out accuracy.
        c: penalty C of the support vector machine as the paper's authors count it; their 1 is in effect a hard margin.
        out: a file to save the set to.

    Returns:
        The directions; `skipped` says at which steps no direction could be fitted, and why.

    Raises:
        EquinoiseError: no such estimator, step or file, a bad argument, or no direction can be fitted at all.
    """
    if permutations < 1:
        raise EquinoiseError(f"--permutations {permutations}: at least one is needed")
    if not 0 < c < math.inf:
        raise EquinoiseError(f"--c {c}: the penalty of the support vector machine must be positive")
    given = [traces] if isinstance(traces, Traces | str | Path) else list(traces)
    if not given:
        raise EquinoiseError("no traces: give what collect returned, or the folders it made")
    found = DirectionSet(())
    for source in given:
        read = source if isinstance(source, Traces) else Traces.load(Path(source))
        made = estimators.fit(read, estimator, steps, permutations, c)
        known = {direction.name for direction in found.directions}
        again = [direction.name for direction in made.directions if direction.name in known]
        if again:
            raise EquinoiseError(f"{source} gives {again[0]} a second time; fit it into a file of its own")
        found = found + made
    if not found.directions:
        raise EquinoiseError(f"no direction can be fitted at {found.skipped[0].step}: {found.skipped[0].reason}")
    for entry in found.skipped:
        warn(f"no direction at step {entry.step}: {entry.reason}")
    if orthogonal_to:
        rows = [
            d.orthogonal_to([o.named(label, d.origin.step) for o, label in orthogonal_to]) for d in found.directions
        ]
        found = DirectionSet(tuple(rows), found.skipped)
    if out is not None:
        found.save(Path(out))
    return found
