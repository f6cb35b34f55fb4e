"""Shift the noise: z_T + w·d as in the paper, or move only the part of z_T that lies along d.

The core of the method, together with `estimators.py`. Along a unit direction the noise of a model is standard normal
whatever its dimension, so a weight is a z-score, and how far an intervention leaves N(0, I) has a number (nats).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, log
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from equinoise.directions.direction import Direction
from equinoise.errors import EquinoiseError
from equinoise.models.base import NOISE, Sampling, Step, step_at
from equinoise.run import UNTOUCHED

How = Literal["add", "truncate", "reflect"]
FARTHEST = 8.0
"""Beyond this z-score the tail of a normal has too little mass to be drawn from in double precision."""

HOWS: tuple[How, ...] = ("add", "truncate", "reflect")


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
        if not np.isfinite(self.weight):
            raise EquinoiseError(f"weight {self.weight} is not a finite number")
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
        """The shifts in words; `none` for an untouched image."""
        return " + ".join(shift.name for shift in self.shifts) or UNTOUCHED

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
        """Nats by which the noise leaves N(0, I): of the sum of what is added, and of each other shift."""
        added = self._added()
        together = float(np.square(added, dtype=np.float64).sum() / 2) if added is not None else 0.0
        return together + sum(shift.kl_nats for shift in self.shifts if shift.how != "add")

    def _added(self) -> NDArray[np.float32] | None:
        """The sum of weight·vector over the shifts that add; None where there is none."""
        parts = [shift.added for shift in self.shifts if shift.how == "add"]
        return sum(parts[1:], parts[0]) if parts else None


class Known(Protocol):
    """What must be known of a model to tell whether a direction is one of its own."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latents of one image."""

    @property
    def provenance(self) -> dict[str, Any]:
        """As of `TextToImage`."""


def check_fits(intervention: Intervention, model: Known, sampling: Sampling) -> list[str]:
    """Warnings about a direction that was found under other settings than it is now used with.

    Raises:
        EquinoiseError: a direction of another model or another shape.
    """
    warnings: list[str] = []
    for shift in intervention.shifts:
        if shift.direction.vector.shape != model.latent_shape:
            raise EquinoiseError(
                f"{shift.direction.name} has shape {shift.direction.vector.shape}, the model's latents "
                f"{model.latent_shape}; fit a direction on this model"
            )
        for term in shift.direction.terms:
            origin, ours = term.origin, model.provenance
            if origin.model.get("weights") is None:
                warnings.append(f"{origin.name} does not say on which model it was found: whether it fits is not known")
            elif origin.model["weights"] != ours["weights"]:
                raise EquinoiseError(
                    f"{origin.name} was found on another model ({origin.model.get('name')}, weights "
                    f"{origin.model.get('weights')}{_adapters(origin.model)}); fit a direction on this model"
                    f"{_adapters(ours)}"
                )
            found = {"scheduler": origin.model.get("scheduler"), **origin.sampling}
            used = {"scheduler": ours["scheduler"], "steps": sampling.steps, "guidance_scale": sampling.guidance_scale}
            warnings += [
                f"{origin.name} was found at {key} {found[key]}, and is used at {used[key]}: its effect may differ"
                + (_elsewhere(origin.step, found[key], used[key]) if key == "steps" else "")
                for key in used
                if found.get(key) not in (None, used[key])
            ]
    return list(dict.fromkeys(warnings))


def _elsewhere(step: Step, found: Any, used: int) -> str:
    """Which step of a run of another length the direction's own stands for; nothing for the noise itself."""
    if step == NOISE or not isinstance(found, int) or int(step) >= found:
        return ""
    return f" (step {step} of {found} stands for step {step_at(Fraction(int(step), found), used)} of {used})"


def _adapters(model: Mapping[str, Any]) -> str:
    """The adapters of a model in words; nothing where it has none."""
    names = ", ".join(adapter["name"] for adapter in model.get("adapters", []))
    return f" with adapter {names}" if names else ""


def _above(score: Tensor, threshold: float) -> Tensor:
    """The quantile of N(0, 1) above `threshold` that the z-score was of N(0, 1): order is kept, nothing is redrawn."""
    tail = stats.norm.sf(score.double().numpy()) * stats.norm.sf(threshold)
    return torch.as_tensor(np.clip(stats.norm.isf(tail), threshold, inf), dtype=score.dtype)
