"""A latent direction: a frozen vector with its provenance and its algebra. Applying it is another object's work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.directions.origin import Origin
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.hub.cards import Subject
from equinoise.hub.sharing import Shareable
from equinoise.models.base import Step

KIND = "directions"


@dataclass(frozen=True)
class Term:
    """A coefficient and the origin of the unit direction that it multiplies."""

    coefficient: float
    origin: Origin


@dataclass(frozen=True, eq=False)
class Direction:
    """A vector in latent space (float32, the shape of one image's latents) and the terms it is made of.

    A direction as fitted has length 1 and one term. Sums and multiples are directions too, no longer of length 1:
    `2 * d` applied with weight 1 is `d` applied with weight 2.
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
            EquinoiseError: its length is 0, so that it has no direction.
        """
        length = float(np.linalg.norm(vector))
        if not length > 0:
            raise EquinoiseError(f"nothing tells '{origin.label}' apart at step {origin.step}: the direction is zero")
        return cls((vector / length).astype(np.float32), (Term(1.0, origin),))

    @property
    def name(self) -> str:
        """`woman@10`, or a sum such as `woman@10 + 2·dark@10`."""
        return " + ".join(
            term.origin.name if term.coefficient == 1 else f"{term.coefficient:g}·{term.origin.name}"
            for term in self.terms
        )

    @property
    def digest(self) -> str:
        """A short hash of the vector, by which two directions of one name are told apart."""
        return sha256(self.vector.tobytes()).hexdigest()[:16]

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
        """The part at right angles to all others, at length 1: it moves its own axis and not theirs.

        Raises:
            EquinoiseError: nothing is left.
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
        names = tuple(other.name for other in others)
        terms = tuple(
            Term(t.coefficient, replace(t.origin, orthogonal_to=names, accuracy=None, low=None, high=None, p=None))
            for t in self.terms
        )
        return Direction((rest / length).astype(np.float32).reshape(self.vector.shape), terms)

    def _require_same_space(self, other: Direction) -> None:
        mine, theirs = self.terms[0].origin.model, other.terms[0].origin.model
        if self.vector.shape != other.vector.shape or mine.get("weights") != theirs.get("weights"):
            raise EquinoiseError(
                f"{self.name} (of {mine.get('name')}, shape {self.vector.shape}) and {other.name} (of "
                f"{theirs.get('name')}, shape {other.vector.shape}) belong to different models; fit both on one"
            )


@dataclass(frozen=True)
class DirectionSet(Shareable):
    """The directions of one file, found by class and step."""

    FILE = "directions.safetensors"
    directions: tuple[Direction, ...]

    def find(self, label: str, step: Step) -> Direction:
        """The direction towards a class at a step; on an ordered axis the low end is the high end, sign turned.

        Raises:
            EquinoiseError: there is none.
        """
        for direction in self.directions:
            origin = direction.terms[0].origin
            if origin.step == step and origin.label == label:
                return direction
            if origin.step == step and origin.ordered and origin.against == label:
                return -direction
        classes, steps = ", ".join(self.labels()), ", ".join(map(str, self.steps()))
        raise EquinoiseError(f"no direction towards '{label}' at step {step}; there are {classes} at steps {steps}")

    def labels(self) -> list[str]:
        """Every class that `find` knows."""
        origins = [direction.terms[0].origin for direction in self.directions]
        ends = [label for o in origins for label in ((o.label, o.against) if o.ordered else (o.label,))]
        return list(dict.fromkeys(ends))

    def steps(self) -> list[Step]:
        """Every step at which there is a direction."""
        return list(dict.fromkeys(direction.terms[0].origin.step for direction in self.directions))

    @property
    def total(self) -> int | None:
        """The number of denoising steps that all of them were found at; None where it differs."""
        totals = {d.terms[0].origin.sampling.get("steps") for d in self.directions}
        return totals.pop() if len(totals) == 1 else None

    def subject(self) -> Subject:
        """For the card."""
        origins = origins_of(self.directions)
        axes = ", ".join(dict.fromkeys(origin.axis for origin in origins))
        return Subject(type(self).__name__, f"Directions: {axes}", origins)

    def __add__(self, other: DirectionSet) -> DirectionSet:
        return DirectionSet((*self.directions, *other.directions))

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        arrays = {str(index): direction.vector for index, direction in enumerate(self.directions)}
        terms = [describe_terms(direction) for direction in self.directions]
        write_arrays(path, arrays, {"kind": KIND, "terms": terms})

    @classmethod
    def load(cls, path: Path) -> DirectionSet:
        """Read what `save` wrote.

        Raises:
            EquinoiseError: missing, damaged, or not a file of directions.
        """
        arrays, about = read_arrays(path)
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise EquinoiseError(f"{path} is not a file of directions; make one with 'equinoise fit'")
        try:
            terms = [read_terms(row) for row in about["terms"]]
            return cls(tuple(Direction(arrays[str(index)], row) for index, row in enumerate(terms)))
        except (KeyError, TypeError) as error:
            raise EquinoiseError(f"{path} is damaged: {error}; make it again with 'equinoise fit'") from error


def origins_of(directions: Iterable[Direction]) -> list[Origin]:
    """Of all terms of all directions, each once."""
    found: list[Origin] = []
    for origin in (term.origin for direction in directions for term in direction.terms):
        if origin not in found:  # they hold dicts, and so no hash
            found.append(origin)
    return found


def describe_terms(direction: Direction) -> list[dict[str, Any]]:
    """The terms of a direction in JSON."""
    return [asdict(term) for term in direction.terms]


def read_terms(rows: Iterable[Mapping[str, Any]]) -> tuple[Term, ...]:
    """What `describe_terms` wrote."""
    return tuple(Term(row["coefficient"], _origin(row["origin"])) for row in rows)


def _origin(fields: dict[str, Any]) -> Origin:
    return Origin(**{**fields, "seeds": tuple(fields["seeds"]), "orthogonal_to": tuple(fields["orthogonal_to"])})
