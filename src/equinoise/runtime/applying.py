"""A plan as `audit` and `generate` use it: which image gets what, for which concepts, and what that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from equinoise.detectors.declaring import record_name
from equinoise.encoders import TextEncoder
from equinoise.engine import Job
from equinoise.engine.rejection import denoiser_calls
from equinoise.errors import warn
from equinoise.models.base import step_at
from equinoise.models.pipeline import require_pipeline
from equinoise.results.audits import Attempts, FilterDecision, PlanInfo
from equinoise.results.plans import PlanResult
from equinoise.run import Record
from equinoise.runtime.making import check_interventions
from equinoise.runtime.model import Model
from equinoise.seeds import overlap
from equinoise.steering.compatibility import check_plan
from equinoise.steering.early_classifier import EarlyClassifier
from equinoise.steering.intervention import Intervention
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import Decision

PlanLike = Plan | PlanResult | str | Path
"""A plan, what the verb `plan` returned, or the file of a plan."""


@dataclass(frozen=True)
class AppliedPlan:
    """A plan on a model, and by concept whether it is for that concept; without a plan all images get one intervention.

    Attributes:
        change: what every image gets where there is no plan; None leaves the images untouched.
    """

    model: Model
    plan: Plan | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    change: Intervention | None = None

    def job(self, name: str, concept: str, seed: int) -> Job:
        """The image of a concept and seed; untouched where the prompt filter turns the concept away."""
        if self.plan is None:
            return Job(name, concept, seed, self.change)
        if not self.decisions[concept].touch:
            return Job(name, concept, seed)
        part = self.plan.part(seed)
        return Job(name, concept, seed, part.intervention, part.accept)

    @property
    def early_classifier(self) -> EarlyClassifier | None:
        """The plan's, at the same fraction of a run of the model's length; None without rejection sampling."""
        if self.plan is None or self.plan.early_classifier is None or not self.plan.uses_rejection_sampling:
            return None
        made, used = self.plan.provenance.get("sampling", {}).get("steps"), self.model.sampling.steps
        found, ours = self.plan.early_classifier, self.model.detector.spec.name
        if found.detector == record_name(ours):  # a plan names a local detector without its path
            found = replace(found, detector=ours)
        return found if made in (None, used) else replace(found, step=step_at(Fraction(found.step, int(made)), used))

    @property
    def kl_nats(self) -> float:
        """Expected KL divergence of the noise from N(0, I), in nats."""
        if self.plan is not None:
            return self.plan.kl_nats
        return self.change.kl_nats if self.change else 0.0

    @property
    def calls(self) -> int:
        """Expected denoiser calls of an image."""
        cost = self.plan.provenance.get("cost", {}) if self.plan and self.early_classifier else {}
        return round(self.model.calls * (1 + float(cost.get("extra_calls_per_image", 0.0))))

    def as_one(self, records: Sequence[Record]) -> list[Record]:
        """Images of a mixture under one name, to be counted together: the shares of a plan are of its whole mixture."""
        if self.plan is None:
            return list(records)
        return [replace(r, intervention=self.plan.name) if self.decisions[r.prompt].touch else r for r in records]

    @property
    def info(self) -> PlanInfo | None:
        """For records and results."""
        if self.plan is None:
            return None
        decided = tuple(
            FilterDecision(concept=concept, touched=decision.touch, reason=decision.reason)
            for concept, decision in self.decisions.items()
        )
        return PlanInfo(name=self.plan.name, digest=self.plan.digest, gate=decided, prompt_filter=decided)

    def attempts(self, records: Sequence[Record]) -> Attempts | None:
        """What the images took: attempts where rejection sampling chose the noise, and denoiser calls."""
        if self.plan is None:
            return None
        each, whole = [len(record.draws or ()) for record in records], self.model.calls
        classifier, resumable = self.early_classifier, self.model.backend.resumable
        calls = sum(denoiser_calls(n, whole, classifier, resumable) for n in each)
        accepted = [record.draws[-1]["kept"] for record in records if record.draws]
        return Attempts(
            images=len(records),
            denoiser_calls=calls,
            extra_calls_per_image=calls / (len(records) * whole) - 1 if records else None,
            selected=len(accepted),
            draws=sum(each),
            early_checks=sum(each),
            kept_without_a_match=accepted.count(False),
        )


def apply_plan(
    plan: PlanLike | None,
    model: Model,
    concepts: Sequence[str],
    seeds: Sequence[int],
    change: Intervention | None = None,
) -> AppliedPlan:
    """A plan for the concepts; warns of concepts that it is not for, of other settings, and of seeds it was chosen on.

    Raises:
        EquinoiseError: no such file, not a plan, or a plan of another model.
    """
    if plan is None:
        return AppliedPlan(model, change=change)
    known = plan if isinstance(plan, Plan) else plan.plan if isinstance(plan, PlanResult) else Plan.load(Path(plan))
    similar = known.match == "similar"
    encoder = TextEncoder.of(require_pipeline(model.backend).pipeline)[0].texts if similar else None
    prompt_filter = known.prompt_filter(encoder)
    decisions = {concept: prompt_filter.decide(concept) for concept in concepts}
    for concept, decision in decisions.items():
        if not decision.touch:
            warn(f"'{concept}' goes through untouched: {decision.reason}")
    shared = overlap(seeds, known.seeds)
    for message in [*([shared] if shared else []), *check_plan(known, model.backend, model.sampling)]:
        warn(message)
    check_interventions(model, known.interventions, seeds)
    return AppliedPlan(model, known, decisions)
