"""Traces: the latents of many images at the captured steps, with the class and the seed of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from equinoise.directions.direction import Kind, Origin
from equinoise.directions.stored import StoredClasses, StoredModel, StoredSampling, StoredStep
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, typed, write_arrays
from equinoise.models.base import NOISE, Step

FILE = "traces.safetensors"
FILE_KIND = "traces"


@dataclass(frozen=True)
class _About:
    """What a file of traces says of its arrays."""

    axis: str
    classes: StoredClasses
    ordered: bool
    prompts: Mapping[str, str]
    detected: bool
    steps: Annotated[tuple[StoredStep, ...], Field(min_length=1)]
    model: StoredModel
    sampling: StoredSampling


def _whole_numbers(arrays: Mapping[str, NDArray[Any]], name: str, where: object) -> NDArray[np.int64]:
    array = arrays.get(name)
    if array is None or array.ndim != 1 or not len(array) or not np.can_cast(array.dtype, np.int64):
        raise EquinoiseError(f"{where} is damaged: {name} are no row of whole numbers; collect it again")
    return array.astype(np.int64)


def _latents(arrays: Mapping[str, NDArray[Any]], name: str, n: int, where: object) -> NDArray[Any]:
    array = arrays.get(name)
    if array is None or array.ndim < 2 or len(array) != n or not array.size or array.dtype.kind != "f":
        raise EquinoiseError(f"{where} is damaged: {name} is no array of {n} latents; collect it again")
    return array


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Latents of n images of the classes of an axis.

    Attributes:
        axis: name of the axis.
        classes: its classes, in order; `ordered` says whether they form a scale.
        prompts: class → the prompt that generated it (the same for all where classes were detected).
        labels: (n,) index of each image's class.
        seeds: (n,) seed of each image; images of one seed started from the same noise.
        latents: step → (n, *latent_shape), float16 as on disk.
        detected: whether a detector read the labels off the images; otherwise the prompt set them.
        model, sampling: provenance of the model; `steps` and `guidance_scale`.
    """

    axis: str
    classes: tuple[str, ...]
    ordered: bool
    prompts: Mapping[str, str]
    labels: NDArray[np.int64]
    seeds: NDArray[np.int64]
    latents: Mapping[Step, NDArray[np.float16]]
    detected: bool
    model: Mapping[str, Any]
    sampling: Mapping[str, Any]

    def save(self, folder: str | Path) -> Path:
        """Write `traces.safetensors` into the folder; the path of the file."""
        arrays: dict[str, NDArray[Any]] = {f"step/{step}": latents for step, latents in self.latents.items()}
        arrays |= {"labels": self.labels, "seeds": self.seeds}
        about = {
            "kind": FILE_KIND,
            "axis": self.axis,
            "classes": list(self.classes),
            "ordered": self.ordered,
            "prompts": dict(self.prompts),
            "detected": self.detected,
            "steps": list(self.latents),
            "model": dict(self.model),
            "sampling": dict(self.sampling),
        }
        file = Path(folder) / FILE
        write_arrays(file, arrays, about)
        return file

    @classmethod
    def load(cls, folder: str | Path) -> Traces:
        """Read a folder that `collect` wrote, or the file in it.

        Raises:
            EquinoiseError: no such folder or file, not one of traces, or damaged.
        """
        file = Path(folder)
        arrays, about = read_arrays(file / FILE if file.is_dir() else file)
        if not isinstance(about, dict) or about.get("kind") != FILE_KIND:
            raise EquinoiseError(f"{folder} holds no traces; make them with 'equinoise collect'")
        known = typed(_About, about, str(folder))
        labels, seeds = (_whole_numbers(arrays, name, folder) for name in ("labels", "seeds"))
        latents = {step: _latents(arrays, f"step/{step}", len(labels), folder) for step in known.steps}
        if len({array.shape for array in latents.values()}) > 1:
            raise EquinoiseError(f"{folder} is damaged: latents of different shapes; collect it again")
        if len(seeds) != len(labels) or not ((labels >= 0) & (labels < len(known.classes))).all() or (seeds < 0).any():
            raise EquinoiseError(f"{folder} is damaged: labels and seeds do not fit its classes; collect it again")
        said = {name: value for name, value in vars(known).items() if name != "steps"}
        return cls(**said, labels=labels, seeds=seeds, latents=latents)

    def require(self, steps: Iterable[Step]) -> list[Step]:
        """The given steps, once it is known that all of them were captured.

        Raises:
            EquinoiseError: one was not captured.
        """
        wanted = list(steps)
        for step in wanted:
            if step not in self.latents:
                raise EquinoiseError(f"step {step} was not captured; there are {', '.join(map(str, self.latents))}")
        return wanted

    def can_tell(self, step: Step) -> bool:
        """Whether the latents at a step can depend on the class.

        The noise itself cannot where the prompt set the class: it is the same for every class.
        """
        return self.detected or step != NOISE

    def rows(self, step: Step) -> NDArray[np.float64]:
        """The latents at a step, one row an image: (n, d).

        Raises:
            EquinoiseError: they hold NaN or infinity.
        """
        latents = self.latents[step].reshape(len(self.labels), -1).astype(np.float64)
        if not np.isfinite(latents).all():
            raise EquinoiseError(f"the latents of step {step} hold NaN or infinity; collect them in float32")
        return latents

    def origin(self, kind: Kind, label: str, against: str, step: Step, estimator: str) -> Origin:
        """The origin of a direction that is fitted on these images; its accuracy is not known yet."""
        return Origin(
            axis=self.axis,
            kind=kind,
            label=label,
            against=against,
            step=step,
            estimator=estimator,
            model=self.model,
            sampling=self.sampling,
            prompts=self.prompts,
            seeds=tuple(int(seed) for seed in np.unique(self.seeds)),
        )

    def subset(self, classes: tuple[str, ...]) -> Traces:
        """Only the images of the given classes, relabelled in that order.

        Raises:
            EquinoiseError: there is no such class.
        """
        for name in classes:
            if name not in self.classes:
                raise EquinoiseError(f"the traces hold no class '{name}'; they hold {', '.join(self.classes)}")
        index = {self.classes.index(name): new for new, name in enumerate(classes)}
        rows = np.isin(self.labels, list(index))
        return replace(
            self,
            classes=classes,
            prompts={name: self.prompts[name] for name in classes if name in self.prompts},
            labels=np.array([index[int(label)] for label in self.labels[rows]], np.int64),
            seeds=self.seeds[rows],
            latents={step: latents[rows] for step, latents in self.latents.items()},
        )
