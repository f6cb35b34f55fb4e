"""A plan as data: a mixture of interventions with shares, and which seed gets which. Making one is another's work.

Which intervention a seed gets is a function of (plan, seed) alone, so that results repeat and shards agree, and it is
stratified: every run of consecutive seeds holds each intervention as nearly in its share as can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import isclose
from pathlib import Path
from typing import Any, cast

import numpy as np

from equinoise.directions.direction import Direction, describe_terms, origins_of, read_terms
from equinoise.engine.jobs import Keep, changed_name
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.hub.cards import Subject
from equinoise.hub.sharing import Shareable
from equinoise.steering.early_classifier import EarlyClassifier, read_early_classifier
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.prompt_filter import Encoder, Match, PromptFilter, Words

KIND = "plan"
VERSION = 1
RESOLUTION = 10_000
"""The longest period of an assignment: shares of no simpler ratio are met in units of 1/10,000."""

CLOSE = 1e-6


@dataclass(frozen=True)
class Part:
    """One intervention of a mixture and the share of images that get it.

    Attributes:
        keep: axis → classes: of draws under the intervention those are kept that the plan's early look predicts to show
            one of them; empty, the first draw is taken.
    """

    intervention: Intervention
    share: float
    keep: Keep = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`woman@10=3`, or `none, kept if woman`."""
        return changed_name(self.intervention, self.keep)


