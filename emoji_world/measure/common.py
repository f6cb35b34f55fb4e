"""What the measurements share: the axes, making images, shares with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from equinoise.axes import Axis, load_axis
from equinoise.detectors import role_axis
from equinoise.engine import Job
from equinoise.results.base import Value
from equinoise.run import MemoryRun, Record
from equinoise.runtime.making import making
from equinoise.runtime.model import Model
from equinoise.statistics import spearman

SEED = 7_000_000
NAMES = ("gender", "tone", "age", "house", "wedding", "bird", "ground", "place")


class Settings(Value):
    """How the images of a row were made; `weights`: the beginning of the digest of the model's weights."""

    steps: int
    guidance: float
    dtype: str
    weights: str

    @classmethod
    def of(cls, model: Model) -> Self:
        """The settings of a model."""
        return cls(
            steps=model.sampling.steps,
            guidance=model.sampling.guidance_scale,
            dtype=model.spec.dtype or "float32",
            weights=str(model.backend.provenance["weights"])[:12],
        )


class Counted(Value):
    """A count among n, and the 95% interval of the share; the field for the share is in the subclasses."""

    count: int
    n: int
    low: float
    high: float


def axes() -> dict[str, Axis]:
    """Every axis of this world by name, roles and scenes first."""
    known = role_axis("emoji")
    assert known is not None
    return {"role": known} | {name: load_axis(name) for name in NAMES}


def make(model: Model, prompts: Sequence[str], seeds: Sequence[int]) -> list[Record]:
    """One image a prompt and seed, with every axis detected; the images are not kept."""
    jobs = [Job(str(index), *job) for index, job in enumerate(zip(prompts, seeds, strict=True))]
    read = [axis for name, axis in axes().items() if name != "role"]
    with making(model) as maker:
        return maker.make("images", jobs, read, MemoryRun({}, most=0))


def likeliest(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda name: probabilities[name])


def tone_order(true: Sequence[str], seen: Sequence[str]) -> float | None:
    """Spearman's correlation of named and seen tones."""
    order = load_axis("tone").classes
    return spearman([order.index(t) for t in true], [order.index(s) for s in seen])
