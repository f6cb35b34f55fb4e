"""Quality beside fairness: is the concept still shown, is variety kept, are the pictures as good, what else moved?

Each question compares with something: fidelity and the other axes with the untouched images of the same seeds, variety
and realism with images whose prompts name the classes, since a model can show those without any shift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise import statistics
from equinoise.axes import UNCLEAR
from equinoise.errors import EquinoiseError
from equinoise.run import UNTOUCHED, Record
from equinoise.statistics.quality import LEAST, Measured
from equinoise.understanding.counts import likeliest
from equinoise.understanding.interactions import interactions

Asked = Callable[[str], str | None]
"""Prompt → the role that is faithful to it; None where that cannot be said."""
MOVED = "moved"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of a run: their records, and in the same order their vectors (n, d) of unit length."""

    records: Sequence[Record]
    vectors: NDArray[np.float64]

    def by_class(self, axes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Class, or combination of classes ("woman & dark") → vectors; images that are unclear on an axis left out."""
        cells = [tuple(record.labels.get(axis, UNCLEAR) for axis in axes) for record in self.records]
        found = {cell for cell in cells if UNCLEAR not in cell}
        return {" & ".join(cell): self.vectors[[own == cell for own in cells]] for cell in sorted(found)}


def compare_within(ours: Pictures, theirs: Pictures, axes: Sequence[str]) -> dict[str, Any]:
    """Diversity and kernel distance of two sets of images within the classes of the axes.

    `{"diversity": ratio, "kid": distance, "classes": [{class, n, against}], "compared": images of ours}`; classes with
    fewer than two images on a side have no part, and `compared` says how many images are left.

    Raises:
        EquinoiseError: no class has two images on both sides.
    """
    mine, other = ours.by_class(axes), theirs.by_class(axes)
    shared = [name for name, found in mine.items() if min(len(found), len(other.get(name, ()))) >= LEAST]
    if not shared:
        raise EquinoiseError(
            f"no class of {', '.join(axes)} has two images in both runs; generate more, or compare with a run whose "
            "prompts name the classes"
        )
    pairs = [(mine[name], other[name]) for name in shared]
    return {
        "diversity": _say(statistics.diversity_ratio(pairs)),
        "kid": _say(statistics.kernel_distance(pairs)),
        "classes": [{"class": n, "n": len(mine[n]), "against": len(other[n])} for n in shared],
        "compared": sum(len(mine[name]) for name in shared),
    }


def fidelity(records: Sequence[Record], asked: Asked) -> dict[str, Any] | None:
    """The share of images that show the role asked for, with its interval; None where that cannot be said."""
    seen = list(faithful(records, asked).values())
    if not seen:
        return None
    interval = statistics.wilson(sum(seen), len(seen))
    return {"n": len(seen), "share": sum(seen) / len(seen), "low": interval.low, "high": interval.high}


def fidelity_kept(before: Sequence[Record], after: Sequence[Record], asked: Asked) -> dict[str, Any] | None:
    """What became of fidelity on the same prompts and seeds: difference and ratio, paired; None where nothing pairs."""
    first, second = faithful(before, asked), faithful(after, asked)
    both = [key for key in first if key in second]
    if not both:
        return None
    sides = [first[key] for key in both], [second[key] for key in both]
    value, interval = statistics.paired_difference(*sides)
    return {
        "pairs": len(both),
        "difference": {"value": value, "low": interval.low, "high": interval.high},
        "ratio": _ratio(*sides) if any(sides[0]) and any(sides[1]) else None,
    }


def faithful(records: Sequence[Record], asked: Asked) -> dict[tuple[str, int], bool]:
    """Prompt and seed → whether the image shows the role asked for; those left out of which that cannot be said."""
    roles = {prompt: asked(prompt) for prompt in {record.prompt for record in records}}
    known = [record for record in records if roles[record.prompt] and "role" in record.detections]
    return {(record.prompt, record.seed): likeliest(record, "role") == roles[record.prompt] for record in known}


def off_target(
    before: Sequence[Record], after: Sequence[Record], measured: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The change of every class of the axes that were not meant to move, paired, all interventions taken together.

    As a row of `interactions`: `{axis: {n, classes: {class: change}, moved}}`; empty where there is no such axis.
    """
    if not measured:
        return {}
    untouched = [replace(record, intervention=UNTOUCHED) for record in before]
    rows = interactions([*untouched, *(replace(record, intervention=MOVED) for record in after)], measured)
    axes: dict[str, Any] = rows[0]["axes"]
    return axes


def _ratio(before: Sequence[bool], after: Sequence[bool]) -> dict[str, float]:
    value, interval = statistics.paired_ratio(before, after)
    return {"value": value, "low": interval.low, "high": interval.high}


def _say(found: Measured) -> dict[str, float]:
    return found._asdict()
