"""A plan as data: a mixture of interventions with shares, and which seed gets which. `planning` makes plans.

Which intervention the image of a seed gets depends on the plan and the seed alone, so that results repeat and several
machines agree, and it is stratified: among consecutive seeds every intervention comes as nearly in its share as can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import isclose
from pathlib import Path
from typing import Any

from equinoise.directions.direction import Direction
from equinoise.directions.stored import stored_vector
from equinoise.engine.jobs import Accepted, changed_name
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, typed, write_arrays
from equinoise.steering.early_classifier import EarlyClassifier
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.prompt_filter import Encoder, Match, PromptFilter, Words
from equinoise.steering.schedule import schedule
from equinoise.steering.stored import StoredPart, StoredPlan

FILE_KIND = "plan"
VERSION = 1


@dataclass(frozen=True)
class Part:
    """One intervention of a mixture and the share of images that get it.

    Attributes:
        intervention: what is done to the noise.
        share: from 0 to 1.
        accept: axis → classes, for rejection sampling: an attempt under the intervention is accepted where the plan's
            early classifier predicts one of these classes. Empty: the first attempt is taken, without an early check.
    """

    intervention: Intervention
    share: float
    accept: Accepted = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`woman@10=3`, or `none, kept if woman`."""
        return changed_name(self.intervention, self.accept)

    def to_json(self) -> dict[str, Any]:
        """What images of this part get, for people and JSON; the directions by name only."""
        accept = {axis: list(classes) for axis, classes in self.accept.items()}
        return {"name": self.name, "share": self.share, "kl_nats": self.intervention.kl_nats, "accept": accept}


