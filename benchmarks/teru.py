"""Relations of occupations with man and woman in a sentence encoder with real weights.

    python -m benchmarks.teru [--encoder FOLDER-OR-NAME]

TERU of doctor, nurse, engineer and teacher with "a man" and "a woman", raw and centred on the reference vocabulary, and
the difference with its interval over wordings. It says what this encoder learnt from text, and nothing about people.
"""

from __future__ import annotations

import argparse

from benchmarks.common import tell
from emoji_world.tables import Row
from equinoise.encoders import MINILM, load_encoder
from equinoise.understanding.relations import TextRelation, relate_texts
from equinoise.understanding.wordings import REFERENCE, Attribute

CONCEPTS = ("a doctor", "a nurse", "an engineer", "a teacher")
ATTRIBUTES = ("man", "woman")


def row(concept: str, found: TextRelation) -> Row:
    """One line of the table."""
    result: Row = {"concept": concept}
    for index, name in enumerate(ATTRIBUTES):
        result[f"{name}, raw"] = found.one(index, centred=False).value
        result[f"{name}, centred"] = found.one(index).value
    apart = found.difference(0, 1)
    low, high = apart.interval or (apart.value, apart.value)
    nearer = ATTRIBUTES[0] if low > 0 else ATTRIBUTES[1] if high < 0 else "neither surely"
    return {**result, "man − woman, centred": f"{apart.value:+.3f} ({low:+.3f} to {high:+.3f})", "nearer": nearer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=MINILM)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    encoder = load_encoder(args.encoder, args.device)
    entries = [Attribute.named(name, CONCEPTS[0]) for name in ATTRIBUTES]
    tell([row(concept, relate_texts(encoder, concept, entries, reference=REFERENCE)) for concept in CONCEPTS], "teru")


if __name__ == "__main__":
    main()
