"""Objects over the images of a concept: how many images show each, and with which classes it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from equinoise.axes import UNCLEAR
from equinoise.run import UNTOUCHED, Record
from equinoise.statistics import wilson
from equinoise.understanding.phrases import Group, head_noun, normalised, words

ROLE = "role"


def spellings(records: Iterable[Record]) -> Counter[str]:
    """How many images each phrase was found in; a phrase that was found twice in an image counts once."""
    return Counter(phrase for record in records for phrase in phrases_of(record))


def phrases_of(record: Record) -> set[str]:
    """The phrases found in an image."""
    return {str(entry["phrase"]) for entry in record.objects or ()}


def count_objects(records: Sequence[Record], groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One entry a concept, intervention and group of phrases, the most frequent first; images are counted, not boxes.

    Each interval is Wilson's and holds by itself: an image may show several objects, so the shares do not add to 1.
    `with` holds the share among the images of each class that a detector read off, those that are clear.
    """
    by_concept: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.objects is not None:
            by_concept.setdefault((record.prompt, record.intervention), []).append(record)
    return [entry for key, rows in by_concept.items() for entry in _of_concept(key, rows, groups)]


def _of_concept(key: tuple[str, str], rows: Sequence[Record], groups: Sequence[Group]) -> list[dict[str, Any]]:
    found = []
    for group in groups:
        showing = [bool(phrases_of(record) & set(group.merged)) for record in rows]
        here = Counter(phrase for record in rows for phrase in phrases_of(record) if phrase in group.merged)
        if not here:
            continue
        boxes = sum(entry["phrase"] in group.merged for record in rows for entry in record.objects or ())
        applied = {} if key[1] == UNTOUCHED else {"intervention": key[1]}
        found.append(
            {
                "concept": key[0], **applied, "phrase": group.name, **share(sum(showing), len(rows)),
                "merged": dict(here.most_common()), "boxes": boxes, "with": _with(rows, showing),
            }
        )  # fmt: skip
    return sorted(found, key=lambda entry: (-entry["count"], entry["phrase"]))


def share(count: int, n: int) -> dict[str, Any]:
    """A count with its share and Wilson interval; null where there is nothing to count among."""
    low, high = wilson(count, n) if n else (None, None)
    return {"count": count, "n": n, "share": count / n if n else None, "low": low, "high": high}


def _with(rows: Sequence[Record], showing: Sequence[bool]) -> dict[str, dict[str, Any]]:
    """Axis → class → how many of its images show the object."""
    axes = dict.fromkeys(axis for record in rows for axis in record.labels if axis != ROLE)
    table: dict[str, dict[str, Any]] = {}
    for axis in axes:
        labels = [record.labels.get(axis, UNCLEAR) for record in rows]
        table[axis] = {
            name: share(sum(s for s, label in zip(showing, labels, strict=True) if label == name), labels.count(name))
            for name in dict.fromkeys(labels)
            if name != UNCLEAR
        }
    return table


def shows(record: Record, wanted: str) -> bool:
    """Whether one of the objects found in an image is what is wanted."""
    return any(is_a(phrase, wanted) for phrase in phrases_of(record))


def is_a(phrase: str, wanted: str) -> bool:
    """Whether a phrase names the wanted thing: the same head noun, and every other word that is wanted.

    >>> is_a("an old mansion by the sea", "mansion"), is_a("a hut", "mud hut"), is_a("a man's house", "man")
    (True, False, False)
    """
    if head_noun(phrase) != head_noun(wanted):
        return False
    return set(normalised(wanted).split()) <= {*normalised(phrase).split(), *words(phrase)}


def known(labels: Sequence[str] | None, wanted: str) -> bool:
    """Whether a detector could have found it: one that has labels finds nothing else."""
    return labels is None or any(is_a(label, wanted) for label in labels)


def with_objects(records: Iterable[Record], found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Record]:
    """The records with the objects of each, by id."""
    return [replace(record, objects=tuple(found[record.id])) for record in records]
