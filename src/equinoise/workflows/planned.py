"""`--plan FILE`: a plan read for the concepts of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from equinoise.encoders import TextEncoder
from equinoise.engine import Job, Request
from equinoise.engine.selecting import denoiser_calls
from equinoise.errors import EquinoiseError, warn
from equinoise.models.base import step_at
from equinoise.models.pipeline import require_pipeline
from equinoise.run import Record
from equinoise.seeds import overlap
from equinoise.steering.early_classifier import EarlyClassifier
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import Decision
from equinoise.workflows.settings import Session


@dataclass(frozen=True)
class Planned:
    """A plan, and by concept whether it is for it."""

    plan: Plan
    decisions: Mapping[str, Decision]
    look: EarlyClassifier | None = None

    def job(self, name: str, concept: str, seed: int) -> Job:
        """The image of a concept and seed; as without a plan where the gate turns the concept away."""
        return (
            planned_job(self.plan, name, concept, seed) if self.decisions[concept].touch else Job(name, concept, seed)
        )

    def calls(self, whole: int) -> int:
        """Denoiser calls expected of an image, where a whole run takes so many."""
        extra = self.plan.provenance.get("cost", {}).get("extra_calls_per_image", 0.0) if self.look else 0.0
        return round(whole * (1 + extra))

    def request(self, request: Request) -> Request:
        """The request, with the plan's early look."""
        return replace(request, look=self.look)

    def as_one(self, records: Sequence[Record]) -> list[Record]:
        """The images of a concept under one name, to be counted together: the shares of a plan are of its mixture."""
        return [replace(r, intervention=self.plan.name) if self.decisions[r.prompt].touch else r for r in records]

    def about(self) -> dict[str, Any]:
        """For the record of a run."""
        prompt_filter = [{"concept": c, "touched": d.touch, "reason": d.reason} for c, d in self.decisions.items()]
        return {"name": self.plan.name, "digest": self.plan.digest, "gate": prompt_filter}


def open_plan(file: Path, session: Session, concepts: Sequence[str], seeds: Sequence[int]) -> Planned:
    """Read a plan; warn of concepts that it is not for, and of seeds that it was chosen on.

    Raises:
        EquinoiseError: no such file, not a plan, or one of another model.
    """
    plan = Plan.load(file)
    similar = plan.match == "similar"
    prompt_filter = plan.prompt_filter(
        TextEncoder.of(require_pipeline(session.model).pipeline)[0].texts if similar else None
    )
    decisions = {concept: prompt_filter.decide(concept) for concept in concepts}
    for concept, decision in decisions.items():
        if not decision.touch:
            warn(f"'{concept}' goes through untouched: {decision.reason}")
    if shared := overlap(seeds, plan.seeds):
        warn(shared)
    for message in check_plan(plan, session):
        warn(message)
    return Planned(plan, decisions, look_for(plan, session))


def planned_job(plan: Plan, name: str, concept: str, seed: int) -> Job:
    """The image of a seed under a plan."""
    part = plan.part(seed)
    return Job(name, concept, seed, part.intervention, part.keep)


def check_plan(plan: Plan, session: Session) -> list[str]:
    """Warnings where a plan is used at other settings than it was made at.

    Raises:
        EquinoiseError: it was made on another model.
    """
    made, ours = plan.provenance.get("model", {}), session.model.provenance
    if made.get("weights") not in (None, ours["weights"]):
        raise EquinoiseError(f"the plan was made on another model ({made.get('name')}); make one on this model")
    now = {"scheduler": ours["scheduler"], "steps": session.sampling.steps}
    now["guidance_scale"] = session.sampling.guidance_scale
    then = {"scheduler": made.get("scheduler"), **plan.provenance.get("sampling", {})}
    return [
        f"the plan was made at {key} {then[key]}, and is used at {now[key]}: its shares may differ"
        for key in now
        if then.get(key) not in (None, now[key])
    ]


def look_for(plan: Plan, session: Session) -> EarlyClassifier | None:
    """The plan's early look, at the same fraction of a run of the session's length; None where nothing is selected."""
    if plan.look is None or not plan.selects:
        return None
    made = int(plan.provenance.get("sampling", {}).get("steps", session.sampling.steps))
    if made == session.sampling.steps:
        return plan.look
    return replace(plan.look, step=step_at(Fraction(plan.look.step, made), session.sampling.steps))


def drawn(records: Sequence[Record], session: Session, look: EarlyClassifier | None) -> dict[str, Any]:
    """What images took: draws where an early look selected them, and denoiser calls."""
    each = [len(record.draws or ()) for record in records]
    calls = sum(denoiser_calls(n, session.calls, look, session.model.resumable) for n in each)
    last = [record.draws[-1]["kept"] for record in records if record.draws]
    return {
        "images": len(records),
        "denoiser_calls": calls,
        "extra_calls_per_image": calls / (len(records) * session.calls) - 1 if records else None,
        "selected": len(last),
        "draws": sum(each),
        "kept_without_a_match": last.count(False),
    }
