"""What the page says of directions: how well each tells its class on images it was not made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.page import words
from equinoise.page.charts import Chart, accuracy


@dataclass(frozen=True)
class Directions:
    """The directions of one axis."""

    axis: str
    sentence: str
    chart: Chart | None
    rows: tuple[tuple[str, ...], ...]


def describe_directions(directions: Sequence[Mapping[str, Any]], prefix: str) -> list[Directions]:
    """The directions, axis by axis."""
    axes = list(dict.fromkeys(entry["axis"] for entry in directions))
    return [
        _directions(axis, [entry for entry in directions if entry["axis"] == axis], f"{prefix}-{index}")
        for index, axis in enumerate(axes)
    ]


def _directions(axis: str, entries: Sequence[Mapping[str, Any]], id: str) -> Directions:
    known = [entry for entry in entries if entry["accuracy"] is not None]
    sentence = "No held-out accuracy is known for these directions."
    if known:
        top = max(known, key=lambda entry: entry["accuracy"])
        beyond = [entry for entry in known if entry.get("low") is not None and entry["low"] > 0.5]
        sentence = (
            f"Held-out balanced accuracy is highest for {top['class']} at step {top['step']}: {_accuracy(top)}; chance "
            f"is 50%. For {len(beyond)} of {len(known)} directions the whole interval lies above chance. An accuracy "
            "near chance does not mean that a shift does nothing: the sweep shows what it does."
        )
    rows = tuple(
        (
            f"{entry['class']} against {entry['against']}" if entry.get("against") else entry["class"],
            str(entry["step"]), entry["estimator"], words.percent(entry["accuracy"]),
            words.span(entry.get("low"), entry.get("high")) if entry["accuracy"] is not None else words.NONE,
            words.number(entry.get("p"), 2),
        )
        for entry in entries
    )  # fmt: skip
    return Directions(axis, sentence, accuracy(id, axis, entries) if known else None, rows)


def _accuracy(entry: Mapping[str, Any]) -> str:
    return f"{words.percent(entry['accuracy'])} ({words.span(entry.get('low'), entry.get('high'))})"
