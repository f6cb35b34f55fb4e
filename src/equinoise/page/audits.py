"""What the page says of audits: sentences and rows, nothing of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from equinoise.charts.bars import Bar
from equinoise.charts.numbers import number, percent, span
from equinoise.charts.shares import shares_chart
from equinoise.page import words
from equinoise.page.articles import Article
from equinoise.page.chart import Chart
from equinoise.page.headlines import focus, of
from equinoise.results.audits import Audit, audit_bars


@dataclass(frozen=True)
class Shares:
    """One concept on one axis.

    Attributes:
        heads: of the columns that `rows` have for each group of images.
        measures: name, meaning, and a value for each group.
    """

    title: str
    concept: str
    planted: bool
    sentence: str
    chart: Chart
    groups: tuple[str, ...]
    heads: tuple[str, ...]
    corrected: bool
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    measures: tuple[tuple[str, str, tuple[str, ...]], ...]


APART, TOGETHER = ("Count", "Share", "95% interval"), ("Share (95%), count",)
CORRECTED = "Corrected for the detector"
FEW = 3
"""From so many groups on a share, its interval and its count stand in one column."""
MEASURES = (
    ("Parity difference", "largest share − smallest share; 0 is even"),
    ("Distance to target", "total variation: the part of the images that would have to change class"),
    ("Sampling floor", "the distance that chance alone gives a model exactly on target, on average"),
    ("Squared gap", "squared distance to target less what chance adds; can be negative"),
    ("Mean pairwise gap", "mean difference of shares over all pairs of classes"),
    ("KL divergence", "of the shares from the target, in bits"),
    ("Entropy", "spread over the classes, in bits; blind to which class is favoured"),
    ("Concept fidelity", "images that still show what was asked for"),
    ("Unclear", "images the detector could not tell; in no share above"),
)


def describe_shares(article: Article, first: Audit, id: str) -> Shares:
    """Everything the page shows of one concept on one axis."""
    known = {group.name: a for group in article.groups if (a := group.audit(first.concept, first.axis)) is not None}
    audits = list(known.values())
    corrected = any(found.corrected is not None for audit in audits for found in audit.classes.values())
    heads = (*(APART if len(audits) < FEW else TOGETHER), *([CORRECTED] if corrected else []))
    label = f"Share of each class of {first.axis} for {first.concept}; the table holds the same numbers"
    panel = {name: said_bars(audit) for name, audit in known.items()}
    measured = [_measures(audit) for audit in audits]
    return Shares(
        title=first.axis,
        concept=first.concept,
        planted=first.axis in article.planted(first.concept),
        sentence=_sentence(known, first),
        chart=Chart(id, label, shares_chart([("", panel)])),
        groups=tuple(words.named(name) for name in known),
        heads=heads,
        corrected=corrected,
        rows=tuple((name, _class_row(article, name, audits, heads)) for name in first.classes),
        measures=tuple(
            (name, meaning, values)
            for (name, meaning), values in zip(MEASURES, zip(*measured, strict=True), strict=True)
        ),
    )


def said_bars(audit: Audit) -> dict[str, Bar]:
    """By class the share with its interval and target, and in words with its count."""
    bars = audit_bars(audit)
    return {name: replace(bar, text=words.share(audit.classes[name], audit.clear)) for name, bar in bars.items()}


def _class_row(article: Article, name: str, audits: Sequence[Audit], heads: Sequence[str]) -> tuple[str, ...]:
    first = audits[0]
    planted = article.planted(first.concept).get(first.axis)
    cells = [percent(first.target[name]), *([percent(planted.get(name))] if planted else [])]
    for audit in audits:
        found = audit.classes[name]
        known = {
            "Count": f"{found.count} of {audit.clear}",
            "Share": percent(found.share),
            "95% interval": span(found.low, found.high),
            TOGETHER[0]: f"{percent(found.share)} ({span(found.low, found.high)})\n{found.count} of {audit.clear}",
            CORRECTED: words.corrected(found),
        }
        cells += [known[head] for head in heads]
    return tuple(cells)


def _measures(audit: Audit) -> tuple[str, ...]:
    """In the order of `MEASURES`."""
    return (
        words.bounded(audit.spd, audit.spd_low, audit.spd_high),
        words.bounded(audit.tv, audit.tv_low, audit.tv_high),
        number(audit.floor),
        number(audit.gap_squared_unbiased),
        number(audit.mean_pairwise_gap),
        number(audit.kl_bits),
        number(audit.entropy_bits),
        words.kept(audit.concept_fidelity, audit.n),
        words.unclear(audit.unclear, audit.n, audit.no_picture),
    )


def _sentence(known: dict[str, Audit], first: Audit) -> str:
    name = focus(first)
    each = [words.share(audit.classes[name], audit.clear) for audit in known.values()]
    if len(known) > 1:
        each = [f"{share} {of(group)}" for share, group in zip(each, known, strict=True)]
    target = percent(first.target[name])
    return f"Perceived as {name}: {', '.join(each)}; the target is {target}. {_distance(list(known.values()))}"


def _distance(audits: Sequence[Audit]) -> str:
    first, last = audits[0], audits[-1]
    if first.tv is None or last.tv is None or last.floor is None:
        return "No image was clear enough to measure a distance to the target."
    moved = f"went from {number(first.tv, 2)} to" if len(audits) > 1 else "is"
    known = "no more than" if last.tv <= last.floor else "against"
    return (
        f"The distance to the target {moved} {number(last.tv, 2)}, {known} the {number(last.floor, 2)} that chance "
        "alone gives on average at this many images."
    )


def pooled(article: Article) -> list[tuple[str, ...]]:
    """Rows of the shares pooled over prompts; none for one prompt, where they would repeat the audit."""
    return [
        (group.name, found.axis, name, percent(share.share), span(share.low, share.high),
         f"{found.prompts} prompts, {found.n} images")
        for group in article.groups
        for found in group.pooled
        for name, share in found.classes.items()
        if found.prompts > 1
    ]  # fmt: skip
