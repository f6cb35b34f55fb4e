"""What the page says of a plan: what its images get, what was expected of it, what its verification shows, its cost."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.charts.numbers import NONE, number, percent, span
from equinoise.page import words
from equinoise.page.chart import Chart
from equinoise.page.headlines import verdict_text
from equinoise.results.plans import PlanPart, PlanResult

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Planned:
    """The plan of an article.

    Attributes:
        prompts: what its directions were collected from, and why; empty where directions were given.
        rejection: whether some attempts are rejected.
        mixture: a row a part, with the heads of `MIXTURE`.
        verdicts: a row a class, with the heads of `VERDICTS`.
    """

    sentences: tuple[str, ...]
    prompts: tuple[str, ...]
    rejection: bool
    mixture: Rows
    verdicts: Rows
    corrected: bool
    chart: Chart


MIXTURE = (
    "Images", "Shift of the noise", "Accepted", "KL from N(0, I) in nats", "More denoiser calls", "Expected shares",
)  # fmt: skip
VERDICTS = ("Axis", "Class", "Target", "Expected (95%)", "Verified (95%)", "Verdict")


def describe_plan(plan: PlanResult, id: str) -> Planned:
    """The tables, sentences and chart of a plan."""
    label = "Expected and verified share of each class against the target; the table holds the same numbers"
    return Planned(
        sentences=(_verdicts(plan), _cost(plan)),
        prompts=tuple(found.note for found in (plan.prompts or {}).values()),
        rejection=any(part.accepted for part in plan.interventions),
        mixture=tuple(_part(part) for part in plan.interventions),
        verdicts=_verified(plan),
        corrected=any(verdict.corrected for verdict in plan.verdicts),
        chart=Chart(id, label, plan.plot()),
    )


def _verdicts(plan: PlanResult) -> str:
    each = [f"{found.axis} is {verdict_text(found)}" for found in plan.verdicts]
    n = plan.cost.verification.images
    return f"On {words.quantity(n, 'image')} of seeds that nothing was learnt from: {words.listed(each)}."


def _cost(plan: PlanResult) -> str:
    cost = plan.cost
    return (
        f"An image under the plan takes {percent(cost.extra_calls_per_image)} more denoiser calls, and its noise is "
        f"{number(cost.kl_nats, 2)} nats from N(0, I) (KL divergence, mean over images). Making the plan took "
        f"{words.quantity(cost.images, 'image')} and {cost.denoiser_calls:,} denoiser calls: "
        f"{cost.directions.images} images for directions, {cost.pilots.images} pilots (and {cost.pilots.stopped_early} "
        f"that were stopped early), {cost.verification.images} for the verification."
    )


def _part(part: PlanPart) -> tuple[str, ...]:
    shift = part.name.partition(", ")[0]  # behind it the name says what is accepted, which has a column of its own
    accepted = "; ".join(f"{axis}: {', '.join(classes)}" for axis, classes in part.accepted.items())
    expected = "; ".join(
        f"{axis}: " + ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
        for axis, shares in part.expected.items()
    )
    taken = f"{percent(part.extra_calls)} ({number(part.attempts, 1)} attempts)" if part.accepted else NONE
    return percent(part.share), shift, accepted or "every image", number(part.kl_nats, 1), taken, expected


def _verified(plan: PlanResult) -> Rows:
    rows = []
    for audit, verdict in zip(plan.verified.audits, plan.verdicts, strict=True):
        for name, found in audit.classes.items():
            told = plan.expected[audit.axis][name]
            verified = words.corrected(found) if verdict.corrected else words.share(found, audit.clear)
            expected = f"{percent(told.share)} ({span(told.low, told.high)})"
            rows.append((audit.axis, name, percent(audit.target[name]), expected, verified, verdict_text(verdict)))
    return tuple(rows)
