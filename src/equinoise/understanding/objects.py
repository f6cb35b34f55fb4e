"""Objects over the images of a concept: how many images show each, and with which classes it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from equinoise.axes import UNCLEAR
from equinoise.language import head_noun, normalised, words
from equinoise.results.objects import CountedShare, ObjectCount
from equinoise.run import ROLE, UNTOUCHED, Record
from equinoise.statistics import wilson
from equinoise.understanding.phrases import Group


def found_phrases(record: Record) -> set[str]:
    """The different phrases found in an image."""
    return {str(entry["phrase"]) for entry in record.objects or ()}


def spellings(records: Iterable[Record]) -> Counter[str]:
    """How many images each phrase was found in; a phrase that was found twice in an image counts once."""
    return Counter(phrase for record in records for phrase in found_phrases(record))


def count_objects(records: Sequence[Record], groups: Sequence[Group]) -> list[ObjectCount]:
    """One count a concept, intervention and group of phrases, the most frequent first; images are counted, not boxes.

    Each interval is Wilson's and holds by itself: an image may show several objects, so the shares do not add to 1.
    `by_class` holds the share among the images of each class that a detector told, those that are clear.
    """
    by_concept: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.objects is not None:
            by_concept.setdefault((record.prompt, record.intervention), []).append(record)
    return [found for rows in by_concept.values() for found in _over_images(rows, groups)]


def _over_images(rows: Sequence[Record], groups: Sequence[Group]) -> list[ObjectCount]:
    """The counts over images of one concept and intervention."""
    found = []
    for group in groups:
        showing = [bool(found_phrases(record) & set(group.merged)) for record in rows]
        here = Counter(phrase for record in rows for phrase in found_phrases(record) if phrase in group.merged)
        if not here:
            continue
        count = ObjectCount(
            concept=rows[0].prompt,
            intervention=None if rows[0].intervention == UNTOUCHED else rows[0].intervention,
            phrase=group.name,
            **counted_share(sum(showing), len(rows)).model_dump(),
            merged=dict(here.most_common()),
            boxes=sum(entry["phrase"] in group.merged for record in rows for entry in record.objects or ()),
            by_class=_by_class(rows, showing),
        )
        found.append(count)
    return sorted(found, key=lambda count: (-count.count, count.phrase))


def counted_share(count: int, n: int) -> CountedShare:
    """A count with its share and Wilson's interval; None where there is nothing to count among."""
    low, high = wilson(count, n) if n else (None, None)
    return CountedShare(count=count, n=n, share=count / n if n else None, low=low, high=high)


def _by_class(rows: Sequence[Record], showing: Sequence[bool]) -> dict[str, dict[str, CountedShare]]:
    """Axis → class → how many of its images show the object."""
    axes = dict.fromkeys(axis for record in rows for axis in record.labels if axis != ROLE)
    table: dict[str, dict[str, CountedShare]] = {}
    for axis in axes:
        labels = [record.labels.get(axis, UNCLEAR) for record in rows]
        table[axis] = {
            name: counted_share(
                sum(shown for shown, label in zip(showing, labels, strict=True) if label == name), labels.count(name)
            )
            for name in dict.fromkeys(labels)
            if name != UNCLEAR
        }
    return table


def shows(record: Record, wanted: str) -> bool:
    """Whether one of the objects found in an image is what is wanted."""
    return any(is_a(phrase, wanted) for phrase in found_phrases(record))


def is_a(phrase: str, wanted: str) -> bool:
    """Whether a phrase names the wanted thing: the same head noun, and every other word that is wanted.

    >>> is_a("an old mansion by the sea", "mansion"), is_a("a hut", "mud hut"), is_a("a man's house", "man")
    (True, False, False)
    """
    if head_noun(phrase) != head_noun(wanted):
        return False
    return set(normalised(wanted).split()) <= {*normalised(phrase).split(), *words(phrase)}


def can_find(labels: Sequence[str] | None, wanted: str) -> bool:
    """Whether an object detector could have found a thing: one that has labels finds nothing else."""
    return labels is None or any(is_a(label, wanted) for label in labels)
