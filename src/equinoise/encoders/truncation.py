"""Texts that are longer than an encoder reads: what is lost of them, and which become one and the same text."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.errors import warn

UNLIMITED = 1_000_000
"""A tokenizer that says that it takes more tokens than this states no limit."""
SHOWN = 200
"""Characters of the lost words that a warning shows."""


@dataclass(frozen=True)
class TextLimit:
    """How much of a text one encoder reads.

    Attributes:
        encoder: its name.
        tokenizer: of transformers.
        tokens: the most that are read, the marks of beginning and end among them.
    """

    encoder: str
    tokenizer: Any
    tokens: int

    def kept(self, text: str) -> tuple[int, ...]:
        """The tokens that are read."""
        return tuple(self.tokenizer(text, truncation=True, max_length=self.tokens).input_ids)

    def lost(self, text: str) -> str:
        """The words after the last one that is read whole; empty where the text is read to its end."""
        whole = self.tokenizer(text, verbose=False).input_ids  # not verbose: the tokenizer would log that it is long
        if len(whole) <= self.tokens:
            return ""
        if not self.tokenizer.is_fast:  # one written in Python does not say where its tokens lie in the text
            return str(self.tokenizer.decode(whole[self.tokens - 1 :], skip_special_tokens=True)).strip()
        places = self.tokenizer(text, truncation=True, max_length=self.tokens, return_offsets_mapping=True)
        end = max(end for _, end in places.offset_mapping)
        begun = re.search(r"\S{0,40}$", text[:end])  # the word that the cut goes through is lost as a whole
        start = begun.start() if begun and not text[end : end + 1].isspace() else end
        return text[start:].strip()


def own_limit(encoder: str, tokenizer: Any, most: int | None = None) -> TextLimit:
    """The limit that a tokenizer states, and no more than `most` tokens."""
    stated = int(min(tokenizer.model_max_length, UNLIMITED))
    return TextLimit(encoder, tokenizer, min(stated, most) if most else stated)


def limit_of(encoder: object) -> TextLimit | None:
    """How much of a text an encoder reads; None where it states no limit."""
    found = getattr(encoder, "limit", None)
    return found if isinstance(found, TextLimit) else None


def text_encoders(pipeline: Any) -> list[tuple[str, Any, Any]]:
    """Name, model and tokenizer of every text encoder of a diffusers pipeline that has both, in order."""
    parts = pipeline.components
    names = sorted(name for name in parts if re.fullmatch(r"text_encoder(_\d+)?", name))
    found = [(name, parts[name], parts.get(name.replace("text_encoder", "tokenizer"))) for name in names]
    return [each for each in found if each[1] is not None and each[2] is not None]


def text_limits(pipeline: Any) -> tuple[TextLimit, ...]:
    """How much of a prompt each text encoder of a diffusers pipeline reads in the pipeline's own call.

    A CLIP reads as much as its tokenizer and its positions allow; what T5 and Gemma read is an argument of the call,
    which is left at its default here.
    """
    given, instructed = _argument(pipeline, "max_sequence_length"), _argument(pipeline, "complex_human_instruction")
    found = []
    for name, model, tokenizer in text_encoders(pipeline):
        if str(model.config.model_type).startswith("clip"):
            found.append(own_limit(name, tokenizer, model.config.max_position_embeddings))
        elif given and instructed:  # Sana leaves room for two marks, beside those of the instruction before the prompt
            found.append(TextLimit(name, tokenizer, given - 2 + len(tokenizer("").input_ids)))
        else:
            found.append(TextLimit(name, tokenizer, given) if given else own_limit(name, tokenizer))
    return tuple(found)


def warn_of_cut(texts: Sequence[str], limits: Sequence[TextLimit], what: str, same: str | None = None) -> set[str]:
    """Warn once of each text that is cut, with the words that are lost, and of texts that become one; what is cut.

    Args:
        texts: such as prompts; one that comes twice counts once.
        limits: of every encoder that reads them.
        what: how a text is called, such as "prompt".
        same: what becomes of two texts of which every encoder reads the same: they "give the same pictures"; None
            says nothing of such texts.
    """
    cut, alike = set(), defaultdict[tuple[tuple[int, ...], ...], list[str]](list)
    for text in dict.fromkeys(texts):
        lost = [(limit, limit.lost(text)) for limit in limits]
        if any(words for _, words in lost):
            cut.add(text)
            _say(_cut(text, lost, what))
        if limits and same:
            alike[tuple(limit.kept(text) for limit in limits)].append(text)
    for group in alike.values():
        if len(group) > 1 and not cut.isdisjoint(group):
            named = " and ".join(map(_brief, group[:3])) + (f" and {len(group) - 3} more" if len(group) > 3 else "")
            _say(f"the {what}s {named} differ only in words that are not read: they {same}")
    return cut


def _cut(text: str, lost: Sequence[tuple[TextLimit, str]], what: str) -> str:
    """What each encoder loses; encoders that lose the same are named together."""
    parts = []
    for words in sorted({words for _, words in lost}, key=lambda words: (words == "", words)):
        limits = [limit for limit, its in lost if its == words]
        names, s = " and ".join(limit.encoder for limit in limits), "" if len(limits) > 1 else "s"
        tokens = " and ".join(map(str, dict.fromkeys(limit.tokens for limit in limits)))
        shown = words if len(words) <= SHOWN else f"{words[: SHOWN // 2]} … {words[-SHOWN // 2 :]}"
        parts.append(
            f"{names} read{s} {tokens} tokens and lose{s} '{shown}'" if words else f"{names} read{s} all of it"
        )
    return f"the {what} {_brief(text)} is too long: {'; '.join(parts)}"


def _brief(text: str) -> str:
    return f"'{text}'" if len(text) <= 60 else f"'{text[:30]} … {text[-26:]}'"


def _argument(pipeline: Any, name: str) -> Any:
    """The default of an argument of the pipeline's call, or of that of the class that it derives from."""
    calls = [vars(cls)["__call__"] for cls in type(pipeline).__mro__ if "__call__" in vars(cls)]
    known = [inspect.signature(call).parameters for call in calls]
    return next((parameters[name].default for parameters in known if name in parameters), None)


def _say(message: str) -> None:
    """All warnings come from one place, so that Python shows each once."""
    warn(message)