@dataclass(frozen=True)
class Plan:
    """A mixture of interventions that is meant to reach a target for a concept on a model.

    Attributes:
        concept: the neutral prompt it was made for.
        targets: axis → class → wanted share.
        parts: the mixture; shares sum to 1.
        match, threshold: which prompts it is for; see `PromptFilter`.
        words: axis → class → the words by which a prompt names the class and is left alone; see `class_words`.
        seeds: the seeds it was chosen on; it does better on these than on fresh ones.
        early_classifier: decides which attempts are accepted; needed where a part has `accept`.
        provenance: how it was made and what was measured, in JSON: `model`, `sampling`, `expected`, `verified`,
            `cost` and more.

    Raises:
        EquinoiseError: shares or targets that do not sum to 1, classes to accept that the early classifier does not
            predict, or a prompt filter that is not valid.
    """

    concept: str
    targets: Mapping[str, Mapping[str, float]]
    parts: tuple[Part, ...]
    match: Match = "exact"
    threshold: float | None = None
    words: Words = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    early_classifier: EarlyClassifier | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = [part.share for part in self.parts]
        if not _is_distribution(shares):
            raise EquinoiseError(f"the shares of a plan lie in 0–1 and sum to 1; these are {shares}")
        for axis, target in self.targets.items():
            if not _is_distribution(list(target.values())):
                raise EquinoiseError(f"the target of axis '{axis}' must lie in 0–1 and sum to 1: {dict(target)}")
        for part in self.parts:
            self._require_predicted(part.accept)
        self.prompt_filter()

    def _require_predicted(self, accept: Accepted) -> None:
        predicted = {axis.name: axis.classes for axis in self.early_classifier.axes} if self.early_classifier else {}
        for axis, classes in accept.items():
            if not classes or not set(classes) <= set(predicted.get(axis, ())):
                raise EquinoiseError(
                    f"the plan's early classifier does not predict {axis} {', '.join(classes)}, which a part accepts"
                )

    @property
    def name(self) -> str:
        """The mixture in words: `0.6 none + 0.4 woman@10=3`."""
        return " + ".join(f"{part.share:g} {part.name}" for part in self.parts)

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """The intervention of each part."""
        return tuple(part.intervention for part in self.parts)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions of all interventions, each once."""
        shifts = (shift for intervention in self.interventions for shift in intervention.shifts)
        return tuple({id(shift.direction): shift.direction for shift in shifts}.values())

    @property
    def uses_rejection_sampling(self) -> bool:
        """Whether some runs are stopped after an early check and attempted again with other noise."""
        return any(part.accept for part in self.parts)

    @property
    def kl_nats(self) -> float:
        """Expected divergence of an image's noise from N(0, I), in nats."""
        return sum(part.share * part.intervention.kl_nats for part in self.parts)

    def prompt_filter(self, encoder: Encoder | None = None) -> PromptFilter:
        """Which prompts it is for; `encoder` is needed where prompts are matched by similarity."""
        return PromptFilter(self.concept, self.match, self.words, self.threshold, encoder)

    def part(self, seed: int) -> Part:
        """What the image of a seed gets.

        Among any k consecutive seeds each of two parts comes k·share times, rounded up or down; so does each of
        several parts of equal shares. In other mixtures a count is off by less than 2 (see `schedule`). Seeds that
        are not consecutive get no such promise: every other seed of an even mixture is always the same part.
        """
        return self.parts[self._schedule[seed % len(self._schedule)]]

    def intervention(self, seed: int) -> Intervention:
        """What is done to the noise of the image of a seed; see `part`."""
        return self.part(seed).intervention

    @cached_property
    def _schedule(self) -> tuple[int, ...]:
        return schedule(tuple(part.share for part in self.parts))

    @property
    def digest(self) -> str:
        """A short hash of all that decides what an image gets."""
        content = [self.concept, self.match, self.threshold, str(self.words), self._schedule]
        vectors: list[Any] = [
            [(s.direction.digest, s.weight, s.how) for s in part.intervention.shifts] for part in self.parts
        ]
        if self.early_classifier is not None and self.uses_rejection_sampling:
            vectors.append([self.early_classifier.digest, [sorted(part.accept.items()) for part in self.parts]])
        return sha256(repr([*content, vectors]).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The plan for people and JSON: everything but the vectors, which `save` writes."""
        return {
            "name": self.name,
            "digest": self.digest,
            "concept": self.concept,
            "targets": {axis: dict(target) for axis, target in self.targets.items()},
            "interventions": [part.to_json() for part in self.parts],
            "kl_nats": self.kl_nats,
            "match": self.match,
            "threshold": self.threshold,
            "words": {axis: {c: list(words) for c, words in classes.items()} for axis, classes in self.words.items()},
            "seeds": list(self.seeds),
            "early_check_step": self.early_classifier.step if self.early_classifier else None,
            "provenance": dict(self.provenance),
        }

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: the vectors, and all else as JSON beside them.

        The keys are those of version 0.1: `keep` of a part is its `accept`, `look` the early classifier.
        """
        places = {id(direction): place for place, direction in enumerate(self.directions)}
        shown = self.to_json()
        about = {
            "kind": FILE_KIND,
            "version": VERSION,
            "concept": self.concept,
            "targets": shown["targets"],
            "parts": [_write_part(part, places) for part in self.parts],
            "terms": [[term.to_json() for term in direction.terms] for direction in self.directions],
            "match": self.match,
            "threshold": self.threshold,
            "words": shown["words"],
            "seeds": shown["seeds"],
            **({"look": self.early_classifier.to_json()} if self.early_classifier else {}),
            "provenance": shown["provenance"],
        }
        vectors = {str(place): direction.vector for place, direction in enumerate(self.directions)}
        write_arrays(Path(path), vectors | (self.early_classifier.arrays() if self.early_classifier else {}), about)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read what `save` wrote, in this version or in 0.1.

        Raises:
            EquinoiseError: missing, damaged, not a plan, or of a later version.
        """
        arrays, about = read_arrays(Path(path))
        if not isinstance(about, dict) or about.get("kind") != FILE_KIND:
            raise EquinoiseError(f"{path} is not a plan; make one with 'equinoise plan'")
        if about.get("version") != VERSION:
            raise EquinoiseError(f"{path} is a plan of version {about.get('version')}; this equinoise reads {VERSION}")
        stored = typed(StoredPlan, about, str(path))
        vectors = [stored_vector(arrays, str(place), Path(path)) for place in range(len(stored.terms))]
        directions = list(map(Direction, vectors, stored.terms))
        if len({direction.vector.shape for direction in directions}) > 1:
            raise EquinoiseError(f"{path} is damaged: directions of different shapes; make it again")
        try:
            return cls(
                concept=stored.concept,
                targets=stored.targets,
                parts=tuple(_read_part(part, directions) for part in stored.parts),
                match=stored.match,
                threshold=stored.threshold,
                words=stored.words,
                seeds=stored.seeds,
                early_classifier=stored.look.read(arrays, Path(path)) if stored.look else None,
                provenance=stored.provenance,
            )
        except IndexError as error:
            raise EquinoiseError(f"{path} is damaged: it lacks a direction; make it again") from error


def _is_distribution(shares: Sequence[float]) -> bool:
    return bool(shares) and all(0 <= share <= 1 for share in shares) and isclose(sum(shares), 1, abs_tol=1e-6)


def _write_part(part: Part, places: Mapping[int, int]) -> dict[str, Any]:
    shifts = [
        {"direction": places[id(shift.direction)], "weight": shift.weight, "how": shift.how}
        for shift in part.intervention.shifts
    ]
    accept = {axis: list(classes) for axis, classes in part.accept.items()}
    return {"share": part.share, "shifts": shifts, **({"keep": accept} if accept else {})}


def _read_part(stored: StoredPart, directions: Sequence[Direction]) -> Part:
    shifts = (Shift(directions[shift.direction], shift.weight, shift.how) for shift in stored.shifts)
    return Part(Intervention(tuple(shifts)), stored.share, stored.keep)
