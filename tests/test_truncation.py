"""Texts that are longer than an encoder reads are warned of once, with the words that are lost."""

from __future__ import annotations

import warnings
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_pipelines import TINY, clip_tokenizer, word_tokenizer

from equinoise import Axis, Engine, EquinoiseWarning, audit, load, relate
from equinoise.encoders.truncation import TextLimit, text_encoders, text_limits, warn_of_cut

FULL = " and ".join(["a cat"] * 11)  # 75 letters, with the two marks 77


def said(*texts: str, limits: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_of_cut(texts, limits, "prompt", "give the same pictures")
    return [str(warning.message) for warning in found]


@cache
def limit(kind: str) -> TextLimit:
    tokenizer = clip_tokenizer() if kind == "clip" else word_tokenizer()
    return TextLimit(kind, tokenizer, 16 if kind == "clip" else 5)


@pytest.mark.parametrize("kind", ["clip", "words"])
@given(st.text("abz  \n,é", max_size=60))
def test_what_is_lost_is_what_is_not_read(kind: str, text: str) -> None:
    found = limit(kind)
    lost = found.lost(text)
    assert text.rstrip().endswith(lost)
    left = text.rstrip().removesuffix(lost) if lost else text
    assert found.lost(left) == ""
    assert bool(lost) == (len(found.tokenizer(text).input_ids) > found.tokens)
    if lost:
        assert found.kept(text) == found.kept(text + " z")
        assert not left or left[-1].isspace() or len(lost) > 40 or not lost[0].isalnum() or not left[-1].isalnum()


def test_limits_of_each_family() -> None:
    found = {name: [(one.encoder, one.tokens) for one in text_limits(TINY[name].build())] for name in TINY}
    assert found["sd1"] == found["lcm"] == [("text_encoder", 77)]
    assert found["sdxl"] == [("text_encoder", 77), ("text_encoder_2", 77)]
    assert found["sd3"] == [("text_encoder", 77), ("text_encoder_2", 77), ("text_encoder_3", 256)]
    assert found["flux-dev"] == [("text_encoder", 77), ("text_encoder_2", 512)]
    assert found["sana"] == [("text_encoder", 298)]  # 299 with Gemma's own tokenizer, which marks the beginning


@pytest.mark.parametrize("family", ["sd1", "flux-dev", "sana"])
def test_the_limit_is_what_the_pipeline_itself_reads(family: str) -> None:
    torch.manual_seed(0)
    pipeline = TINY[family].build()
    call, taken = (signature(call).parameters for call in (type(pipeline).__call__, pipeline.encode_prompt))
    given = {name: call[name].default for name in ("complex_human_instruction", "max_sequence_length") if name in call}
    plain = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": False, "prompt_2": None}
    given |= {name: value for name, value in plain.items() if name in taken}
    for _, model, _ in text_encoders(pipeline):
        model.eval()
    known = max(text_limits(pipeline), key=lambda one: one.tokens)

    def encoded(*words: str) -> torch.Tensor:
        with torch.no_grad():
            return pipeline.encode_prompt(" ".join(words), **given)[0]

    marks = len(known.tokenizer("").input_ids)
    within = ["a"] * (known.tokens - marks)
    assert known.lost(" ".join(within)) == ""
    assert known.lost(" ".join([*within, "cat"])) == "cat"
    assert torch.equal(encoded(*within, "a"), encoded(*within, "cat"))
    assert not torch.equal(encoded(*within), encoded(*within[1:], "cat"))


def test_one_warning_a_text_names_the_encoders() -> None:
    limits = text_limits(TINY["sd3"].build())
    (line,) = said(FULL, f"{FULL} and a dog", f"{FULL} and a dog", limits=limits)
    assert line.startswith("the prompt 'a cat and a cat and a cat and")
    assert line.endswith(
        "and a cat and a dog' is too long: text_encoder and text_encoder_2 read 77 tokens and lose 'and a dog'; "
        "text_encoder_3 reads all of it"
    )


def test_prompts_that_become_one_are_named() -> None:
    limits = text_limits(TINY["sd1"].build())
    lines = said(f"{FULL} and a dog", f"{FULL} and a mat", FULL, limits=limits)
    assert len(lines) == 3
    assert "cat and a dog' and '" in lines[2]
    assert lines[2].endswith("differ only in words that are not read: they give the same pictures")
    assert said(FULL, "a cat", limits=limits) == []
    assert said(FULL * 9, limits=()) == []


def test_the_emoji_model_says_what_it_does_not_read() -> None:
    model = load("emoji", steps=2)
    short = "a photo of a doctor"
    long = f"{short}{' in a garden' * 40} with a red hat"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert model.check_texts([short, long, long.replace("red", "blue")]) == {long, long.replace("red", "blue")}
    lines = [str(warning.message) for warning in found]
    assert len(lines) == 3
    assert "text_encoder reads 32 tokens and loses '" in lines[0]
    assert lines[0].endswith("red hat'")
    assert "differ only in words that are not read" in lines[2]


def test_class_prompts_of_a_detector_and_prompts_of_a_verb_are_warned_of() -> None:
    many = "a photo of a hat" + " in a garden" * 40
    axis = Axis("hat", ("hat", "none"), False, {}, {"hat": (f"{many} hat",), "none": ("a photo of a person",)})
    model = load("emoji", steps=1, batch_size=1)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        here = Engine(model=model.backend)  # so that detector and verb warn in one process
        audit(model, f"a photo of a doctor{' in a garden' * 40}", axes=[axis], n=1, engine=here, progress=False)
    lines = [str(warning.message) for warning in found]
    assert sum("the prompt 'a photo of a doctor" in line for line in lines) == 1
    assert sum("the detector's prompt of axis hat" in line for line in lines) == 1


def test_an_attribute_is_warned_of_once(tiny: Path) -> None:
    model = load(tiny, steps=1, detector="emoji")
    with pytest.warns(EquinoiseWarning) as warned:
        relate(model, "a cat", attributes=["mansion", ("long", f"a photo of {FULL}")], n=0)
    (line,) = {str(warning.message) for warning in warned}
    assert "text_encoder reads 77 tokens and loses '" in line
