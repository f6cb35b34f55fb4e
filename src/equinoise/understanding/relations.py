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
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise import statistics
from equinoise.errors import EquinoiseError
from equinoise.prompts import subject
from equinoise.results.relations import AttributeRelation, EncoderCosines, RelationDifference, RelationsResult
from equinoise.statistics import Similarity
from equinoise.understanding.wordings import WORDINGS, Attribute

Array = NDArray[np.float64]
BATCH = 64


class ReadsTexts(Protocol):
    """An encoder of texts."""

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


class ReadsImages(Protocol):
    """An encoder of images."""

    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


@dataclass(frozen=True)
class TextRelation:
    """Cosines of a concept with k attributes in one text encoder, a row a wording.

    Attributes:
        raw: (wordings, k); all of them high in most encoders.
        centred: the same after the mean of a reference vocabulary, in the same wording, is subtracted.
    """

    raw: Array
    centred: Array

    def one(self, index: int, centred: bool = True) -> Similarity:
        """The relation of one attribute."""
        return statistics.over_wordings(self._values(centred)[:, index])

    def difference(self, first: int, second: int, centred: bool = True) -> Similarity:
        """How much closer the first attribute is than the second, compared wording by wording."""
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
    """Unit vectors of images: of the concept (n, d), and of k attributes (k, m, d) on the same m seeds."""

    concept: Array
    attributes: Array

    @cached_property
    def values(self) -> Array:
        """(k,): mean cosine of the concept's images with each attribute's, over all pairs of them."""
        result: Array = self.attributes.mean(axis=1) @ self.concept.mean(axis=0)
        return result

    @cached_property
    def resamples(self) -> Array:
        """(resamples, k): the same over resamples of the images."""
        return statistics.resampled_pairs(self.concept, self.attributes)

    def one(self, index: int) -> Similarity:
        """The relation of one attribute."""
        return self._similarity(float(self.values[index]), lambda: self.resamples[:, index])

    def difference(self, first: int, second: int) -> Similarity:
        """How much closer the first attribute's images are than the second's, on the same seeds."""
        value = float(self.values[first] - self.values[second])
        return self._similarity(value, lambda: self.resamples[:, first] - self.resamples[:, second])

    def part(self, places: Sequence[int]) -> VisionRelation:
        """Of some of the attributes only."""
        return VisionRelation(self.concept, self.attributes[list(places)])

    def _similarity(self, value: float, resamples: Callable[[], Array]) -> Similarity:
        """With an interval, unless a single image on a side tells nothing of the spread."""
        if min(len(self.concept), self.attributes.shape[1]) < 2:
            return Similarity(value, None, None)
        return statistics.over_draws(value, resamples())


@dataclass(frozen=True)
class Relations:
    """A concept, its attributes, and their relations by encoder; the first of each kind is the one that counts."""

    concept: str
    attributes: tuple[Attribute, ...]
    text: Mapping[str, TextRelation] = field(default_factory=dict)
    vision: Mapping[str, VisionRelation] = field(default_factory=dict)

    def result(self) -> RelationsResult:
        """The relation of each attribute, and the difference of each pair of attributes, with intervals."""
        first = next(iter(self.text.values()), None), next(iter(self.vision.values()), None)
        return RelationsResult(
            concept=self.concept,
            relations=tuple(
                AttributeRelation(
                    attribute=entry.name,
                    prompt=entry.prompt,
                    **_numbers(*first, index),
                    encoders=self._further(index) or None,
                )
                for index, entry in enumerate(self.attributes)
            ),
            differences=tuple(
                RelationDifference(
                    attribute=self.attributes[i].name, than=self.attributes[j].name, **_numbers(*first, i, j)
                )
                for i, j in combinations(range(len(self.attributes)), 2)
            ),
            text_encoders=tuple(self.text),
            vision_encoders=tuple(self.vision),
        )

    def _further(self, index: int) -> dict[str, EncoderCosines]:
        """The relation of an attribute in every encoder but the first of each kind."""
        texts = {name: _numbers(found, None, index) for name, found in list(self.text.items())[1:]}
        seen = {name: _numbers(None, found, index) for name, found in list(self.vision.items())[1:]}
        return {name: EncoderCosines(**numbers) for name, numbers in {**texts, **seen}.items()}


def _numbers(
    text: TextRelation | None, seen: VisionRelation | None, index: int, than: int | None = None
) -> dict[str, float | None]:
    """Cosines of an attribute, or what they are more than those of another, by the field names of `Cosines`."""
    found: dict[str, Similarity] = {}
    if text:
        for kind, centred in (("text", False), ("text_centred", True)):
            found[kind] = text.one(index, centred) if than is None else text.difference(index, than, centred)
    if seen:
        found["vision"] = seen.one(index) if than is None else seen.difference(index, than)
    values: dict[str, float | None] = {kind: similarity.value for kind, similarity in found.items()}
    ends = {kind: similarity.interval for kind, similarity in found.items() if similarity.interval}
    values |= {f"{kind}_{end}": getattr(interval, end) for kind, interval in ends.items() for end in ("low", "high")}
    return values


def relate_texts(
    encoder: ReadsTexts,
    concept: str,
    attributes: Sequence[Attribute],
    *,
    reference: Sequence[str],
    wordings: Sequence[str] = WORDINGS,
) -> TextRelation:
    """Cosines of a concept with k attributes, both in the same wording, for each of t wordings.

    TERU of Lopez Olmos et al. (2024), with wordings in the place of a single prompt.

    Args:
        encoder: a text encoder.
        concept: a prompt, such as "a photo of a doctor"; its subject is what is put into the wordings.
        attributes: k of them.
        reference: the vocabulary whose mean is subtracted for the centred cosines.
        wordings: each with a `{}` for the phrase.

    Raises:
        EquinoiseError: no wording has a place for the phrase, or the reference is empty.
    """
    if not wordings or not all("{}" in wording for wording in wordings):
        raise EquinoiseError("every wording needs a {} for the phrase, such as 'a photo of {}'")
    if not reference:
        raise EquinoiseError("the reference vocabulary is empty; centring needs at least one phrase")
    phrases = [subject(concept), *(entry.phrase for entry in attributes), *reference]
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


def encode_texts(encoder: ReadsTexts, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The vector of each different text, encoded once, in batches of like length."""
    distinct = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    parts = [encoder.texts(distinct[i : i + BATCH]) for i in range(0, len(distinct), BATCH)]
    return dict(zip(distinct, np.concatenate(parts), strict=True))


def encode_images(encoder: ReadsImages, images: Iterable[Image.Image]) -> Array:
    """(n, d): the vectors of images, in batches; an image is held no longer than its batch.

    Raises:
        EquinoiseError: there is no image.
    """
    parts: list[NDArray[np.float32]] = []
    batch: list[Image.Image] = []
    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            parts.append(encoder.images(batch))
            batch = []
    if batch:
        parts.append(encoder.images(batch))
    if not parts:
        raise EquinoiseError("there is no picture to compare: every image of a run is blank, filtered or nan")
    return np.concatenate(parts).astype(np.float64)
