"""Numbers in words, as charts and the page write them."""

from __future__ import annotations

NONE = "–"


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


def number(value: float | None, digits: int = 3) -> str:
    """A plain number; a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def reach(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """`0.31 (0.28 to 0.34)`: a number with its interval, where it has one."""
    if low is None or high is None:
        return number(value, digits)
    return f"{number(value, digits)} ({number(low, digits)} to {number(high, digits)})"
