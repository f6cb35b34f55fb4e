"""Shift the noise: z_T + w·d as in the paper, or move only the part of z_T that lies along d.

Along a unit direction the noise of a model is standard normal whatever its dimension, so a weight is a z-score, and
how far an intervention moves the noise away from N(0, I) is a number: `kl_nats`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from equinoise.directions.direction import Direction, Origin
from equinoise.errors import EquinoiseError
from equinoise.run import UNTOUCHED

How = Literal["add", "truncate", "reflect"]
HOWS: tuple[How, ...] = ("add", "truncate", "reflect")
FARTHEST = 8.0
"""Beyond this z-score the tail of a normal has too little mass to be drawn from in double precision."""


@dataclass(frozen=True)
class Shift:
    """One direction, how far, and in which way.

    `add` adds weight·vector (Lopez Olmos et al. 2024, section 3). The two others leave everything at right angles
    to the direction as it is and keep the noise plausible: `truncate` maps the z-score along the direction to that
    of a normal draw above `weight`, `reflect` turns it to the side of the direction and ignores the weight.
    """

    direction: Direction
    weight: float
    how: How = "add"

    def __post_init__(self) -> None:
        if not abs(self.weight) <= float(np.finfo(np.float32).max):
            raise EquinoiseError(f"weight {self.weight} is not a finite number in single precision")
        if self.how == "truncate" and abs(self.weight) > FARTHEST:
            raise EquinoiseError(f"no normal draw lies above {self.weight:g}; truncate takes weights to {FARTHEST:g}")

    @property
    def name(self) -> str:
        """`woman@10=3`, or `woman@10=3,truncate`."""
        return f"{self.direction.name}={self.weight:g}" + ("" if self.how == "add" else f",{self.how}")

    @property
    def added(self) -> NDArray[np.float32]:
        """weight·vector: what `add` adds to the noise."""
        product: NDArray[np.float32] = np.float32(self.weight) * self.direction.vector
        return product

    def along(self, noise: Tensor) -> Tensor:
        """`truncate` or `reflect`: the noise (n, *latent_shape) with only its part along the direction changed."""
        unit = torch.tensor(self.direction.vector)
        unit = unit / unit.norm()
        score = (noise * unit).flatten(1).sum(1)
        wanted = score.abs() if self.how == "reflect" else _above(score, self.weight)
        changed: Tensor = noise + (wanted - score).view(-1, *[1] * unit.ndim) * unit
        return changed

    @property
    def kl_nats(self) -> float:
        """Kullback–Leibler divergence of the shifted noise from N(0, I), in nats (natural logarithm)."""
        if self.how == "add":
            return float(np.square(self.added, dtype=np.float64).sum() / 2)
        return log(2) if self.how == "reflect" else float(-stats.norm.logsf(self.weight))


@dataclass(frozen=True)
class Intervention:
    """What is done to the noise of one image: nothing, or one or several shifts.

    Shifts that add are summed to one vector before anything is added, so that d and −d cancel to the last bit; the
    others follow in turn.
    """

    shifts: tuple[Shift, ...] = ()

    @property
    def name(self) -> str:
        """The names of the shifts; `none` for an untouched image."""
        return " + ".join(shift.name for shift in self.shifts) or UNTOUCHED

    def origins(self) -> list[Origin]:
        """The origin of each term of each direction."""
        return [term.origin for shift in self.shifts for term in shift.direction.terms]

    def apply(self, noise: Tensor) -> Tensor:
        """The noise after all shifts (n, *latent_shape)."""
        if (added := self._added()) is not None:
            noise = noise + torch.tensor(added)
        for shift in self.shifts:
            if shift.how != "add":
                noise = shift.along(noise)
        return noise

    @property
    def kl_nats(self) -> float:
        """Divergence of the noise from N(0, I) in nats: of the sum of what is added, plus that of each other shift."""
        added = self._added()
        together = float(np.square(added, dtype=np.float64).sum() / 2) if added is not None else 0.0
        return together + sum(shift.kl_nats for shift in self.shifts if shift.how != "add")

    def _added(self) -> NDArray[np.float32] | None:
        """The sum of weight·vector over the shifts that add; None where there is none."""
        parts = [shift.added for shift in self.shifts if shift.how == "add"]
        return sum(parts[1:], parts[0]) if parts else None


def _above(score: Tensor, threshold: float) -> Tensor:
    """The quantile of N(0, 1) above `threshold` that the z-score was of N(0, 1): order is kept, nothing is redrawn."""
    tail = stats.norm.sf(score.double().numpy()) * stats.norm.sf(threshold)
    return torch.as_tensor(np.clip(stats.norm.isf(tail), threshold, inf), dtype=score.dtype)