@dataclass(frozen=True)
class Plan(Shareable):
    """A mixture of interventions that is meant to reach a target for a concept on a model.

    Attributes:
        concept: the neutral prompt it was made for.
        targets: axis → class → wanted share.
        parts: the mixture; shares sum to 1.
        match, threshold: which prompts it is for; see `Gate`.
        words: axis → class → the words by which a prompt names the class and is left alone; see `words_of`.
        seeds: those it was chosen on; judging it on them flatters it.
        look: tells early which draws to keep; needed where a part keeps some only.
        provenance: how it was made and what was measured: `model`, `sampling`, `expected`, `verified`, `cost` and
            whatever else its maker knows, in JSON.
    """

    FILE = "plan.safetensors"
    concept: str
    targets: Mapping[str, Mapping[str, float]]
    parts: tuple[Part, ...]
    match: Match = "exact"
    threshold: float | None = None
    words: Words = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    look: EarlyClassifier | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = [part.share for part in self.parts]
        if not shares or not all(0 <= share <= 1 for share in shares) or not isclose(sum(shares), 1, abs_tol=1e-6):
            raise EquinoiseError(f"the shares of a plan lie in 0–1 and sum to 1; these are {shares}")
        for axis, target in self.targets.items():
            if not isclose(sum(target.values()), 1, abs_tol=1e-6) or not all(0 <= p <= 1 for p in target.values()):
                raise EquinoiseError(f"the target of axis '{axis}' must lie in 0–1 and sum to 1: {dict(target)}")
        for part in self.parts:
            self._require_told(part)
        self.prompt_filter()

    def _require_told(self, part: Part) -> None:
        told = {axis.name: axis.classes for axis in self.look.axes} if self.look else {}
        for axis, classes in part.keep.items():
            if not classes or not set(classes) <= set(told.get(axis, ())):
                raise EquinoiseError(
                    f"the plan's early look does not tell {axis} {', '.join(classes)}, which are to be kept"
                )

    @property
    def name(self) -> str:
        """The mixture in words: `0.6 none + 0.4 woman@10=3`."""
        return " + ".join(f"{part.share:g} {part.name}" for part in self.parts)

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """What images may get."""
        return tuple(part.intervention for part in self.parts)

    @property
    def selects(self) -> bool:
        """Whether runs are stopped early and drawn again."""
        return any(part.keep for part in self.parts)

    def subject(self) -> Subject:
        """For the card."""
        directions = [shift.direction for intervention in self.interventions for shift in intervention.shifts]
        return Subject(type(self).__name__, f"Plan: {self.concept}", origins_of(directions), self)

    @property
    def kl_nats(self) -> float:
        """Expected nats by which the noise leaves N(0, I)."""
        return sum(part.share * part.intervention.kl_nats for part in self.parts)

    def prompt_filter(self, encoder: Encoder | None = None) -> PromptFilter:
        """Which prompts it is for."""
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
        if self.look is not None and self.selects:
            vectors.append([self.look.digest, [sorted(part.keep.items()) for part in self.parts]])
        return sha256(repr([*content, vectors]).encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write a safetensors file: the vectors, and all else as JSON beside them."""
        directions: dict[int, Direction] = {}
        parts = []
        for part in self.parts:
            shifts = part.intervention.shifts
            directions |= {id(shift.direction): shift.direction for shift in shifts}
            places = list(directions)
            row = [{"direction": places.index(id(s.direction)), "weight": s.weight, "how": s.how} for s in shifts]
            kept = {axis: list(classes) for axis, classes in part.keep.items()}
            parts.append({"share": part.share, "shifts": row, **({"keep": kept} if kept else {})})
        about = {
            "kind": KIND,
            "version": VERSION,
            "concept": self.concept,
            "targets": {axis: dict(target) for axis, target in self.targets.items()},
            "parts": parts,
            "terms": [describe_terms(direction) for direction in directions.values()],
            "match": self.match,
            "threshold": self.threshold,
            "words": {axis: {c: list(words) for c, words in classes.items()} for axis, classes in self.words.items()},
            "seeds": list(self.seeds),
            **({"look": self.look.describe()} if self.look else {}),
            "provenance": dict(self.provenance),
        }
        vectors = {str(i): d.vector for i, d in enumerate(directions.values())}
        write_arrays(path, vectors | (self.look.arrays() if self.look else {}), about)

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read what `save` wrote.

        Raises:
            EquinoiseError: missing, damaged, not a plan, or of a later version.
        """
        arrays, about = read_arrays(path)
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise EquinoiseError(f"{path} is not a plan")
        if about.get("version") != VERSION:
            raise EquinoiseError(f"{path} is a plan of version {about.get('version')}; this equinoise reads {VERSION}")
        try:
            rows = enumerate(about["terms"])
            directions = [Direction(arrays[str(i)], read_terms(terms)) for i, terms in rows]
            return cls(
                concept=about["concept"],
                targets=about["targets"],
                parts=tuple(_read_part(row, directions) for row in about["parts"]),
                match=cast(Match, about["match"]),
                threshold=about["threshold"],
                words={a: {c: tuple(w) for c, w in classes.items()} for a, classes in about["words"].items()},
                seeds=tuple(about["seeds"]),
                look=read_early_classifier(about["look"], arrays) if "look" in about else None,
                provenance=about["provenance"],
            )
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise EquinoiseError(f"{path} is damaged: {error}; make it again") from error


def _read_part(row: Mapping[str, Any], directions: Sequence[Direction]) -> Part:
    shifts = (Shift(directions[s["direction"]], s["weight"], s["how"]) for s in row["shifts"])
    keep = {axis: tuple(classes) for axis, classes in row.get("keep", {}).items()}
    return Part(Intervention(tuple(shifts)), row["share"], keep)


def schedule(shares: Sequence[float]) -> tuple[int, ...]:
    """One period of the assignment: at place n the part that seed n, n + period, … gets.

    Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): among M parts, after every
    n places each part has come n·share times but for at most 1 − 1/(2M − 2), and no rule can promise less. A window
    between two places is off by at most twice that; for two parts, where the rule is rounding, by less than 1.
    Shares are taken as the simplest ratio within 10⁻⁶, else in units of 1/10,000.

    >>> schedule([0.5, 0.5]), schedule([0.2, 0.2, 0.6])
    ((0, 1), (2, 0, 2, 1, 2))
    """
    units = _units(shares)
    total, among = sum(units), [i for i, unit in enumerate(units) if unit]
    if len(among) == 1:
        return (among[0],)
    counts, places = [0] * len(units), []
    scale = 2 * len(among) - 2
    for n in range(1, total + 1):
        # in units of 1/(scale·total): what part i is owed after n places; it may come once that is at least `total`
        owed = {i: scale * (units[i] * n - counts[i] * total) for i in among}
        due = (i for i in among if owed[i] >= total)
        # the one whose debt would soonest pass the bound; in whole numbers, so that every machine agrees
        chosen = min(due, key=lambda i: ((scale * total - total - owed[i]) // (scale * units[i]), i))
        counts[chosen] += 1
        places.append(chosen)
    return tuple(places)


def _units(shares: Sequence[float]) -> list[int]:
    """Whole numbers whose ratios are the shares: the smallest that fit to 10⁻⁶, else out of `RESOLUTION`."""
    wanted = np.asarray(shares, np.float64) / sum(shares)
    totals = np.arange(1, RESOLUTION + 1)
    rounded = np.rint(np.outer(totals, wanted))
    fits = np.abs(rounded / totals[:, None] - wanted).max(axis=1) <= CLOSE
    if fits.any():
        return [int(unit) for unit in rounded[int(np.argmax(fits))]]
    exact = wanted * RESOLUTION
    units = np.floor(exact).astype(int)
    largest = np.argsort(units - exact, kind="stable")[: RESOLUTION - int(units.sum())]
    units[largest] += 1
    return [int(unit) for unit in units]
