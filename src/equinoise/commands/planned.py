"""`--plan FILE`: a plan read for the concepts of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equinoise.console import warn
from equinoise.encoders import TextEncoder
from equinoise.mitigation import Intervention, Plan
from equinoise.mitigation.gate import Decision
from equinoise.models.pipeline import require_pipeline
from equinoise.run import Record
from equinoise.seeds import overlap
from equinoise.session import Session


@dataclass(frozen=True)
class Planned:
    """A plan, and by concept whether it is for it."""

    plan: Plan
    decisions: Mapping[str, Decision]

    def change(self, concept: str, seed: int) -> Intervention | None:
        """What the image of a concept and seed gets; None where the gate turns the concept away."""
        return self.plan.intervention(seed) if self.decisions[concept].touch else None

    def as_one(self, records: Sequence[Record]) -> list[Record]:
        """The images of a concept under one name, to be counted together: the shares of a plan are of its mixture."""
        return [replace(r, intervention=self.plan.name) if self.decisions[r.prompt].touch else r for r in records]

    def about(self) -> dict[str, Any]:
        """For the record of a run."""
        gate = [{"concept": c, "touched": d.touch, "reason": d.reason} for c, d in self.decisions.items()]
        return {"name": self.plan.name, "digest": self.plan.digest, "gate": gate}


def open_plan(file: Path, session: Session, concepts: Sequence[str], seeds: Sequence[int]) -> Planned:
    """Read a plan; warn of concepts that it is not for, and of seeds that it was chosen on.

    Raises:
        EquinoiseError: no such file, or not a plan.
    """
    plan = Plan.load(file)
    similar = plan.match == "similar"
    gate = plan.gate(TextEncoder.of(require_pipeline(session.model).pipeline)[0].texts if similar else None)
    decisions = {concept: gate.decide(concept) for concept in concepts}
    for concept, decision in decisions.items():
        if not decision.touch:
            warn(f"'{concept}' goes through untouched: {decision.reason}")
    if shared := overlap(seeds, plan.seeds):
        warn(shared)
    return Planned(plan, decisions)
