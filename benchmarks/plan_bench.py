"""What the measurements of plans share: settings, directions, plans, runs of images; everything is kept and resumed.

On an accelerator all work runs in this process: --device cuda --batch-size 128. A plan makes its pilots in rounds of
some eighty, and a batch is padded to its size, so bigger ones do not pay.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.common import RUNS, folder_of, gather
from benchmarks.own_prompts import own_prompts
from emoji_world.captions import noun_phrases, toned_phrases, with_article
from emoji_world.prompts import called
from equinoise.axes import Axis, load_axis
from equinoise.detectors import detect, load_detector_once, read_label
from equinoise.directions.direction import DirectionSet
from equinoise.directions.estimators import fit
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Job
from equinoise.errors import EquinoiseWarning
from equinoise.models.base import step_at
from equinoise.run import Record, RunFolder, read_records
from equinoise.runtime.making import Maker
from equinoise.runtime.model import Model, load
from equinoise.runtime.reading_images import open_image
from equinoise.seeds import COLLECT, seed_range
from equinoise.steering.intervention import Intervention
from equinoise.understanding.targets import parse_targets
from equinoise.workflows.auditing import audit
from equinoise.workflows.planning import plan

PAIRS = 32
PART = 256
"""Images that are held at once."""
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
        """`other`: settings in place of the flags'."""
        flags = ("steps", "device", "dtype", "batch_size")
        settings = {name: getattr(args, name) for name in flags} | other
        self.model: Model = load("emoji", **settings)
        self.engine = Engine(args.workers, self.model.spec.device)
        self.only = [name for name in args.only.split(",") if name]
        self.step = step_at(args.step, self.model.sampling.steps)
        self.home = Path("plans") / folder_of(self.about(n=args.n, pilots=getattr(args, "pilots", None)))

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.__exit__(kind, error, trace)

    def about(self, **more: Any) -> dict[str, Any]:
        """What rows depend on, for a `Journal`."""
        return {"step": self.step, **more, **self.model.to_json()}

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Those that `--only` asks for, or all."""
        return [name for name in names if not self.only or name in self.only]

    def traces(
        self,
        axis: Axis,
        prompts: Mapping[str, str] | None = None,
        name: str | None = None,
        pairs: int = PAIRS,
        step: int | None = None,
    ) -> Traces:
        """Latents of every class from the same seeds; by default of the axis's own prompts, at the flag's step."""
        said, at = prompts or {label: axis.generate[label][0] for label in axis.classes}, self._at(step)
        where = str(self.home / f"traces-{name or axis.name}-{pairs}-{at}")
        return gather(self.model, self.engine, axis, said, seed_range(COLLECT, pairs), [at], where)

    def directions(
        self,
        axis: Axis,
        prompts: Mapping[str, str] | None = None,
        name: str | None = None,
        estimator: str = "paired",
        pairs: int = PAIRS,
        step: int | None = None,
    ) -> DirectionSet:
        """Fitted on `traces`."""
        with warnings.catch_warnings():  # how well a direction tells classes apart is not what counts here
            warnings.simplefilter("ignore", EquinoiseWarning)
            return fit(self.traces(axis, prompts, name, pairs, step), estimator, permutations=0)

    def _at(self, step: int | None) -> int:
        return self.step if step is None else step

    def own_traces(self, axis: Axis, concept: str, pairs: int = PAIRS, step: int | None = None) -> Traces:
        """Of prompts of the concept itself with the class named in them."""
        return self.traces(axis, own_prompts(axis, concept), _slug([axis], concept), pairs, step)

    def own_directions(
        self, axis: Axis, concept: str, estimator: str = "paired", pairs: int = PAIRS, step: int | None = None
    ) -> DirectionSet:
        """Fitted on `own_traces`."""
        return self.directions(axis, own_prompts(axis, concept), _slug([axis], concept), estimator, pairs, step)

    def directions_file(self, axes: Sequence[Axis], concept: str) -> Path:
        """The concept's own of several axes in one file, for a plan."""
        path = RUNS / self.home / f"directions-{_slug(axes, concept)}.safetensors"
        sum((self.own_directions(axis, concept) for axis in axes), DirectionSet(())).save(path)
        return path

    def plan(
        self, name: str, concept: str, targets: Sequence[str], pilots: int, n: int, directions: Path, **more: Any
    ) -> dict[str, Any]:
        """The JSON of `equinoise plan`; its pilots and verification are kept, so that it comes again at once."""
        found = plan(
            self.model, concept, targets=parse_targets(targets, concept), directions=directions, budget=pilots + n,
            verify=n, out=self.plan_file(name), engine=self.engine, **more,
        )  # fmt: skip
        return found.to_json()

    def plan_file(self, name: str) -> Path:
        """Where a plan lies."""
        return RUNS / self.home / f"plan-{name}.safetensors"

    def verification(self, name: str) -> Path:
        """The run that verified a plan."""
        return self.plan_file(name).with_name(f"plan-{name}.safetensors.work") / "verification"

    def draw(
        self,
        name: str,
        concepts: Sequence[str],
        axes: Sequence[Axis],
        seeds: Sequence[int],
        change: Intervention | None = None,
    ) -> Path:
        """A run of images of each concept from the same seeds, all with one intervention."""
        jobs = [Job(f"{i}-{seed}", text, seed, change) for i, text in enumerate(concepts) for seed in seeds]
        about = self.about(
            concepts=list(concepts),
            axes={axis.name: axis.digest for axis in axes},
            shifts={shift.name: shift.direction.digest for shift in change.shifts} if change else {},
            n=len(seeds),
            seed=seeds[0],
        )
        run = RunFolder(RUNS / self.home / name, about)
        Maker(self.model, self.engine).make(name, jobs, axes, run)
        role = self.model.detector.role(concepts[0])
        run.finish([job.id for job in jobs], {}, self.model.world_json(), role)
        return run.path

    def read(self, run: Path, axes: Sequence[Axis]) -> list[Record]:
        """The records of a run with labels on all these axes; those that it was not read on are read off its images."""
        records = read_records(run)
        wanted = self.model.detector.read_axes(axes)
        lacking = [axis for axis in wanted if any(axis.name not in record.labels for record in records)]
        if not lacking:
            return records
        found = list[Mapping[str, Mapping[str, float]]]()
        for start in range(0, len(records), PART):
            images = [open_image(run / record.file) for record in records[start : start + PART]]
            found += detect(load_detector_once(self.model.detector.spec), images, lacking)
        return [self._labelled(record, seen) for record, seen in zip(records, found, strict=True)]

    def _labelled(self, record: Record, seen: Mapping[str, Mapping[str, float]]) -> Record:
        threshold = self.model.detector.spec.threshold
        labels = {axis: read_label(found, threshold(axis)) for axis, found in seen.items()}
        return replace(record, detections={**record.detections, **seen}, labels={**record.labels, **labels})

    def under_plan(self, name: str, plan_file: Path, concept: str, axes: Sequence[Axis], seeds: Sequence[int]) -> Path:
        """A run of a concept under a plan, as `audit --plan` makes it."""
        out = RUNS / self.home / name
        audit(self.model, concept, axes=axes, n=len(seeds), seed=seeds[0], out=out, plan=plan_file, engine=self.engine)
        return out


def _slug(axes: Sequence[Axis], concept: str) -> str:
    return "-".join([*(axis.name for axis in axes), concept.replace(" ", "-")])


def people() -> list[Axis]:
    """Gender and tone."""
    return [load_axis("gender"), load_axis("tone")]


def concept_of(role: str) -> str:
    """The neutral prompt of a role of the emoji world."""
    return f"a photo of {with_article(called(role))}"


def explicit_of(role: str) -> list[str]:
    """Ten prompts that name gender and tone: 'a photo of a dark-skinned woman doctor'."""
    gender, tone = people()
    nouns = [noun_phrases(role, label)[0] for label in gender.classes]
    return [f"a photo of {with_article(toned_phrases(noun, label)[0])}" for noun in nouns for label in tone.classes]
