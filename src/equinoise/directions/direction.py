"""A latent direction: a frozen vector with its origin and its algebra. `steering.intervention` applies it to noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from equinoise.directions.stored import Finite, StoredModel, StoredSampling, StoredSeed, StoredStep, stored_vector
from equinoise.directions.version_01 import upgraded
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, typed, write_arrays
from equinoise.models.base import Step

Kind = Literal["two_class", "one_vs_rest", "pairwise", "scale"]
FILE_KIND = "directions"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a direction separates, what it was fitted on, and how accurate it is on images it was not fitted on.

    Attributes:
        axis: for example `gender`.
        kind: `two_class`, the two classes of an axis; `one_vs_rest`, one of several unordered classes against all
            others; `pairwise`, two of several unordered classes; `scale`, the low and the high end of an ordered axis.
        label, against: the class it points to, and the one it points away from; `rest` where that is all others.
        step: `T` for the initial noise, or k for the latents after the (k + 1)-th denoiser call.
        estimator: `svm`, `mean` or `paired`; `imported` where that is not known.
        c: penalty of the support vector machine as its authors count it; None of other estimators and in version 0.1.
        accuracy, low, high, p: held-out accuracy (balanced; chance is 0.5), its 95% interval over seeds and its
            permutation p-value; None where not known.
        model, sampling: provenance of the model it was fitted on; `steps` and `guidance_scale`.
        prompts, seeds: class → the prompt that generated its images; their seeds.
        orthogonal_to: names of the directions it was made orthogonal to.
    """

    axis: str
    kind: Kind
    label: str
    against: str
    step: StoredStep
    estimator: str
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    model: StoredModel = field(default_factory=dict)
    sampling: StoredSampling = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[StoredSeed, ...] = ()
    orthogonal_to: tuple[str, ...] = ()
    c: float | None = None

    @property
    def towards(self) -> str:
        """The class as it is printed: `woman`; `hut-vs-house` where the kind is `pairwise`."""
        return f"{self.label}-vs-{self.against}" if self.kind == "pairwise" else self.label

    @property
    def name(self) -> str:
        """`woman@10`, or `woman@10⟂dark@10`."""
        return "⟂".join([f"{self.towards}@{self.step}", *self.orthogonal_to])


