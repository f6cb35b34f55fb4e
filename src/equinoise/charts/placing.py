"""Labels beside points that overlap neither each other nor the points, whatever the width of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import cos, pi, sin
from typing import NamedTuple

LETTER, LINE, DOT = 6.9, 15.0, 7.0
"""Pixels: a letter's width and a line's height at 12 px, and half a marker's side."""
RADII = (15, 26, 40, 56, 76, 100, 130, 165)
ANGLES = tuple(2 * pi * k / 16 for k in range(16))


class Rect(NamedTuple):
    """Left, top, right, bottom in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Rect) -> bool:
        """Whether the two overlap."""
        return not (
            self.right <= other.left or other.right <= self.left or self.bottom <= other.top or other.bottom <= self.top
        )


Offset = tuple[float, float]
"""From a point to the middle of its label, in pixels; down is positive."""


def place(
    points: Sequence[tuple[float, float]], texts: Sequence[str], widths: Sequence[float], height: float
) -> list[Offset | None]:
    """An offset for each label, the same at every width of the plot; None where none fits at all of them.

    `points`: from the left and from the top, 0–1. The most crowded points choose first, each the nearest free place.
    """
    offsets: list[Offset | None] = [None] * len(points)
    taken: dict[float, list[Rect]] = {w: [_dot(point, w, height) for point in points] for w in widths}
    order = sorted(range(len(points)), key=lambda i: (-_crowd(points, i), i))
    for index in order:
        for offset in _candidates(texts[index]):
            rects = {w: label(points[index], texts[index], offset, w, height) for w in widths}
            if all(_free(rects[w], taken[w], w, height) for w in widths):
                offsets[index] = offset
                for w in widths:
                    taken[w].append(rects[w])
                break
    return offsets


def label(point: tuple[float, float], text: str, offset: Offset, width: float, height: float) -> Rect:
    """Where a label lies."""
    x, y = point[0] * width + offset[0], point[1] * height + offset[1]
    half = LETTER * len(text) / 2
    return Rect(x - half, y - LINE / 2, x + half, y + LINE / 2)


def _candidates(text: str) -> Iterator[Offset]:
    """Around the point, nearer first; the middle of a label is further off sideways than above."""
    half = LETTER * len(text) / 2
    for radius, angle in product(RADII, ANGLES):
        yield cos(angle) * (radius + half), sin(angle) * radius


def _dot(point: tuple[float, float], width: float, height: float) -> Rect:
    x, y = point[0] * width, point[1] * height
    return Rect(x - DOT, y - DOT, x + DOT, y + DOT)


def _free(rect: Rect, taken: Sequence[Rect], width: float, height: float) -> bool:
    inside = rect.left >= 0 and rect.top >= 0 and rect.right <= width and rect.bottom <= height
    return inside and not any(rect.meets(other) for other in taken)


def _crowd(points: Sequence[tuple[float, float]], index: int) -> int:
    x, y = points[index]
    return sum(abs(x - a) < 0.2 and abs(y - b) < 0.1 for a, b in points)
