"""Which prompts an intervention is for: each way of matching, the words of classes, and the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise.axes import Axis, catalogue, load_axis
from equinoise.errors import EquinoiseError
from equinoise.steering.prompt_filter import MATCHES, PromptFilter, class_words

WORDS = class_words([load_axis("gender"), load_axis("tone")])
DOCTOR = "a photo of a doctor"


def encoder(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of how often each letter occurs."""
    counts = np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], float)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("prompt_filter", "prompt", "touched", "reason"),
    [
        (PromptFilter(DOCTOR, "exact"), "A photo  of a DOCTOR ", True, f"the prompt is '{DOCTOR}'"),
        (PromptFilter(DOCTOR, "exact"), "a photo of a doctor at night", False, f"the prompt is not '{DOCTOR}'"),
        (PromptFilter("(doctor|nurse)s?", "pattern"), "Two Nurses", True, "the pattern '(doctor|nurse)s?' is found"),
        (PromptFilter("^a doctor$", "pattern"), "not a doctor", False, "the pattern '^a doctor$' is not found"),
        (PromptFilter(DOCTOR, "similar", threshold=0.9, encoder=encoder), "photo of a doctor", True, "cosine 0.9"),
        (PromptFilter(DOCTOR, "similar", threshold=0.9, encoder=encoder), "zzz", False, "cosine 0.000"),
        (PromptFilter(), "whatever", True, "any prompt"),
        (PromptFilter(words=WORDS), "a picture of a Woman, a doctor", False, "'woman' names gender 'woman'"),
        (PromptFilter(words=WORDS), "the doctor and his dog", False, "'his' names gender 'man'"),
        (PromptFilter(words=WORDS), "a dark skinned doctor", False, "'dark-skinned' names tone 'dark'"),
        (
            PromptFilter(words=WORDS),
            "a doctor with medium-dark skin",
            False,
            "'medium-dark skin' names tone 'medium-dark'",
        ),
        (PromptFilter(words=WORDS), "a black doctor", False, "'black' names tone 'dark'"),
        (PromptFilter(words=WORDS), "a doctor, a photo of a lady", False, "'a photo of a lady' names gender 'woman'"),
        (PromptFilter(words=WORDS), "a German doctor in the dark, lighting a lamp", True, "any prompt"),
        (
            PromptFilter("a photo of a man", "exact", class_words([load_axis("tone")])),
            "a photo of a man",
            True,
            "the prompt is",
        ),
        (PromptFilter("a photo of a man", "exact", WORDS), "a photo of a man", True, "the prompt is"),
        (PromptFilter("a photo of a man", "pattern", WORDS), "a photo of a man", False, "names gender 'man'"),
    ],
)
def test_decisions_and_their_reasons(prompt_filter: PromptFilter, prompt: str, touched: bool, reason: str) -> None:
    decision = prompt_filter.decide(prompt)
    assert decision.touch is touched
    assert reason in decision.reason


def test_a_prompt_that_cannot_be_read() -> None:
    assert PromptFilter().decide(None).touch
    assert not PromptFilter(DOCTOR, "exact").decide(None).touch
    assert not PromptFilter(words=WORDS).decide(DOCTOR, None, "a woman").touch


@given(st.sampled_from(sorted(catalogue())), st.data())
def test_every_class_is_named_by_its_own_words_and_prompts(name: str, data: st.DataObject) -> None:
    axis = load_axis(name)
    label = data.draw(st.sampled_from(axis.classes))
    word = data.draw(st.sampled_from(axis.names(label)))
    prompt_filter = PromptFilter(words=class_words([axis]))
    assert not prompt_filter.decide(f"look, {word.upper()}!").touch


def test_words_of_an_axis_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "hat.toml"
    file.write_text(
        '[hat]\nclasses.hat = { generate = ["in a hat"], detect = ["in a hat"], words = ["hatted", "top hat"] }\n'
        'classes.bare-head = { generate = ["without a hat"], detect = ["without a hat"] }\n'
    )
    axis = load_axis(str(file))
    assert axis.names("hat") == ("hatted", "top hat", "in a hat")
    assert axis.names("bare-head") == ("bare-head", "without a hat")
    prompt_filter = PromptFilter(words=class_words([axis]))
    assert not prompt_filter.decide("a doctor, bare head, smiling").touch
    assert prompt_filter.decide("a doctor in that hat").touch
    assert axis.digest == Axis("hat", axis.classes, False, axis.generate, axis.detect).digest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PromptFilter(match="exact"), "needs the concept"),
        (lambda: PromptFilter("  ", "pattern"), "needs the concept"),
        (lambda: PromptFilter("(", "pattern"), "not a regular expression"),
        (lambda: PromptFilter(DOCTOR, "similar"), "threshold"),
        (lambda: PromptFilter(DOCTOR, "exact", threshold=0.5), "threshold"),
        (lambda: PromptFilter(DOCTOR, "similar", threshold=2), "between -1 and 1"),
        (lambda: PromptFilter(DOCTOR, "nearly"), f"use one of {', '.join(MATCHES)}"),
        (lambda: PromptFilter(DOCTOR, "similar", threshold=0.5).decide(DOCTOR), "needs an encoder"),
        (
            lambda: PromptFilter(
                DOCTOR, "similar", threshold=0.5, encoder=lambda texts: np.ones((len(texts), 3))
            ).decide("a"),
            "length 1",
        ),
    ],
)
def test_prompt_filters_that_make_no_sense(make: object, message: str) -> None:
    with pytest.raises(EquinoiseError, match=message):
        make()  # type: ignore[operator]