@dataclass(frozen=True)
class Term:
    """A coefficient and the origin of the unit direction that it multiplies."""

    coefficient: Finite
    origin: Annotated[Origin, BeforeValidator(upgraded)]

    def to_json(self) -> dict[str, Any]:
        """As files of directions and of plans hold it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Direction:
    """A vector in latent space (float32, the shape of one image's latents) and the terms it is the sum of.

    A fitted direction has length 1 and one term. Sums and multiples are directions too, of another length: `2 * d`
    applied with weight 1 is `d` applied with weight 2.
    """

    vector: NDArray[np.float32]
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not np.isfinite(self.vector).all():
            raise EquinoiseError("a direction must be finite: it holds NaN or infinity")
        self.vector.setflags(write=False)

    @classmethod
    def unit(cls, vector: NDArray[Any], origin: Origin) -> Direction:
        """The vector scaled to length 1.

        Raises:
            EquinoiseError: its length is 0, or it is not finite.
        """
        length = float(np.linalg.norm(vector))
        if not length > 0:
            raise EquinoiseError(f"nothing tells '{origin.towards}' apart at step {origin.step}: the direction is zero")
        return cls((vector / length).astype(np.float32), (Term(1.0, origin),))

    @property
    def origin(self) -> Origin:
        """The origin of the first term, which is the only one unless the direction is a sum."""
        return self.terms[0].origin

    @property
    def name(self) -> str:
        """`woman@10`, or a sum such as `woman@10 + 2·dark@10`."""
        return " + ".join(
            term.origin.name if term.coefficient == 1 else f"{term.coefficient:g}·{term.origin.name}"
            for term in self.terms
        )

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the vector's SHA-256: it tells directions of one name apart."""
        return sha256(self.vector.tobytes()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The row that `equinoise fit --json` prints; of a sum, that of its first term."""
        penalty = () if self.origin.c is None else ("c",)
        columns = ("against", "step", "estimator", *penalty, "accuracy", "low", "high", "p")
        row = {column: getattr(self.origin, column) for column in columns}
        return {"axis": self.origin.axis, "class": self.origin.towards, **row}

    def __add__(self, other: Direction) -> Direction:
        self._require_same_space(other)
        return Direction(self.vector + other.vector, (*self.terms, *other.terms))

    def __neg__(self) -> Direction:
        return -1.0 * self

    def __sub__(self, other: Direction) -> Direction:
        return self + -other

    def __mul__(self, factor: float) -> Direction:
        terms = tuple(Term(factor * term.coefficient, term.origin) for term in self.terms)
        return Direction(np.float32(factor) * self.vector, terms)

    __rmul__ = __mul__

    def cosine(self, other: Direction) -> float:
        """Cosine similarity with another direction of the same latent space."""
        self._require_same_space(other)
        a, b = self.vector.ravel().astype(np.float64), other.vector.ravel().astype(np.float64)
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    def orthogonal_to(self, others: Iterable[Direction]) -> Direction:
        """The part at right angles to all others, scaled to length 1: it moves its own axis and not theirs.

        Raises:
            EquinoiseError: nothing is left, or one belongs to another model.
        """
        others = list(others)
        for other in others:
            self._require_same_space(other)
        basis = np.stack([other.vector.ravel().astype(np.float64) for other in others], axis=1)
        vector = self.vector.ravel().astype(np.float64)
        orthonormal, _ = np.linalg.qr(basis)
        rest = vector - orthonormal @ (orthonormal.T @ vector)
        length = np.linalg.norm(rest)
        if length < 1e-6 * np.linalg.norm(vector):
            raise EquinoiseError(f"{self.name} lies wholly in the span of the directions it should be orthogonal to")
        unknown: dict[str, Any] = dict.fromkeys(("accuracy", "low", "high", "p"))
        names = tuple(other.name for other in others)
        terms = (Term(t.coefficient, replace(t.origin, orthogonal_to=names, **unknown)) for t in self.terms)
        return Direction((rest / length).astype(np.float32).reshape(self.vector.shape), tuple(terms))

    def _require_same_space(self, other: Direction) -> None:
        mine, theirs = ((d.vector.shape, d.origin.model.get("weights")) for d in (self, other))
        if mine != theirs:
            both = (f"{d.name} (of {d.origin.model.get('name')}, shape {d.vector.shape})" for d in (self, other))
            raise EquinoiseError(f"{' and '.join(both)} belong to different models; fit both on one")


@dataclass(frozen=True)
class Skipped:
    """A step of an axis at which a direction could not be fitted, and why."""

    axis: str
    step: Step
    reason: str


@dataclass(frozen=True)
class DirectionSet:
    """Directions, found by class and step, and what `fit` had to leave out."""

    directions: tuple[Direction, ...]
    skipped: tuple[Skipped, ...] = ()

    def find(self, label: str, step: Step, against: str | None = None) -> Direction:
        """The direction towards a class at a step, away from all other classes or from the one named in `against`.

        An ordered axis and a pair of classes have one direction each, which serves both ends with opposite signs.

        Raises:
            EquinoiseError: there is none.
        """
        for direction in self.directions:
            origin = direction.origin
            if origin.step != step or (origin.kind == "pairwise" and against is None):
                continue
            if origin.label == label and against in (None, origin.against):
                return direction
            if origin.kind in ("scale", "pairwise") and origin.against == label and against in (None, origin.label):
                return -direction
        asked = f"'{label}'" + (f" against '{against}'" if against else "")
        classes, steps = ", ".join(self.labels()), ", ".join(map(str, self.steps()))
        raise EquinoiseError(f"no direction towards {asked} at step {step}; there are {classes} at steps {steps}")

    def named(self, name: str, step: Step) -> Direction:
        """As `find`, by what `labels` lists and the command line takes: `woman`, or `hut-vs-house` for a pair."""
        pairs = (d for d in self.directions if d.origin.kind == "pairwise" and d.origin.step == step)
        return next((pair for pair in pairs if pair.origin.towards == name), None) or self.find(name, step)

    def labels(self) -> list[str]:
        """Every class that there is a direction towards, and every pair as `hut-vs-house`."""
        origins = [direction.origin for direction in self.directions]
        ends = [label for o in origins for label in ((o.label, o.against) if o.kind == "scale" else (o.towards,))]
        return list(dict.fromkeys(ends))

    def steps(self) -> list[Step]:
        """Every step at which there is a direction."""
        return list(dict.fromkeys(direction.origin.step for direction in self.directions))

    @property
    def total(self) -> int | None:
        """The number of denoising steps of the runs that all of them were fitted on; None where it differs."""
        totals = {direction.origin.sampling.get("steps") for direction in self.directions}
        return totals.pop() if len(totals) == 1 else None

    def to_json(self) -> list[dict[str, Any]]:
        """The rows that `equinoise fit --json` prints."""
        return [direction.to_json() for direction in self.directions]

    def __add__(self, other: DirectionSet) -> DirectionSet:
        return DirectionSet((*self.directions, *other.directions), (*self.skipped, *other.skipped))

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: the vectors, and all else as JSON beside them."""
        arrays = {str(index): direction.vector for index, direction in enumerate(self.directions)}
        terms = [[term.to_json() for term in direction.terms] for direction in self.directions]
        skipped = [asdict(entry) for entry in self.skipped]
        write_arrays(Path(path), arrays, {"kind": FILE_KIND, "terms": terms, "skipped": skipped})

    @classmethod
    def load(cls, path: str | Path) -> DirectionSet:
        """Read what `save` wrote, in this version or in 0.1.

        Raises:
            EquinoiseError: missing, damaged, or not a file of directions.
        """
        arrays, about = read_arrays(Path(path))
        if not isinstance(about, dict) or about.get("kind") != FILE_KIND:
            raise EquinoiseError(f"{path} is not a file of directions; make one with 'equinoise fit'")
        stored = typed(_Stored, about, str(path))
        vectors = [stored_vector(arrays, str(index), Path(path)) for index in range(len(stored.terms))]
        return cls(tuple(map(Direction, vectors, stored.terms)), stored.skipped)


@dataclass(frozen=True)
class _Stored:
    terms: tuple[Annotated[tuple[Term, ...], Field(min_length=1)], ...]
    skipped: tuple[Skipped, ...] = ()
