"""Relations: how close a concept and an attribute lie in a text encoder (TERU) and over images (VERU).

After Lopez Olmos et al. (2024): cosine similarity of the concept and each attribute in the model's text encoder, and of
generated images of both in a vision encoder. Here each text and image is encoded once, in batches, and every cosine
carries an interval: over wordings for texts, over images for vision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise import statistics
from equinoise.errors import EquinoiseError
from equinoise.statistics import Similarity
from equinoise.understanding.wordings import WORDINGS, Attribute, subject_of

Array = NDArray[np.float64]
BATCH = 64


class Reads(Protocol):
    """Encodes texts."""

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


class Sees(Protocol):
    """Encodes images."""

    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


@dataclass(frozen=True)
class TextRelation:
    """Cosines of a concept with k attributes in one text encoder, a row a wording.

    Attributes:
        raw: (wordings, k); all of them high in most encoders.
        centred: the same after the mean of a reference vocabulary, in the same wording, is taken away.
    """

    raw: Array
    centred: Array

    def one(self, index: int, centred: bool = True) -> Similarity:
        """The relation of one attribute."""
        return statistics.over_wordings(self._values(centred)[:, index])

    def difference(self, first: int, second: int, centred: bool = True) -> Similarity:
        """How much closer the first attribute is than the second, wording by wording."""
        values = self._values(centred)
        return statistics.over_wordings(values[:, first] - values[:, second])

    def p(self, first: int, second: int, centred: bool = True) -> float | None:
        """The p-value of that difference alone."""
        values = self._values(centred)
        return statistics.wordings_p(values[:, first] - values[:, second])

    def part(self, places: Sequence[int]) -> TextRelation:
        """Of some of the attributes only."""
        return TextRelation(self.raw[:, list(places)], self.centred[:, list(places)])

    def _values(self, centred: bool) -> Array:
        return self.centred if centred else self.raw


@dataclass(frozen=True)
class VisionRelation:
    """Vectors of images: of the concept (n, d), and of k attributes (k, m, d) on the same m seeds."""

    concept: Array
    attributes: Array

    @cached_property
    def values(self) -> Array:
        """(k,): mean cosine of the concept's images with each attribute's, over all pairs of them."""
        result: Array = self.attributes.mean(axis=1) @ self.concept.mean(axis=0)
        return result

    @cached_property
    def draws(self) -> Array:
        """(resamples, k): the same under other draws of the images."""
        return statistics.resampled_pairs(self.concept, self.attributes)

    def one(self, index: int) -> Similarity:
        """The relation of one attribute."""
        return self._similarity(float(self.values[index]), lambda: self.draws[:, index])

    def difference(self, first: int, second: int) -> Similarity:
        """How much closer the first attribute's images are than the second's, on the same seeds."""
        value = float(self.values[first] - self.values[second])
        return self._similarity(value, lambda: self.draws[:, first] - self.draws[:, second])

    def part(self, places: Sequence[int]) -> VisionRelation:
        """Of some of the attributes only."""
        return VisionRelation(self.concept, self.attributes[list(places)])

    def _similarity(self, value: float, draws: Callable[[], Array]) -> Similarity:
        """A single image of either side says nothing of the spread."""
        if min(len(self.concept), self.attributes.shape[1]) < 2:
            return Similarity(value, None, None)
        return statistics.over_draws(value, draws())


@dataclass(frozen=True)
class Relations:
    """A concept, its attributes, and their relations by encoder; the first of each kind is the one that counts."""

    concept: str
    attributes: tuple[Attribute, ...]
    text: Mapping[str, TextRelation] = field(default_factory=dict)
    vision: Mapping[str, VisionRelation] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """`{"relations": [one an attribute], "differences": [one a pair], …}`."""
        k = range(len(self.attributes))
        return {
            "concept": self.concept,
            "relations": [
                {"attribute": a.name, "prompt": a.prompt, **self._entry(i), **self._others(i)}
                for i, a in enumerate(self.attributes)
            ],
            "differences": [
                {"attribute": self.attributes[i].name, "than": self.attributes[j].name, **self._entry(i, j)}
                for i, j in combinations(k, 2)
            ],
            "text_encoders": list(self.text),
            "vision_encoders": list(self.vision),
        }

    def _entry(self, i: int, than: int | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for relation in list(self.text.values())[:1]:
            found |= _text_entry(relation, i, than)
        for seen in list(self.vision.values())[:1]:
            found |= _say("vision", seen.one(i) if than is None else seen.difference(i, than))
        return {**_NOTHING, **found}

    def _others(self, i: int) -> dict[str, Any]:
        """The same attribute in every further encoder."""
        more = {name: _text_entry(relation, i, None) for name, relation in list(self.text.items())[1:]}
        more |= {name: _say("vision", seen.one(i)) for name, seen in list(self.vision.items())[1:]}
        return {"encoders": more} if more else {}


KINDS = ("text", "text_centred", "vision")
_NOTHING: dict[str, Any] = {f"{kind}{end}": None for kind in KINDS for end in ("", "_low", "_high")}


def _text_entry(relation: TextRelation, i: int, than: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, centred in (("text", False), ("text_centred", True)):
        found |= _say(kind, relation.one(i, centred) if than is None else relation.difference(i, than, centred))
    return found


def _say(name: str, found: Similarity) -> dict[str, Any]:
    low, high = found.interval or (None, None)
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}


def relate_texts(
    encoder: Reads,
    concept: str,
    attributes: Sequence[Attribute],
    reference: Sequence[str],
    wordings: Sequence[str] = WORDINGS,
) -> TextRelation:
    """Cosines of a concept with attributes, each in every wording ("a photo of …" against "a photo of …").

    `reference`: the vocabulary whose mean is taken away.

    Raises:
        EquinoiseError: no wording has a place for the phrase, or the reference is empty.
    """
    if not wordings or not all("{}" in wording for wording in wordings):
        raise EquinoiseError("every wording needs a {} for the phrase, such as 'a photo of {}'")
    if not reference:
        raise EquinoiseError("the reference vocabulary is empty; centring needs at least one phrase")
    phrases = [subject_of(concept), *(entry.phrase for entry in attributes), *reference]
    table = encode_texts(encoder, [wording.replace("{}", p) for wording in wordings for p in phrases])
    raw, moved = [], []
    for wording in wordings:  # one at a time: the authors' vectors have tens of thousands of numbers
        vectors = np.stack([table[wording.replace("{}", p)] for p in phrases]).astype(np.float64)
        asked, common = np.split(vectors, [1 + len(attributes)])
        raw.append(_cosines(asked))
        moved.append(_cosines(statistics.centred(asked, common)))
    return TextRelation(np.stack(raw), np.stack(moved))


def _cosines(vectors: Array) -> Array:
    """(k,): of the first vector with the others."""
    result: Array = vectors[1:] @ vectors[0]
    return result


def encode_texts(encoder: Reads, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The vector of each different text, encoded once, in batches of like length."""
    distinct = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    parts = [encoder.texts(distinct[i : i + BATCH]) for i in range(0, len(distinct), BATCH)]
    return dict(zip(distinct, np.concatenate(parts), strict=True))


def encode_images(encoder: Sees, images: Iterable[Image.Image]) -> Array:
    """(n, d): the vectors of images, in batches; an image is held no longer than its batch."""
    parts: list[NDArray[np.float32]] = []
    batch: list[Image.Image] = []
    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            parts.append(encoder.images(batch))
            batch = []
    if batch:
        parts.append(encoder.images(batch))
    return np.concatenate(parts).astype(np.float64)
