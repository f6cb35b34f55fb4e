"""Traces: the latents of many images at the captured steps, with the class and the seed of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.models.base import NOISE, Step

FILE = "traces.safetensors"
KIND = "traces"


@dataclass(frozen=True)
class Traces:
    """Latents of n images.

    Attributes:
        axis: name of the axis.
        classes: its classes, in order; `ordered` says whether they form a scale.
        prompts: class → the prompt that made it (one prompt for all where classes were detected).
        labels: (n,) index of each image's class.
        seeds: (n,) seed of each image; images that share a seed started from the same noise.
        latents: step → (n, *latent_shape), float16 as kept on disk.
        detected: whether the labels were read off the images; otherwise the prompt set them.
        model, sampling: provenance.
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

    def save(self, folder: Path) -> Path:
        """Write `traces.safetensors` into the folder."""
        arrays: dict[str, NDArray[Any]] = {f"step/{step}": latents for step, latents in self.latents.items()}
        arrays |= {"labels": self.labels, "seeds": self.seeds}
        about = {
            "kind": KIND,
            "axis": self.axis,
            "classes": list(self.classes),
            "ordered": self.ordered,
            "prompts": dict(self.prompts),
            "detected": self.detected,
            "steps": list(self.latents),
            "model": dict(self.model),
            "sampling": dict(self.sampling),
        }
        write_arrays(folder / FILE, arrays, about)
        return folder / FILE

    @classmethod
    def load(cls, folder: Path) -> Traces:
        """Read a folder that `collect` made.

        Raises:
            EquinoiseError: not such a folder, or its file is damaged.
        """
        arrays, about = read_arrays(folder / FILE if folder.is_dir() else folder)
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise EquinoiseError(f"{folder} holds no traces; make them with 'equinoise collect'")
        try:
            return cls(
                about["axis"],
                tuple(about["classes"]),
                about["ordered"],
                about["prompts"],
                arrays["labels"],
                arrays["seeds"],
                {step: arrays[f"step/{step}"] for step in about["steps"]},
                about["detected"],
                about["model"],
                about["sampling"],
            )
        except KeyError as error:
            raise EquinoiseError(f"{folder} is damaged: {error} is missing; collect it again") from error

    def can_tell(self, step: Step) -> bool:
        """Whether the latents at a step can hold anything of the class.

        The noise itself cannot where the prompt set the class: it is the same for every class.
        """
        return self.detected or step != NOISE

    def subset(self, classes: tuple[str, ...]) -> Traces:
        """Only the images of the given classes, relabelled in that order."""
        for name in classes:
            if name not in self.classes:
                raise EquinoiseError(f"the traces hold no class '{name}'; they hold {', '.join(self.classes)}")
        index = {self.classes.index(name): new for new, name in enumerate(classes)}
        rows = np.isin(self.labels, list(index))
        return Traces(
            self.axis,
            classes,
            self.ordered,
            {c: self.prompts[c] for c in classes if c in self.prompts},
            np.array([index[int(label)] for label in self.labels[rows]], np.int64),
            self.seeds[rows],
            {step: latents[rows] for step, latents in self.latents.items()},
            self.detected,
            self.model,
            self.sampling,
        )
