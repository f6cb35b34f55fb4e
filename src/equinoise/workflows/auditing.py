"""`audit`: images of one or more concepts, made and counted, to a fixed number or until every interval is narrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from equinoise.engine import Engine, Job
from equinoise.errors import EquinoiseError
from equinoise.results.audits import AuditResult, Sequential
from equinoise.run import MemoryRun, Record, RunFolder, start_run
from equinoise.runtime.applying import AppliedPlan, PlanLike, apply_plan
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import Maker, making, warn_of_no_pictures
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.runtime.question import Axes, Question
from equinoise.seeds import AUDIT, seed_range
from equinoise.statistics import horizon_for, share_intervals, share_sequences
from equinoise.understanding.audit import Intervals, Measures
from equinoise.understanding.targets import Wanted

DEFAULT_N = 128
LOOK_EVERY = 32
"""Images between two looks of a sequential audit: two batches, so that two workers have something to do."""


def audit(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concepts: str | Sequence[str],
    *,
    axes: Axes,
    n: int | None = None,
    targets: Mapping[str, Wanted] | None = None,
    plan: PlanLike | None = None,
    crosses: Sequence[Sequence[str]] = (),
    reference: str | Path | None = None,
    until_width: float | None = None,
    detector: str | DetectorSettings | None = None,
    out: str | Path | None = None,
    seed: int = AUDIT,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> AuditResult:
    """Shares of each class over n generated images of each concept, on the same seeds, with intervals.

    Args:
        model: as `load` gives it.
        concepts: neutral prompts, such as "a photo of a doctor".
        axes: what may be skewed: names of the catalogue, .toml files, or `Axis` values.
        n: images a concept, 128; with `until_width` at most so many, by default enough whatever the shares are.
        targets: axis → "uniform" (the default) or class → share.
        plan: what is done to each image: a plan, what the verb `plan` gave, or a file.
        crosses: groups of axes whose intersection is audited as well, such as [("gender", "tone")].
        reference: CSV of `concept`, `axis`, `class` and `share` or `count`, to measure amplification by.
        until_width: stop as soon as every interval is this narrow. The audit then looks every 32 images; its intervals
            are confidence sequences, which hold at every look at once.
        detector: what reads the images, where that is not the model's own.
        out: a run folder; an audit that was cut off goes on there. Without one the run is kept in memory: all labels,
            the first 64 images.
        seed: the first seed.
        engine: where the images are made; default this machine.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: an argument makes no sense, a plan is of another model, or the folder holds something else.
    """
    named, question = require_concepts(concepts), Question.asking(axes, crosses, targets, reference)
    model = model.reading_with(detector, question.axes)
    until = None if until_width is None else _Until(until_width)
    n = _enough(question, until) if n is None else n
    seeds = seed_range(seed, n)
    applied = apply_plan(plan, model, named, seeds)
    more = {
        **({"until_width": until_width} if until else {}),
        **({"plan": applied.info.to_json()} if applied.info else {}),
    }
    about = {"command": "audit", "concepts": named, **question.to_json(), "n": n, "seed": seed, **more}
    run = start_run(Path(out) if out else None, {**about, **model.to_json()})
    jobs = [[applied.job(f"{i}-{s}", concept, s) for s in seeds] for i, concept in enumerate(named)]
    with making(model, engine, progress, applied.early_classifier) as maker:
        if until is None:
            records = maker.make("audit", [job for row in jobs for job in row], question.axes, run)
            return _audited(model, question, applied, records, run)
        intervals: Intervals = partial(share_sequences, horizon=n, looks=-(-n // LOOK_EVERY))
        parts = [until.make(maker, question, applied, row, run, intervals) for row in jobs]
    records = [record for rows, _ in parts for record in rows]
    sequential = tuple(look for _, look in parts)
    return _audited(model, question, applied, records, run, intervals, sequential)


def audit_cost(
    model: Model,
    concepts: Sequence[str],
    question: Question,
    n: int | None,
    until_width: float | None,
    plan: PlanLike | None,
    workers: int | None = None,
) -> Estimate:
    """What an audit would take at most."""
    until = None if until_width is None else _Until(until_width)
    n = _enough(question, until) if n is None else n
    named, seeds = require_concepts(concepts), seed_range(AUDIT, n)
    applied = apply_plan(plan, model, named, seeds)
    return model.estimate(len(named) * n, applied.calls, workers)


def _audited(
    model: Model,
    question: Question,
    applied: AppliedPlan,
    records: Sequence[Record],
    run: RunFolder | MemoryRun,
    intervals: Intervals = share_intervals,
    sequential: tuple[Sequential, ...] | None = None,
) -> AuditResult:
    """The result, written into the run."""
    detector, concepts = model.detector, dict.fromkeys(record.prompt for record in records)
    measures = Measures(question.targets, detector.confusions(question.axes), question.references, intervals)
    counts = question.count(applied.as_one(records), {concept: detector.role(concept) for concept in concepts})
    result = measures.audit(counts).model_copy(
        update={
            "sequential": sequential,
            "plan": applied.info,
            "drawn": applied.attempts(records),
            "faces": detector.faces(records, question.axes),
            "detector": detector.info,
            "corrected_by": detector.corrected_by(question.axes),
        }
    )
    warn_of_no_pictures(records)
    role = detector.role(next(iter(concepts)))
    order = [record.id for record in records]
    return result.with_run(run.finish(order, result.to_json(), model.world_json(), role))


@dataclass(frozen=True)
class _Until:
    """When a sequential audit stops: every confidence sequence at most this wide, or no images left."""

    width: float

    def __post_init__(self) -> None:
        if not 0.01 <= self.width < 1:
            raise EquinoiseError(f"--until-width {self.width}: the width of an interval lies between 0.01 and 1")

    def make(
        self,
        maker: Maker,
        question: Question,
        applied: AppliedPlan,
        jobs: Sequence[Job],
        run: RunFolder | MemoryRun,
        intervals: Intervals,
    ) -> tuple[list[Record], Sequential]:
        """Images of one concept until every interval is narrow enough, or there are no more jobs."""
        records: list[Record] = []
        looks, reached = 0, False
        for start in range(0, len(jobs), LOOK_EVERY):
            records += maker.make("audit", jobs[start : start + LOOK_EVERY], question.axes, run)
            looks += 1
            counts = question.count(applied.as_one(records))
            ends = [end for c in counts if c.clear for end in intervals(list(c.classes.values()))]
            reached = all(c.clear for c in counts) and max(high - low for low, high in ends) <= self.width
            if reached:
                break
        concept = jobs[0].prompt
        ended = Sequential(concept=concept, until_width=self.width, looks=looks, n=len(records), reached=reached)
        return records, ended


def _enough(question: Question, until: _Until | None) -> int:
    if until is None:
        return DEFAULT_N
    return max(horizon_for(until.width, len(axis.classes), LOOK_EVERY) for axis in question.all_axes)
