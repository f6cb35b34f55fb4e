"""Where a direction comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equinoise.models.base import Step


@dataclass(frozen=True)
class Origin:
    """Where a direction comes from, and how well it tells its class on images it was not made from.

    Attributes:
        axis: for example `gender`.
        label: the class it points to.
        against: what it points away from: another class, or `rest`.
        ordered: on an ordered axis one direction serves both ends, with opposite signs.
        step: `T`, or k for the latents after the (k + 1)-th denoiser call.
        estimator: `svm`, `mean` or `paired`.
        accuracy, low, high: held-out accuracy (balanced; chance is 0.5) and its 95% interval, which counts seeds.
        p: permutation p-value of that accuracy.
        model: provenance of the model.
        sampling: steps and guidance scale.
        prompts: class → the prompt that generated it.
        seeds: the seeds it was made from.
        orthogonal_to: names of the directions it was made orthogonal to; its accuracy is then not known.
    """

    axis: str
    label: str
    against: str
    ordered: bool
    step: Step
    estimator: str
    accuracy: float | None
    low: float | None
    high: float | None
    p: float | None
    model: Mapping[str, Any]
    sampling: Mapping[str, Any]
    prompts: Mapping[str, str]
    seeds: tuple[int, ...]
    orthogonal_to: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`woman@10`, or `woman@10⟂dark@10`."""
        return "⟂".join([f"{self.label}@{self.step}", *self.orthogonal_to])
