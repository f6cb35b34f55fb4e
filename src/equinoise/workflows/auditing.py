"""`audit MODEL`: generate images of one or more concepts and count, to a fixed number or until the answer is sharp."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from equinoise.engine import Engine, Job, Request
from equinoise.engine.images import Tick, make_images
from equinoise.errors import EquinoiseError
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.seeds import seed_range
from equinoise.statistics import horizon_for, share_intervals, share_sequences
from equinoise.understanding.audit import Intervals
from equinoise.workflows.planned import drawn, open_plan
from equinoise.workflows.question import Question
from equinoise.workflows.settings import Session, require_concepts
from equinoise.workflows.shifting import check

DEFAULT_N = 128
LOOK_EVERY = 32
"""Images between two looks of a sequential audit: two batches, so that two workers have something to do."""


@dataclass(frozen=True)
class Until:
    """When a sequential audit stops: every confidence sequence at most this wide, or no images left."""

    width: float

    def __post_init__(self) -> None:
        if not 0.01 <= self.width < 1:
            raise EquinoiseError(f"--until-width {self.width}: the width of an interval lies between 0.01 and 1")


def audit_model(
    session: Session,
    concepts: Sequence[str],
    question: Question,
    n: int | None,
    seed: int,
    out: Path | None,
    until: Until | None = None,
    dry_run: bool = False,
    plan_file: Path | None = None,
) -> dict[str, Any]:
    """The audit object over n images of each concept (128), on the same seeds; with a plan, of what it makes of them.

    With `until` over at most n: by default as many as are enough whatever the shares turn out to be. It looks every 32
    images; its intervals are confidence sequences, which hold at every look at once.
    """
    n = _enough(question, until) if n is None else n
    seeds, named = seed_range(seed, n), require_concepts(concepts)
    planned = open_plan(plan_file, session, named, seeds) if plan_file else None
    check(session, planned.plan.interventions if planned else [], seeds)
    if dry_run:
        return session.estimate(len(named) * n, planned.calls(session.calls) if planned else session.calls)
    more = {**({"until_width": until.width} if until else {}), **({"plan": planned.about()} if planned else {})}
    about = session.about(command="audit", concepts=named, **question.about(), n=n, seed=seed, **more)
    run = RunFolder(out, about) if out else None
    request, asked = session.request(list(question.axes.values())), {c: session.asked(c) for c in named}
    intervals: Intervals = partial(share_sequences, horizon=n, looks=-(-n // LOOK_EVERY)) if until else share_intervals
    request = planned.request(request) if planned else request

    def job(name: str, concept: str, seed: int) -> Job:
        return planned.job(name, concept, seed) if planned else Job(name, concept, seed)

    def counted(records: Sequence[Record]) -> Sequence[Record]:
        return planned.as_one(records) if planned else records

    jobs = [[job(f"{i}-{s}", concept, s) for s in seeds] for i, concept in enumerate(named)]
    with Engine(session.workers, session.spec.device) as engine, progress("audit", len(named) * n) as tick:
        if until is None:
            records = make_images(engine, request, [job for row in jobs for job in row], run, tick)
            looks = {}
        else:
            narrow = partial(_narrow, question=question, width=until.width, intervals=intervals)
            parts = [_until(engine, request, row, lambda r: narrow(counted(r)), until, run, tick) for row in jobs]
            records = [record for rows, _ in parts for record in rows]
            looks = {"sequential": [{"concept": c, **look} for c, (_, look) in zip(named, parts, strict=True)]}
    result = {
        **question.answer(counted(records), asked, session.reader.confusions, intervals),
        **looks,
        **({"plan": planned.about(), "drawn": drawn(records, session, planned.look)} if planned else {}),
        **session.reader.faceless(records, list(question.axes.values())),
        "detector": session.reader.about(),
        "corrected_by": dict(session.reader.origins),
    }
    if run:
        run.finish([record.id for record in records], {**result, **session.results(named[0])})
    return result


def _enough(question: Question, until: Until | None) -> int:
    if until is None:
        return DEFAULT_N
    return max(horizon_for(until.width, len(axis.classes), LOOK_EVERY) for axis in question.all_axes())


def _until(
    engine: Engine,
    request: Request,
    jobs: Sequence[Job],
    narrow: Callable[[Sequence[Record]], bool],
    until: Until,
    run: RunFolder | None,
    tick: Tick,
) -> tuple[list[Record], dict[str, Any]]:
    """Images of one concept until every interval is narrow enough, or there are no more jobs."""
    records: list[Record] = []
    looks, reached = 0, False
    for part in _parts(jobs):
        records += make_images(engine, request, part, run, tick)
        looks += 1
        reached = narrow(records)
        if reached:
            break
    tick(len(jobs) - len(records))
    return records, {"until_width": until.width, "looks": looks, "n": len(records), "reached": reached}


def _parts(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    for start in range(0, len(jobs), LOOK_EVERY):
        yield jobs[start : start + LOOK_EVERY]


def _narrow(records: Sequence[Record], question: Question, width: float, intervals: Intervals) -> bool:
    """Whether every interval of every axis is narrow enough; not while no image is clear."""
    found = question.count(records)
    widths = [high - low for c in found if c.clear for low, high in intervals(list(c.classes.values()))]
    return all(c.clear for c in found) and max(widths) <= width
