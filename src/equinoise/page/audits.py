"""What the page says of audits and of paired changes: sentences and rows, nothing of HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equinoise.page import words
from equinoise.page.charts import Chart, shares
from equinoise.page.headlines import focus
from equinoise.page.reading import Run

Audit = Mapping[str, Any]


@dataclass(frozen=True)
class Shares:
    """One concept on one axis."""

    title: str
    concept: str
    planted: bool
    sentence: str
    chart: Chart
    groups: tuple[str, ...]
    corrected: bool
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    measures: tuple[tuple[str, str, tuple[str, ...]], ...]


MEASURES = (
    ("spd", "Parity difference", "largest share − smallest share; 0 is even"),
    ("tv", "Distance to target", "total variation: the part of the images that would have to change class"),
    ("floor", "Sampling floor", "the distance that chance alone gives a model exactly on target, on average"),
    ("gap_squared_unbiased", "Squared gap", "squared distance to target less what chance adds; can be negative"),
    ("mean_pairwise_gap", "Mean pairwise gap", "mean difference of shares over all pairs of classes"),
    ("kl_bits", "KL divergence", "from the target, in bits"),
    ("entropy_bits", "Entropy", "spread over the classes, in bits; blind to which class is favoured"),
)


def describe_shares(run: Run, before: Audit, after: Audit | None, id: str) -> Shares:
    """Everything the page shows of one concept on one axis."""
    groups = {"Before": before, "After": after} if after else {"Measured": before}
    audits = [audit for audit in groups.values() if audit]
    corrected = any(e.get("corrected") is not None for audit in audits for e in audit["classes"].values())
    rows = tuple((name, _class_row(run, name, audits, corrected)) for name in before["classes"])
    planted = before["axis"] in run.planted(before["concept"])
    return Shares(
        before["axis"], before["concept"], planted, _shares_sentence(run, before, after), shares(id, before, after),
        tuple(groups), corrected, rows, tuple(_measures(audits)),
    )  # fmt: skip


def _class_row(run: Run, name: str, audits: Sequence[Audit], corrected: bool) -> tuple[str, ...]:
    planted = run.planted(audits[0]["concept"]).get(audits[0]["axis"])
    cells = [words.percent(audits[0]["target"][name]), *([words.percent(planted.get(name))] if planted else [])]
    for audit in audits:
        entry, clear = audit["classes"][name], audit["n"] - audit["unclear"]
        cells += [
            f"{entry['count']} of {clear}",
            words.percent(entry["share"]),
            words.span(entry["low"], entry["high"]),
        ]
        if corrected:
            low, high = entry.get("corrected_low"), entry.get("corrected_high")
            cells.append(f"{words.percent(entry.get('corrected'))} ({words.span(low, high)})")
    return tuple(cells)


def _measures(audits: Sequence[Audit]) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for key, name, meaning in MEASURES:
        yield name, meaning, tuple(_measure(audit, key) for audit in audits)
    kept = tuple(words.kept(audit["concept_fidelity"], audit["n"]) for audit in audits)
    yield "Concept fidelity", "images that still show what was asked for", kept
    unclear = tuple(f"{audit['unclear']} of {audit['n']}" for audit in audits)
    yield "Unclear", "images the detector could not tell; in no share above", unclear


def _measure(audit: Audit, key: str) -> str:
    """The value, with the least and the most that the intervals of the shares allow, where that is known."""
    value, low, high = words.number(audit.get(key)), audit.get(f"{key}_low"), audit.get(f"{key}_high")
    return value if low is None or high is None else f"{value} ({words.number(low)}–{words.number(high)})"


def _shares_sentence(run: Run, before: Audit, after: Audit | None) -> str:
    name, target = focus(run, before), words.percent(before["target"][focus(run, before)])
    first = before["classes"][name]
    text = f"Perceived as {name}: {words.share(first, before['n'] - before['unclear'])}"
    if after:
        text += f" before, {words.share(after['classes'][name], after['n'] - after['unclear'])} after"
    return f"{text}; the target is {target}. {_distance(before, after)}"


def _distance(before: Audit, after: Audit | None) -> str:
    last = after or before
    if before["tv"] is None or last["tv"] is None or last["floor"] is None:
        return "No image was clear enough to measure a distance to the target."
    moved = f"went from {words.number(before['tv'], 2)} to" if after else "is"
    known = "no more than" if last["tv"] <= last["floor"] else "against"
    return (
        f"The distance to the target {moved} {words.number(last['tv'], 2)}, {known} the "
        f"{words.number(last['floor'], 2)} that chance alone gives on average at this many images."
    )


def changes(differences: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Sentences and rows of the paired changes."""
    sentences: list[str] = []
    rows: list[tuple[str, ...]] = []
    for axis, found in differences.items():
        name = max(found, key=lambda key: abs(found[key]["difference"]))
        clear = found[name]["low"] > 0 or found[name]["high"] < 0
        verdict = "the interval excludes 0" if clear else "the interval includes 0, so this may be chance"
        sentences.append(f"Most moved on {axis}: {name}, {words.change(found[name])}; {verdict}.")
        for label, entry in found.items():
            low, high = words.points(entry["low"]), words.points(entry["high"])
            rows.append((axis, label, f"{words.points(entry['difference'])} points", f"{low} to {high}"))
    return sentences, rows
