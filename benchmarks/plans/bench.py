"""What the measurements of plans share: settings, directions, plans, runs of images; everything is kept and resumed.

On an accelerator all work runs in this process: --device cuda --batch-size 128. A plan makes its pilots in rounds of
about eighty images, and every batch is padded to its full size, so larger batches do not pay.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from benchmarks.common import RUNS, fit_quickly, folder_of, people
from emoji_world.captions import noun_phrases, toned_phrases, with_article
from emoji_world.prompts import called
from equinoise import (
    AuditResult,
    Axis,
    DirectionSet,
    Engine,
    Model,
    Plan,
    PlanResult,
    Traces,
    audit,
    collect,
    load,
    plan,
)
from equinoise.models.base import step_at
from equinoise.understanding.targets import Wanted

PAIRS = 32
EXPLICIT = 500_000
"""Seeds of images whose prompts name the classes: none of the ranges in `equinoise.seeds` reaches so far."""


def parser(doc: str | None, n: int) -> argparse.ArgumentParser:
    """The flags that all measurements of plans have."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("-n", type=int, default=n, help="fresh images a row")
    found.add_argument("--steps", type=int, default=25, help="denoising steps an image")
    found.add_argument("--step", default="0", help="of the directions: the first call, or a fraction of the steps")
    found.add_argument("--device", default="cpu")
    found.add_argument("--dtype", help="bfloat16 is twice as fast where the device has it")
    found.add_argument("--batch-size", type=int, default=16)
    found.add_argument("--workers", type=int)
    found.add_argument("--only", default="", help="names of rows, comma-separated")
    return found


class Bench:
    """The emoji model under some settings; its images are kept in a folder of these settings' own.

    A context manager: its engine lives as long as the block.
    """

    def __init__(self, args: argparse.Namespace, **other: Any) -> None:
        """`other`: settings of `load` that take precedence over the flags."""
        flags = ("steps", "device", "dtype", "batch_size")
        settings = {name: getattr(args, name) for name in flags} | other
        self.model: Model = load("emoji", **settings)
        self.engine = Engine(args.workers, self.model.spec.device)
        self.only = [name for name in args.only.split(",") if name]
        self.step = step_at(args.step, self.model.sampling.steps)
        self.home = RUNS / "plans" / folder_of(self.to_json(n=args.n, pilots=getattr(args, "pilots", None)))

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.__exit__(kind, error, trace)

    def to_json(self, **more: Any) -> dict[str, Any]:
        """The settings that rows depend on, for a `Journal` and for the record."""
        return {"step": self.step, **more, **self.model.to_json()}

    def wanted(self, names: Sequence[str]) -> list[str]:
        """The names that `--only` gives, or all."""
        return [name for name in names if not self.only or name in self.only]

    def traces(self, axis: Axis, concept: str | None = None, step: int | None = None) -> Traces:
        """Latents of every class from the same seeds: of prompts made from a concept, or else of the axis's own."""
        at = self.step if step is None else step
        name = "-".join(["traces", axis.name, *(concept or "").split(), str(PAIRS), str(at)])
        out = self.home / name
        return collect(self.model, axis, concept=concept, n=PAIRS, capture=[at], out=out, engine=self.engine)

    def directions(
        self, axis: Axis, concept: str | None = None, estimator: str = "paired", step: int | None = None
    ) -> DirectionSet:
        """Fitted on `traces`."""
        return fit_quickly(self.traces(axis, concept, step), estimator)

    def plan(
        self, name: str, concept: str, axes: Sequence[Axis], targets: Mapping[str, Wanted], pilots: int, n: int
    ) -> PlanResult:
        """A plan along the concept's own directions of the axes, verified on n fresh seeds; it is kept and resumed."""
        known = sum((self.directions(axis, concept) for axis in axes), DirectionSet(()))
        return plan(
            self.model, concept, targets=targets, directions=known, budget=pilots + n, verify=n,
            out=self.home / f"plan-{name}.safetensors", engine=self.engine,
        )  # fmt: skip

    def audit(
        self,
        name: str,
        concepts: str | Sequence[str],
        axes: Sequence[Axis],
        n: int,
        seed: int,
        plan: Plan | None = None,
    ) -> AuditResult:
        """n images of each concept, untouched or under a plan; they are kept and resumed."""
        out = self.home / name
        return audit(self.model, concepts, axes=axes, n=n, seed=seed, plan=plan, out=out, engine=self.engine)

    def extra_calls(self, made: PlanResult) -> float:
        """Denoiser calls that an image of the verification took beyond those of a whole run, as a share of these."""
        taken = made.cost.verification
        return taken.denoiser_calls / (taken.images * self.model.calls) - 1


def concept_of(role: str) -> str:
    """The neutral prompt of a role of the emoji world."""
    return f"a photo of {with_article(called(role))}"


def explicit_of(role: str) -> list[str]:
    """Ten prompts that name gender and tone: 'a photo of a dark-skinned woman doctor'."""
    gender, tone = people()
    nouns = [noun_phrases(role, label)[0] for label in gender.classes]
    return [f"a photo of {with_article(toned_phrases(noun, label)[0])}" for noun in nouns for label in tone.classes]
