"""Which part of a mixture the image of a seed gets: shares met as closely as can be among any consecutive seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESOLUTION = 10_000
"""The longest period of a schedule: shares of no simpler ratio are met in units of 1/10,000."""

CLOSE = 1e-6
"""A ratio that is off by no more than this is taken for the share."""


def schedule(shares: Sequence[float]) -> tuple[int, ...]:
    """One period of the assignment: the number at place n is the part of seeds n, n + period, n + 2·period, …

    Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): among M parts, after every
    n places each part has come n·share times but for at most 1 − 1/(2M − 2), and no rule can promise less. A window
    between two places is off by at most twice that; for two parts, where the rule is rounding, by less than 1.
    Shares are taken as the simplest ratio within 10⁻⁶, else in units of 1/10,000.

    >>> schedule([0.5, 0.5]), schedule([0.2, 0.2, 0.6])
    ((0, 1), (2, 0, 2, 1, 2))
    """
    units = _whole_numbers(shares)
    total, among = sum(units), [i for i, unit in enumerate(units) if unit]
    if len(among) == 1:
        return (among[0],)
    counts, places = [0] * len(units), []
    scale = 2 * len(among) - 2
    for n in range(1, total + 1):
        # in units of 1/(scale·total): what part i is owed after n places; it may come once that is at least `total`
        owed = {i: scale * (units[i] * n - counts[i] * total) for i in among}
        due = (i for i in among if owed[i] >= total)
        # the one whose debt would soonest pass the bound; in whole numbers, so that every machine agrees
        chosen = min(due, key=lambda i: ((scale * total - total - owed[i]) // (scale * units[i]), i))
        counts[chosen] += 1
        places.append(chosen)
    return tuple(places)


def _whole_numbers(shares: Sequence[float]) -> list[int]:
    """Whole numbers whose ratios are the shares: the smallest that fit to `CLOSE`, else out of `RESOLUTION`."""
    wanted = np.asarray(shares, np.float64) / sum(shares)
    totals = np.arange(1, RESOLUTION + 1)
    rounded = np.rint(np.outer(totals, wanted))
    fits = np.abs(rounded / totals[:, None] - wanted).max(axis=1) <= CLOSE
    if fits.any():
        return [int(unit) for unit in rounded[int(np.argmax(fits))]]
    exact = wanted * RESOLUTION
    units = np.floor(exact).astype(int)
    largest = np.argsort(units - exact, kind="stable")[: RESOLUTION - int(units.sum())]
    units[largest] += 1
    return [int(unit) for unit in units]
