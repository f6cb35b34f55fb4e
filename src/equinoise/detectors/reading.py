"""From probabilities to a label, and from a prompt to the role that it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from equinoise.axes import UNCLEAR


def read_label(probabilities: Mapping[str, float], unclear_below: float) -> str:
    """The most probable class, or `unclear` where its probability is 0 or below the threshold.

    >>> read_label({"woman": 0.0, "man": 0.0}, unclear_below=0.0)
    'unclear'
    """
    label = max(probabilities, key=lambda name: probabilities[name])
    return label if probabilities[label] >= unclear_below and probabilities[label] > 0 else UNCLEAR


def asked_role(concept: str, names: Mapping[str, tuple[str, ...]]) -> str | None:
    """The role whose name is in the concept, as whole words; None where there is none.

    Of several names the one that ends last counts, and of these the longest: a woman judge is a judge.

    >>> asked_role("a photo of a woman police officer", {"police-officer": ("police officer",), "person": ("woman",)})
    'police-officer'
    """
    found = [
        (match.end(), len(name), role)
        for role, ours in names.items()
        for name in ours
        for match in re.finditer(rf"\b{re.escape(name.lower())}\b", concept.lower())
    ]
    return max(found)[2] if found else None
