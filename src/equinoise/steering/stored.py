"""What the file of a plan must hold: types that are checked while it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from equinoise.axes import Axis
from equinoise.directions.direction import Term
from equinoise.directions.stored import Finite, StoredModel, StoredSampling, StoredSeed, stored_vector
from equinoise.errors import EquinoiseError
from equinoise.files import typed
from equinoise.schemas import Probability
from equinoise.steering.early_classifier import LATENTS, READING, EarlyClassifier, LinearClassifier
from equinoise.steering.intervention import How
from equinoise.steering.prompt_filter import Match

Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Cost:
    extra_calls_per_image: Annotated[Finite, Field(ge=0)] = 0.0


@dataclass(frozen=True)
class _Known:
    """What is read of the provenance of a plan, where it is there."""

    model: StoredModel = field(default_factory=dict)
    sampling: StoredSampling = field(default_factory=dict)
    cost: _Cost = _Cost()


def _check_provenance(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        typed(_Known, dict(provenance), "provenance")
    except EquinoiseError as error:
        raise ValueError(str(error)) from error
    return provenance


@dataclass(frozen=True)
class StoredShift:
    """A shift: the number of its direction in the file, how far, and in which way."""

    direction: Annotated[int, Field(ge=0)]
    weight: Finite
    how: How


@dataclass(frozen=True)
class StoredPart:
    """A part of the mixture; `keep` are the classes that rejection sampling accepts."""

    share: Probability
    shifts: tuple[StoredShift, ...]
    keep: Words = field(default_factory=dict)


@dataclass(frozen=True)
class StoredAxis:
    """An axis that the early classifier predicts."""

    name: str
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    ordered: bool
    generate: Words
    detect: Words
    words: Words


@dataclass(frozen=True)
class StoredClassifier:
    """A linear classifier without its vectors."""

    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    offsets: tuple[Finite, ...]


@dataclass(frozen=True)
class StoredEarlyClassifier:
    """An early classifier without the vectors of its classifiers; `most` is the number of attempts at an image."""

    step: Annotated[int, Field(ge=0)]
    axes: Annotated[tuple[StoredAxis, ...], Field(min_length=1)]
    confusions: Mapping[str, tuple[tuple[Annotated[int, Field(ge=0)], ...], ...]]
    detector: str | None
    classifiers: Mapping[str, StoredClassifier]
    most: Annotated[int, Field(ge=1, le=10_000)]

    def read(self, arrays: Mapping[str, NDArray[Any]], path: Path) -> EarlyClassifier:
        """The classifier with its vectors.

        Raises:
            EquinoiseError: arrays, classes and counts do not fit each other.
        """
        axes = {axis.name: axis for axis in self.axes}
        for name, axis in axes.items():
            k, rows = len(axis.classes), self.confusions.get(name, ())
            if len(rows) != k or any(len(row) != k + 1 for row in rows):
                raise EquinoiseError(f"{path} is damaged: the counts of '{name}' are no {k} × {k + 1}; make it again")
        return EarlyClassifier(
            step=self.step,
            axes=tuple(Axis(**vars(axis)) for axis in self.axes),
            confusions=self.confusions,
            detector=self.detector,
            classifiers=self._named(LATENTS, axes, arrays, path),
            readings=self._named(READING, axes, arrays, path),
            most_attempts=self.most,
        )

    def _named(
        self, prefix: str, axes: Mapping[str, StoredAxis], arrays: Mapping[str, NDArray[Any]], path: Path
    ) -> dict[str, LinearClassifier]:
        found = {}
        for name, row in self.classifiers.items():
            if not name.startswith(prefix):
                continue
            axis, vectors = axes.get(name.removeprefix(prefix)), stored_vector(arrays, name, path)
            fits = axis is not None and set(row.classes) <= set(axis.classes)
            if axis is None or not fits or not len(vectors) == len(row.offsets) == len(row.classes):
                raise EquinoiseError(f"{path} is damaged: '{name}' does not fit its classes; make it again")
            if prefix == READING and vectors.shape != (len(row.classes), len(axis.classes)):
                raise EquinoiseError(f"{path} is damaged: '{name}' reads other probabilities; make it again")
            found[axis.name] = LinearClassifier(row.classes, vectors, row.offsets)
        return found


@dataclass(frozen=True)
class StoredPlan:
    """A plan without its vectors."""

    concept: str
    targets: Mapping[str, Mapping[str, Probability]]
    parts: Annotated[tuple[StoredPart, ...], Field(min_length=1)]
    terms: tuple[Annotated[tuple[Term, ...], Field(min_length=1)], ...]
    match: Match
    threshold: Finite | None
    words: Mapping[str, Words]
    seeds: tuple[StoredSeed, ...]
    provenance: Annotated[Mapping[str, Any], AfterValidator(_check_provenance)]
    look: StoredEarlyClassifier | None = None
