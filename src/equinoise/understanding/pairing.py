"""Before and after on the same seeds: of each class the change of its share, paired."""

from __future__ import annotations

from collections.abc import Sequence

from equinoise import statistics
from equinoise.axes import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.results.comparisons.runs import AxisChange, ClassChange
from equinoise.run import Record
from equinoise.understanding.counts import label_on


def paired_changes(
    before: Sequence[Record], after: Sequence[Record], concept: str, axis: str, classes: Sequence[str]
) -> AxisChange:
    """Per class the share after minus before on the same seeds, with the paired 95% interval and its count of pairs.

    Over the seeds that are clear both times; no class has a change where there is no such seed.

    Raises:
        EquinoiseError: the two are not over the same seeds.
    """
    first, second = ({record.seed: label_on(record, axis) for record in rows} for rows in (before, after))
    if first.keys() != second.keys():
        raise EquinoiseError("before and after are not over the same seeds, so they cannot be paired")
    clear = [seed for seed in first if UNCLEAR not in (first[seed], second[seed])]
    changes = {}
    for name in classes if clear else ():
        was, now = [first[seed] == name for seed in clear], [second[seed] == name for seed in clear]
        value, interval = statistics.paired_difference(was, now)
        changes[name] = ClassChange(
            before=sum(was) / len(clear),
            after=sum(now) / len(clear),
            difference=value,
            low=interval.low,
            high=interval.high,
            n=len(clear),
        )
    return AxisChange(concept=concept, axis=axis, classes=changes)
