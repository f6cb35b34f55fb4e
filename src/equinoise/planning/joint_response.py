"""Expected tables of shares: one axis by its response, several axes together by a chain of responses.

P(a, b | v) = P(a | v) · P(b | a, v): the second response is conditional on the first axis's class as well, so that axes
which depend on each other beyond the directions do so in the table too. Tables of several axes are of what the detector
saw; only those of one axis are corrected for its errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.planning.response import (
    UNCLEAR_INDEX,
    Array,
    Fit,
    Form,
    Pilots,
    Response,
    better_response,
    conditional,
    nodes,
)
from equinoise.statistics import Confusion

JOINT_NODES = 128
"""Positions that a table of several axes is averaged over."""


@dataclass(frozen=True, eq=False)
class Table:
    """Fitted responses whose product is the table of the axes' cells, the first axis varying slowest."""

    responses: tuple[Response, ...]

    @property
    def fits(self) -> list[Fit]:
        """One a response."""
        return [response.fit for response in self.responses]

    def expected(self, weights: Array) -> Array:
        """(J, cells) under shifts (J, m)."""
        return self._shares(weights, [response.theta for response in self.responses])

    def drawn(self, weights: Array, number: int, seed: int = 0) -> Array:
        """(number, J, cells) under other parameters that the pilots allow."""
        thetas = [response.draws(number, seed + place) for place, response in enumerate(self.responses)]
        found = [self._shares(weights, [theta[s] for theta in thetas]) for s in range(number)]
        return np.stack(found) if found else np.zeros((0, *self.expected(weights).shape))

    def _shares(self, weights: Array, thetas: Sequence[Array]) -> Array:
        if len(self.responses) == 1:
            return self.responses[0].shares(weights, thetas[0])
        m = self.responses[0].form.directions
        at = torch.from_numpy((weights[:, None, :] + nodes(m)[:JOINT_NODES]).reshape(-1, m))
        table = torch.ones(len(at), 1, dtype=torch.float64)
        for response, theta in zip(self.responses, thetas, strict=True):
            own = response.form.classes
            rows = [
                conditional(
                    response.form, torch.from_numpy(theta), at, _given(cell, response.form, table.shape[1], len(at))
                )
                for cell in range(table.shape[1])
            ]
            table = torch.cat([table[:, cell : cell + 1] * row for cell, row in enumerate(rows)], dim=1)
            table = table.view(len(at), -1, own).flatten(1)
        found: Array = table.view(len(weights), -1, table.shape[1]).mean(1).numpy()
        return found


def fit_table(
    axes: Sequence[Axis],
    positions: Array,
    labels: Mapping[str, NDArray[np.int64]],
    arms: NDArray[np.int64],
    confusions: Mapping[str, Confusion],
    before: Table | None = None,
) -> Table:
    """The responses of one axis, or the chain of several; `labels` and `confusions` by axis.

    `before` is what fewer pilots gave, to start from.
    """
    m, found, given, earlier = positions.shape[1], list[Response](), None, 1
    confusion = confusions.get(axes[0].name) if len(axes) == 1 else None
    seen = np.all([labels[axis.name] != UNCLEAR_INDEX for axis in axes], axis=0)
    for place, axis in enumerate(axes):
        form = Form(len(axis.classes), axis.ordered, m, earlier if given is not None else 0)
        pilots = Pilots(positions[seen], labels[axis.name][seen], arms[seen])
        earlier_fit = before.responses[place] if before else None
        found.append(better_response(form, pilots, confusion, given, earlier_fit))
        given = pilots.labels if given is None else given * len(axis.classes) + pilots.labels
        earlier *= len(axis.classes)
    return Table(tuple(found))


def _given(cell: int, form: Form, cells: int, n: int) -> torch.Tensor | None:
    return torch.full((n,), cell) if form.given and cells > 1 else None
