"""Results in words: shares with their interval and count, changes in points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from equinoise.axes import UNCLEAR
from equinoise.charts.numbers import NONE, number, percent, points, span
from equinoise.no_picture import NoPicture, in_words
from equinoise.results.audits import ClassShare
from equinoise.results.comparisons.runs import ClassChange
from equinoise.results.objects import CountedShare
from equinoise.run import Record
from equinoise.statistics import wilson

PEOPLE = {"woman": "Women", "man": "Men"}


def change(found: ClassChange) -> str:
    """`+37 points (+28 to +45)`."""
    return f"{points(found.difference)} points ({points(found.low)} to {points(found.high)})"


def share(found: ClassShare | CountedShare, clear: int) -> str:
    """`12% (8–18%, 15 of 128)`: a share never stands without its interval and its count."""
    if found.share is None:
        return f"no share ({found.count} of {clear})"
    return f"{percent(found.share)} ({span(found.low, found.high)}, {found.count} of {clear})"


def corrected(found: ClassShare) -> str:
    """`12% (8–18%)`: the share after the detector's known errors."""
    return f"{percent(found.corrected)} ({span(found.corrected_low, found.corrected_high)})"


def kept(fidelity: float | None, n: int) -> str:
    """`96% (90–99%, 123 of 128)`: concept fidelity, with the Wilson interval that its record does not carry."""
    if fidelity is None:
        return NONE
    count = round(fidelity * n)
    interval = wilson(count, n)
    return f"{percent(fidelity)} ({span(interval.low, interval.high)}, {count} of {n})"


def bounded(value: float | None, low: float | None, high: float | None) -> str:
    """`0.380 (0.320–0.420)`: a measure with the least and the most that the intervals of the shares allow."""
    return number(value) if low is None or high is None else f"{number(value)} ({number(low)}–{number(high)})"


def quantity(count: int, noun: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def people(name: str, axis: str) -> str:
    """How a headline names a class: `Women`, `Dark (tone)`."""
    return PEOPLE.get(name) or f"{named(name)} ({axis})"


def unclear(count: int, n: int | None, no_picture: Mapping[NoPicture, int] | None) -> str:
    """`3 of 128`; `3 of 128; 2 images are no pictures (2 filtered)` where some are none."""
    counted = str(count) if n is None else f"{count} of {n}"
    return f"{counted}; {in_words(no_picture)}" if no_picture else counted


def labels(record: Record, axes: Sequence[str]) -> list[str]:
    """What an image was perceived as, one text an axis: `man`, `light`, `tone unclear`; and why it is no picture."""
    found = record.labels
    seen = [f"{axis} unclear" if found[axis] == UNCLEAR else found[axis] for axis in axes if axis in found]
    return [*seen, *([f"no picture ({record.no_picture})"] if record.no_picture else [])]


def numbers(values: Sequence[object]) -> str:
    """`0–127 (128)` for each run of consecutive whole numbers, else all of them."""
    whole = [value for value in values if type(value) is int]
    if len(values) < 3 or len(whole) < len(values):
        return ", ".join(map(str, values))
    runs: list[list[int]] = []
    for value in whole:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]}–{run[-1]} ({len(run)})" if len(run) > 1 else str(run[0]) for run in runs)


def named(text: str) -> str:
    """With a capital, for a heading."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
