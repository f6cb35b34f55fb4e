"""Numbers in words: shares with their interval and count, changes in points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equinoise.statistics import wilson

NONE = "–"
PEOPLE = {"woman": "Women", "man": "Men"}


def percent(share: float | None) -> str:
    """`12%`; with a decimal only next to 0 and 100%, where rounding would say that a class is absent or alone."""
    if share is None:
        return NONE
    value = 100 * share
    if 0 < value < 0.05:
        return "<0.1%"
    if 99.95 < value < 100:
        return ">99.9%"
    return f"{value:.1f}%" if 0 < value < 1 or 99 < value < 100 else f"{value:.0f}%"


def span(low: float | None, high: float | None) -> str:
    """`8–18%`."""
    if low is None or high is None:
        return "no interval"
    return f"{percent(low).removesuffix('%')}–{percent(high)}"


def points(difference: float | None) -> str:
    """`+37`, `−4`, `0`: percentage points."""
    if difference is None:
        return NONE
    rounded = round(100 * difference)
    return f"{rounded:+d}".replace("-", "−") if rounded else "0"


def change(entry: Mapping[str, Any]) -> str:
    """`+37 points (+28 to +45)`."""
    return f"{points(entry['difference'])} points ({points(entry['low'])} to {points(entry['high'])})"


def share(entry: Mapping[str, Any], clear: int) -> str:
    """`12% (8–18%, 15 of 128)`: a share never stands without its interval and its count."""
    if entry["share"] is None:
        return f"no share ({entry['count']} of {clear})"
    return f"{percent(entry['share'])} ({span(entry['low'], entry['high'])}, {entry['count']} of {clear})"


def kept(fidelity: float | None, n: int) -> str:
    """`96% (90–99%, 123 of 128)`: concept fidelity, with the Wilson interval that its record does not carry."""
    if fidelity is None:
        return NONE
    count = round(fidelity * n)
    interval = wilson(count, n)
    return f"{percent(fidelity)} ({span(interval.low, interval.high)}, {count} of {n})"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number; a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def quantity(count: int, noun: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def people(name: str, axis: str) -> str:
    """How a headline names a class: `Women`, `Dark (tone)`."""
    return PEOPLE.get(name) or f"{named(name)} ({axis})"


def labels(found: Mapping[str, str], axes: list[str]) -> list[str]:
    """What an image was perceived as, one text an axis: `man`, `light`, `tone unclear`."""
    return [f"{axis} unclear" if found[axis] == "unclear" else found[axis] for axis in axes if axis in found]


def numbers(values: list[Any]) -> str:
    """`0–127 (128)` for each run of consecutive whole numbers, else all of them."""
    if len(values) < 3 or not all(type(value) is int for value in values):
        return ", ".join(map(str, values))
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]}–{run[-1]} ({len(run)})" if len(run) > 1 else str(run[0]) for run in runs)


def named(text: str) -> str:
    """With a capital, for a heading."""
    return text[:1].upper() + text[1:]
