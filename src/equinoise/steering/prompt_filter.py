"""The prompt filter: which prompts an intervention is for. Images of every other prompt are left as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.errors import EquinoiseError

Match = Literal["any", "exact", "pattern", "similar"]
MATCHES: tuple[Match, ...] = ("any", "exact", "pattern", "similar")

Words = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Axis → class → the words and phrases by which a prompt names it."""

Encoder = Callable[[Sequence[str]], NDArray[np.floating]]
"""n texts → (n, d) vectors of length 1."""


@dataclass(frozen=True)
class Decision:
    """Whether the noise of a prompt's images is changed, and why."""

    touch: bool
    reason: str


@dataclass(frozen=True)
class PromptFilter:
    """Decides which prompts an intervention is for: those that match the concept and name no class of its axes.

    Attributes:
        concept: the neutral prompt; a regular expression where `match` is `pattern`; not needed where it is `any`.
        match: `exact`, the same text but for case and spaces; `pattern`, found anywhere in the prompt, case ignored;
            `similar`, a cosine of at least `threshold` between the encoder's vectors of concept and prompt; `any`,
            every prompt.
        words: axis → class → words. A prompt that holds one as a whole word names that class and is left alone.
            Words of the concept itself do not count: they were in the prompts that the shift was made for.
        threshold: for `similar`, from -1 to 1.
        encoder: for `similar`; `attach` takes the pipeline's own text encoder where none is given.

    Raises:
        EquinoiseError: a `match` that there is not, a missing concept or threshold, or no regular expression.
    """

    concept: str | None = None
    match: Match = "any"
    words: Words = field(default_factory=dict)
    threshold: float | None = None
    encoder: Encoder | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.match not in MATCHES:
            raise EquinoiseError(f"match '{self.match}': use one of {', '.join(MATCHES)}")
        if self.match != "any" and not (self.concept and self.concept.strip()):
            raise EquinoiseError(f"match '{self.match}' needs the concept that prompts are compared with")
        if (self.match == "similar") != (self.threshold is not None):
            raise EquinoiseError("a threshold goes with match 'similar', and 'similar' with a threshold, such as 0.9")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise EquinoiseError(f"threshold {self.threshold}: a cosine lies between -1 and 1")
        if self.match == "pattern":
            _compile(str(self.concept))

    def decide(self, *texts: str | None) -> Decision:
        """The decision on one image's prompt, and whatever further prompts (`prompt_2`) it was given.

        None stands for a prompt that came as embeddings, whose words cannot be read.

        Raises:
            EquinoiseError: `similar` without an encoder, or with one whose vectors are not of length 1.
        """
        prompt, known = texts[0], [text for text in texts if text is not None]
        if prompt is None:
            if self.match == "any":
                return Decision(True, "any prompt; it came as embeddings, so its words could not be read")
            return Decision(False, "the prompt came as embeddings: whether it matches cannot be read")
        for text in known:
            if named := self._names(text):
                return Decision(False, named)
        return self._matches(prompt)

    def _matches(self, prompt: str) -> Decision:
        concept = self.concept or ""
        if self.match == "any":
            return Decision(True, "any prompt")
        if self.match == "exact":
            same = _plain(prompt) == _plain(concept)
            return Decision(same, f"the prompt is{'' if same else ' not'} '{concept}'")
        if self.match == "pattern":
            found = _compile(concept).search(prompt) is not None
            return Decision(found, f"the pattern '{concept}' is{'' if found else ' not'} found")
        cosine, least = self._cosine(prompt), self.threshold or 0.0
        near = cosine >= least
        return Decision(near, f"cosine {cosine:.3f} with '{concept}', {'at least' if near else 'below'} {least:g}")

    def _names(self, prompt: str) -> str | None:
        """Which class a prompt names, as the reason of a decision; the longest word decides where several are found."""
        text = _spaced(prompt)
        own = _spaced(self.concept) if self.concept and self.match != "pattern" else ""
        found = [
            (word, label, axis)
            for axis, classes in self.words.items()
            for label, words in classes.items()
            for word in words
            if _holds(text, word) and not _holds(own, word)
        ]
        if not found:
            return None
        word, label, axis = max(found, key=lambda entry: len(entry[0]))
        return f"'{word}' names {axis} '{label}'"

    def _cosine(self, prompt: str) -> float:
        if self.encoder is None:
            raise EquinoiseError("match 'similar' needs an encoder: texts → vectors of length 1")
        pair = np.asarray(self.encoder([self.concept or "", prompt]), np.float64)
        if pair.ndim != 2 or len(pair) != 2 or not np.allclose(np.linalg.norm(pair, axis=1), 1, atol=1e-2):
            raise EquinoiseError(f"the encoder must give two vectors of length 1 for two texts, not shape {pair.shape}")
        return float(pair[0] @ pair[1])


def class_words(axes: Iterable[Axis]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Axis → class → the words by which a prompt names it, as `PromptFilter` takes them.

    >>> from equinoise.axes import load_axis
    >>> prompts = PromptFilter("a photo of a doctor", "pattern", class_words([load_axis("gender")]))
    >>> prompts.decide("a photo of a doctor, a woman").reason
    "'woman' names gender 'woman'"
    """
    return {axis.name: {label: axis.names(label) for label in axis.classes} for axis in axes}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _spaced(text: str) -> str:
    """Hyphens as spaces too: `dark-skinned` is `dark skinned`."""
    return _plain(text.replace("-", " "))


def _holds(text: str, word: str) -> bool:
    return _whole_word(word).search(text) is not None


@cache
def _whole_word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(_spaced(word))}(?!\w)")


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise EquinoiseError(f"'{pattern}' is not a regular expression: {error}") from error
