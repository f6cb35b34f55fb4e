"""How often images show an attribute: read off the classes of an axis, or off the objects that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from equinoise.axes import UNCLEAR
from equinoise.language import normalised
from equinoise.results.audits import Audit
from equinoise.results.disagreements import SkippedAttribute
from equinoise.run import ROLE, Record, RunContent
from equinoise.statistics.reversals import Shown
from equinoise.understanding.objects import can_find, shows
from equinoise.understanding.wordings import Attribute


@dataclass(frozen=True)
class Frequencies:
    """Which images show which attributes.

    Attributes:
        places: indices of the attributes that can be counted.
        shown: (images, len(places)): 1, 0, or NaN where unclear.
        sources: where each was counted: `gender:woman`, or the name of an object.
        skipped: the attributes that cannot be counted, and why.
    """

    places: tuple[int, ...]
    shown: Shown
    sources: tuple[str, ...]
    skipped: tuple[SkippedAttribute, ...]


def frequencies(
    records: Sequence[Record],
    attributes: Sequence[Attribute],
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str] | None = None,
) -> Frequencies:
    """Count each attribute in the places that it names, else as the class of that name, else as an object.

    `classes`: axis → its declared classes; `labels`: all that the object detector can find, None for any phrase.
    """
    places, columns, sources, skipped = [], [], [], []
    for index, entry in enumerate(attributes):
        found = [_column(records, place, classes, labels) for place in entry.shown or _by_name(entry, classes)]
        reasons = [column for column in found if isinstance(column, str)]
        read = [column for column in found if not isinstance(column, str)]
        joined = _any_of(read) if read and not reasons else None
        if joined is None or np.isnan(joined).all():
            why = reasons[0] if reasons else "no image is clear about it"
            skipped.append(SkippedAttribute(attribute=entry.name, reason=why))
            continue
        places.append(index)
        columns.append(joined)
        sources.append(", ".join(entry.shown or _by_name(entry, classes)))
    shown = np.stack(columns, axis=1) if columns else np.zeros((len(records), 0))
    return Frequencies(tuple(places), shown, tuple(sources), tuple(skipped))


def _by_name(entry: Attribute, classes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """`AXIS:CLASS` where a class has the name of the attribute, else the object of that name."""
    plain = normalised(entry.name.replace("-", " "))
    for axis, names in classes.items():
        for name in names:
            if axis != ROLE and name.replace("-", " ") == plain:
                return (f"{axis}:{name}",)
    return (entry.name,)


def _column(
    records: Sequence[Record], place: str, classes: Mapping[str, Sequence[str]], labels: Sequence[str] | None
) -> Shown | str:
    """(images,): whether each image shows a class or an object; or the reason why that cannot be told."""
    axis, colon, label = place.partition(":")
    if colon:
        if label not in classes.get(axis, ()):
            return f"'{place}' is no class of an axis that the images were read on"
        return np.array([_of_label(record.labels.get(axis, UNCLEAR), label) for record in records])
    if any(record.objects is None and record.no_picture is None for record in records):
        return "no axis has a class of that name, and no objects were detected (equinoise detect RUN --objects)"
    if not can_find(labels, place):
        return f"the object detector has no label for it, so it could not find one: {', '.join(labels or ())}"
    return np.array([np.nan if record.no_picture else float(shows(record, place)) for record in records])


def _of_label(found: str, wanted: str) -> float:
    return np.nan if found == UNCLEAR else float(found == wanted)


def _any_of(columns: Sequence[Shown]) -> Shown:
    """Shown in any of several places; unclear only where none shows it and one is unclear."""
    together = np.stack(columns)
    seen = (together == 1).any(axis=0)
    result: Shown = np.where(seen, 1.0, np.where(np.isnan(together).any(axis=0), np.nan, 0.0))
    return result


def classes_read(run: RunContent) -> dict[str, list[str]]:
    """Axis → the classes that the images of a run were read on: those that were audited, else those in its records."""
    found = {audit.axis: list(audit.classes) for audit in _audits(run)}
    for record in run.records:
        for axis, probabilities in record.detections.items():
            found.setdefault(axis, list(probabilities))
        for axis, label in record.labels.items():
            names = found.setdefault(axis, [])
            if axis not in record.detections and label not in (*names, UNCLEAR):
                names.append(label)
    return found


def _audits(run: RunContent) -> list[Audit]:
    """The audits in a run's results: of an audit, and of the untouched images where a run has both."""
    parts = run.file.results, run.file.results.get("before")
    entries = [part.get("audits") for part in parts if isinstance(part, dict)]
    where = f"run.json of the run {run.name}"
    return [Audit.from_json(entry, where) for part in entries if isinstance(part, list) for entry in part]
