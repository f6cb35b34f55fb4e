"""Synthetic embeddings of texts and pictures with chosen cosines, to check measures of relations against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.errors import EquinoiseError
from equinoise.models.mixture.detector import shown, subjects
from equinoise.models.mixture.flow import Array
from equinoise.models.mixture.pictures import from_pictures
from equinoise.models.mixture.prompts import PERSON, words
from equinoise.models.mixture.world import AXES, SUBJECTS

WORDS = (*SUBJECTS, *(name for axis in AXES.values() for name in axis.classes))
UNRELATED = 0.2
"""Cosine of any two words that `CHOSEN` leaves out."""
CHOSEN: Mapping[tuple[str, str], float] = {
    ("doctor", "man"): 0.45,
    ("doctor", "woman"): 0.30,
    ("doctor", "light"): 0.40,
    ("doctor", "dark"): 0.25,
    ("teacher", "woman"): 0.50,
    ("teacher", "man"): 0.35,
    ("engineer", "man"): 0.45,
    ("engineer", "woman"): 0.25,
    ("farmer", "man"): 0.40,
    ("farmer", "dark"): 0.35,
    ("woman", "man"): 0.50,
    ("light", "medium-light"): 0.60,
    ("medium-light", "medium"): 0.60,
    ("medium", "medium-dark"): 0.60,
    ("medium-dark", "dark"): 0.60,
    # a planted disagreement: for the text encoder a building is nearest to a hut; half of the pictures show a mansion
    ("building", "hut"): 0.45,
    ("building", "derelict"): 0.25,
    ("building", "house"): 0.35,
    ("building", "mansion"): 0.30,
}


class MixtureEncoder:
    """Texts and pictures → unit vectors in one space.

    `chosen` holds the cosines of pairs of words; other pairs have 0.2. A word's vector is a row of G^½, where G holds
    the chosen cosines, so that the cosines of words are G itself. A text is the sum of the words in it, scaled to
    length 1 (`person` counts only where nothing else is named). A picture is the sum of the vectors of all subjects
    and classes, each weighted by its posterior probability, scaled to length 1.
    """

    def __init__(self, chosen: Mapping[tuple[str, str], float] = CHOSEN) -> None:
        """Raises `ValueError` where no vectors have such cosines."""
        self._vectors = vectors(tuple(chosen.items()))

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 17) unit vectors.

        Raises:
            EquinoiseError: a text names nothing of this world.
        """
        return _unit(
            np.stack(
                [
                    sum((self._vectors[WORDS.index(word)] for word in _named(text)), np.zeros(len(WORDS)))
                    for text in texts
                ]
            )
        )

    def images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(n, 17) unit vectors.

        Raises:
            EquinoiseError: a picture that is not the mixture's.
        """
        y = from_pictures(images)
        return _unit((_weights(y)[:, :, None] * self._vectors[:, None]).sum(axis=0))


Chosen = tuple[tuple[tuple[str, str], float], ...]
DEFAULT: Chosen = tuple(CHOSEN.items())


def gram(chosen: Chosen = DEFAULT) -> Array:
    """(words, words): the chosen cosines, in the order of `WORDS`."""
    table = np.full((len(WORDS), len(WORDS)), UNRELATED)
    np.fill_diagonal(table, 1.0)
    for (first, second), cosine in chosen:
        i, j = WORDS.index(first), WORDS.index(second)
        table[i, j] = table[j, i] = cosine
    return table


@lru_cache(maxsize=8)
def vectors(chosen: Chosen = DEFAULT) -> Array:
    """(words, words): the rows of G^½.

    Raises:
        ValueError: no vectors have such cosines.
    """
    values, basis = np.linalg.eigh(gram(chosen))
    if values.min() < -1e-9:
        raise ValueError("no vectors have such cosines: choose them less different from each other")
    root: Array = basis * np.sqrt(np.maximum(values, 0)) @ basis.T
    return root


def _named(text: str) -> list[str]:
    found = list(dict.fromkeys(name for _, name in words(text)))
    if not found:
        raise EquinoiseError(f"'{text}' names nothing of the mixture's world; it knows {', '.join(WORDS)}")
    return [name for name in found if name != PERSON] or found


def _weights(y: Array) -> Array:
    """(words, n): the posterior probability of each word in a picture."""
    of_subject = subjects(y)
    rows = dict(zip(SUBJECTS, of_subject, strict=True))
    for axis, places in AXES.items():
        parts = [
            p * shown(name, y, axis)
            for name, p in zip(SUBJECTS, of_subject, strict=True)
            if axis in SUBJECTS[name].axes
        ]
        rows |= zip(places.classes, sum(parts, np.zeros(1)), strict=True)
    return np.stack([rows[word] for word in WORDS])


def _unit(rows: Array) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
