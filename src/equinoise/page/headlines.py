"""The headline of a run: what was measured, in one sentence with its interval and its count."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.charts.numbers import percent
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.results.audits import Audit
from equinoise.results.plans import TargetVerdict
from equinoise.results.sweeps import SweepResult


@dataclass(frozen=True)
class Headline:
    """The first thing to read: `big` is the numbers alone, `text` the sentence that makes them honest."""

    name: str
    big: str
    text: str
    concept: str


def headlines(article: Article) -> list[Headline]:
    """One for each concept and axis; a run that only sweeps has one a sweep."""
    if article.audits:
        return [_headline(article, audit) for audit in article.audits]
    return [_swept(sweep) for sweep in article.sweeps]


def _headline(article: Article, first: Audit) -> Headline:
    name = focus(first)
    title = words.people(name, first.axis)
    known = [(g.name, a) for g in article.groups if (a := g.audit(first.concept, first.axis)) is not None]
    found = [audit.classes[name] for _, audit in known]
    said = [words.share(share, audit.clear) for share, (_, audit) in zip(found, known, strict=True)]
    if len(known) == 1:
        text, big = f"{title}: {said[0]}.", percent(found[0].share)
    else:
        each = ", ".join(f"{share} {of(group)}" for share, (group, _) in zip(said, known, strict=True))
        same = f" on the same {first.n} seeds" if article.changes else ""
        text, big = (
            f"{title}: {each},{same}.".replace(",.", "."),
            f"{percent(found[0].share)} → {percent(found[-1].share)}",
        )
        text += _change(article, known[-1][0], first, name)
    corrected = [words.corrected(share) for share in found if share.corrected is not None]
    if len(corrected) == len(found):
        text += f" Corrected for the detector: {' → '.join(corrected)}."
    text += f" Target {percent(first.target[name])}."
    return Headline(title, big, text + _verdict(article, first), first.concept)


def of(group: str) -> str:
    """How a sentence names a group: `untouched`, `with the plan`, `with the paper's recipe`."""
    return group if group in {"untouched", "measured"} else f"with the {group}" if group in NOUNS else f"with {group}"


NOUNS = frozenset(("plan", "paper's recipe"))


def _change(article: Article, group: str, first: Audit, name: str) -> str:
    changes = (article.changes or {}).get(group)
    for change in changes.changes if changes else ():
        if (change.concept, change.axis) == (first.concept, first.axis):
            return f" Change {of(group)}: {words.change(change.classes[name])}."
    return ""


def _verdict(article: Article, first: Audit) -> str:
    plan = article.plan
    verdicts = plan.verdicts if plan and plan.concept == first.concept else ()
    return "".join(f" Verification: {verdict_text(found)}." for found in verdicts if found.axis == first.axis)


def verdict_text(found: TargetVerdict) -> str:
    """`on target within ±10 points`."""
    return f"{found.said} within ±{100 * found.margin:g} points"


def _swept(sweep: SweepResult) -> Headline:
    title, untouched, best = words.people(sweep.label, sweep.axis), sweep.untouched, sweep.best
    text = f"{title}: {words.share(untouched.classes[sweep.label], untouched.clear)} untouched"
    if not best:
        return Headline(title, percent(untouched.share), f"{text}; no cell was better.", sweep.concept)
    reached = words.share(best.classes[sweep.label], best.clear)
    text += f", {reached} in the best cell, step {best.step} and weight {best.weight:g}"
    big = f"{percent(untouched.share)} → {percent(best.share)}"
    return Headline(title, big, f"{text}, on the same pilot seeds; chosen on them, which flatters it.", sweep.concept)


def focus(audit: Audit) -> str:
    """The class a headline is about: the one furthest from its target; of two classes, which tie, the first."""
    gaps = {name: abs((found.share or 0) - audit.target[name]) for name, found in audit.classes.items()}
    return max(gaps, key=lambda name: round(gaps[name], 9))
