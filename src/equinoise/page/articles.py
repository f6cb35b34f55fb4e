"""What one article of the page is about: groups of images of the same kind, and what was found out about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from equinoise.results.audits import Audit, Pooled
from equinoise.results.comparisons.methods import MethodsResult
from equinoise.results.comparisons.runs import ChangesResult
from equinoise.results.directions import DirectionRow, SkippedStep
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.plans import PlanResult
from equinoise.results.relations import RelationsResult
from equinoise.results.sweeps import SweepResult
from equinoise.results.worlds import PlantedWorld, Shares
from equinoise.run import ROLE, Record, RunContent


@dataclass(frozen=True)
class ImageGroup:
    """Images that were made alike, such as untouched ones or those of a plan.

    Attributes:
        name: as charts and tables call them.
        run: where their pictures are; its records are theirs alone.
    """

    name: str
    audits: tuple[Audit, ...]
    pooled: tuple[Pooled, ...]
    run: RunContent

    def audit(self, concept: str, axis: str) -> Audit | None:
        """The audit of a concept on an axis, where there is one."""
        return next((found for found in self.audits if (found.concept, found.axis) == (concept, axis)), None)

    @cached_property
    def by_concept(self) -> Mapping[str, list[Record]]:
        """The records of each prompt."""
        found: dict[str, list[Record]] = {}
        for record in self.run.records:
            found.setdefault(record.prompt, []).append(record)
        return found


@dataclass(frozen=True)
class Article:
    """What the page shows of one run, or of several over the same seeds; what is None or empty has no section.

    Attributes:
        run: what was asked, and what was planted in the world of a test fixture.
        groups: the untouched images first, those to be judged last.
        changes: group → its paired changes against the first group.
        plan: the mixture, its expected and its verified shares.
        methods: methods that were compared.
        applied: group → what was done to the noise of its images.
        others: further runs whose provenance is shown, one for each group after the first.
    """

    run: RunContent
    groups: tuple[ImageGroup, ...] = ()
    changes: Mapping[str, ChangesResult] | None = None
    plan: PlanResult | None = None
    sweeps: tuple[SweepResult, ...] = ()
    directions: tuple[DirectionRow, ...] = ()
    skipped: tuple[SkippedStep, ...] = ()
    relations: RelationsResult | None = None
    objects: ObjectsResult | None = None
    disagreements: DisagreementsResult | None = None
    methods: MethodsResult | None = None
    warnings: tuple[str, ...] = ()
    applied: Mapping[str, str] = field(default_factory=dict)
    others: tuple[RunContent, ...] = ()

    @property
    def concepts(self) -> list[str]:
        """The prompts that the run is about."""
        return self.run.concepts or list(dict.fromkeys(audit.concept for audit in self.audits))

    @property
    def title(self) -> str:
        """The first concepts; without one the axes of directions, or the name of the run."""
        named = " · ".join(self.concepts[:3]) + (" …" if self.concepts[3:] else "")
        axes = ", ".join(dict.fromkeys(row.axis for row in self.directions))
        return named or (f"Directions of {axes}" if axes else self.run.name)

    @property
    def place(self) -> str:
        """The folder, or the command of a run in memory; empty where there is no run."""
        return self.run.name if self.run.folder else self.run.file.command

    @property
    def audits(self) -> list[Audit]:
        """The first audit of each concept and axis: that of the untouched images, where there are some."""
        found: dict[tuple[str, str], Audit] = {}
        for audit in (audit for group in self.groups for audit in group.audits):
            found.setdefault((audit.concept, audit.axis), audit)
        return list(found.values())

    @property
    def axes(self) -> list[str]:
        """The audited axes; without an audit whatever was read off the images but the role."""
        named = list(dict.fromkeys([*(a.axis for a in self.audits), *(sweep.axis for sweep in self.sweeps)]))
        read = (axis for record in self.run.records for axis in record.labels if axis != ROLE)
        return named or list(dict.fromkeys(read))

    @cached_property
    def world(self) -> PlantedWorld | None:
        """What was planted, where the model is a test fixture."""
        found = self.run.file.world
        return PlantedWorld.from_json(found, f"{self.run.name}/run.json: world") if found else None

    def planted(self, concept: str) -> Mapping[str, Shares]:
        """Axis → class → the share planted for a concept, of a test fixture; else empty."""
        if self.world is None:
            return {}
        if known := self.world.scenes.get(concept):
            return known
        alone = len(self.concepts) == 1  # the role is that of the first concept
        return self.world.planted.get(self.run.file.role or "", {}) if alone else {}

    def planted_objects(self, concept: str) -> Mapping[str, float] | None:
        """Object → the share of images of a concept that it was planted in, of a test fixture; None where unknown."""
        return self.world.objects.get(concept) if self.world else None
