"""The headline of a run: what was measured, in one sentence with its interval and its count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equinoise.page import words
from equinoise.page.reading import Run
from equinoise.page.sweeps import cell_share

Audit = Mapping[str, Any]


@dataclass(frozen=True)
class Headline:
    """The first thing to read: `big` is the numbers alone, `text` the sentence that makes them honest."""

    name: str
    big: str
    text: str
    concept: str


def pair_up(run: Run) -> list[tuple[Audit, Audit | None]]:
    """Each audit of the untouched images with that of the shifted ones."""
    after = {(audit["concept"], audit["axis"]): audit for audit in (run.after or {"audits": []})["audits"]}
    audits = run.before["audits"] if run.before else []
    return [(audit, after.get((audit["concept"], audit["axis"]))) for audit in audits]


def headlines(run: Run) -> list[Headline]:
    """One an audit; a run that only sweeps has one a sweep."""
    if run.before:
        return [_headline(run, before, after) for before, after in pair_up(run)]
    return [_swept(run, sweep) for sweep in run.sweeps]


def _headline(run: Run, before: Audit, after: Audit | None) -> Headline:
    name = focus(run, before)
    title = words.people(name, before["axis"])
    entry, clear = before["classes"][name], before["n"] - before["unclear"]
    target = f"Target {words.percent(before['target'][name])}."
    if after is None:
        text = f"{title}: {words.share(entry, clear)}. {_corrected(entry)}{target}"
        return Headline(title, words.percent(entry["share"]), text, before["concept"])
    now = after["classes"][name]
    text = f"{title}: {words.share(entry, clear)} before, {words.share(now, after['n'] - after['unclear'])} after"
    changes = (run.results.get("differences") or {}).get(before["axis"])
    text += f", on the same {before['n']} seeds. Change {words.change(changes[name])}." if changes else "."
    big = f"{words.percent(entry['share'])} → {words.percent(now['share'])}"
    return Headline(title, big, f"{text} {_corrected(entry, now)}{target}", before["concept"])


def _corrected(*entries: Mapping[str, Any]) -> str:
    """The shares after the detector's known errors, before and after; nothing where they are not known."""
    if any(entry.get("corrected") is None for entry in entries):
        return ""
    each = [f"{words.percent(e['corrected'])} ({words.span(e['corrected_low'], e['corrected_high'])})" for e in entries]
    return f"Corrected for the detector: {' → '.join(each)}. "


def _swept(run: Run, sweep: Mapping[str, Any]) -> Headline:
    title, untouched, best = words.people(sweep["class"], sweep["axis"]), sweep["untouched"], sweep.get("best")
    concept = str(sweep.get("concept") or (run.concepts or [""])[0])
    text = f"{title}: {cell_share(untouched, sweep['class'])} untouched"
    if not best:
        return Headline(title, words.percent(untouched["share"]), f"{text}; no cell was better.", concept)
    text += f", {cell_share(best, sweep['class'])} in the best cell, step {best['step']} and weight {best['weight']:g}"
    big = f"{words.percent(untouched['share'])} → {words.percent(best['share'])}"
    return Headline(title, big, f"{text}, on the same pilot seeds; chosen on them, which flatters it.", concept)


def focus(run: Run, audit: Audit) -> str:
    """The class a headline is about: the one shifted towards, else the one furthest from its target."""
    shifts = (run.results.get("applied") or {}).get("shifts") or []
    for name in audit["classes"]:
        if any(re.search(rf"(^| ){re.escape(name)}@", str(shift.get("direction"))) for shift in shifts):
            return str(name)
    gaps = {name: abs((found["share"] or 0) - audit["target"][name]) for name, found in audit["classes"].items()}
    return str(max(gaps, key=lambda name: round(gaps[name], 9)))  # of two classes, which tie, the first
