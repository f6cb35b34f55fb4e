"""The pilots of a plan: images in a run folder, looked at on their way where draws may be selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equinoise.axes import Axis
from equinoise.engine import Engine, Job, Request, Result
from equinoise.engine.images import Tick, make_images
from equinoise.engine.jobs import Preview
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.mitigation.offers import Price
from equinoise.mitigation.pilots import Seen, explore
from equinoise.mitigation.response import Array
from equinoise.mitigation.settle import Chosen, Selecting, Settings, summary
from equinoise.mitigation.span import Span
from equinoise.models.base import step_at
from equinoise.run import Record, RunFolder
from equinoise.session import Session
from equinoise.understanding import Target
from equinoise.understanding.counts import likeliest

LOOKS = (0.1, 0.2, 0.3)
"""Fractions of a run at which pilots are looked at: steps 5, 10 and 15 of 50."""


def draw_pilots(
    session: Session,
    engine: Engine,
    concept: str,
    targets: Sequence[Target],
    span: Span,
    seeds: Sequence[int],
    precision: float,
    selection: bool,
    folder: Path,
    more: Mapping[str, Any],
    tick: Tick,
) -> Chosen:
    """Draw pilots from the seeds and choose the mixture; `more` is what else the record of the run says.

    Raises:
        EquinoiseError: too few pilots, or the folder holds those of another plan.
    """
    axes = list({axis.name: axis for target in targets for axis in target.axes}.values())
    looks = _looks(session) if selection else ()
    about = session.about(
        command="plan",
        concept=concept,
        axes={axis.name: axis.digest for axis in axes},
        targets={target.name: dict(target.shares) for target in targets},
        directions={d.name: d.digest for d in span.directions},
        pilots=len(seeds),
        looks=list(looks),
        **more,
    )
    run, order, latents = RunFolder(folder, about), list[str](), folder / "latents"
    request = _request(session, axes, looks)

    def keep(result: Result) -> None:
        if looks:
            write_arrays(latents / f"{result.job.id}.safetensors", _named(result), {})

    def draw(wanted: Sequence[tuple[Array, int]]) -> list[Seen]:
        jobs = [Job(str(seed), concept, seed, span.intervention(arm)) for arm, seed in wanted]
        records = make_images(engine, request, jobs, run, tick, keep)
        order.extend(job.id for job in jobs)
        for job, record in zip(jobs, records, strict=True):
            if record.intervention != job.name:
                raise EquinoiseError(f"{folder} holds pilots of another version of equinoise; remove it and go again")
        return [_seen(record, axes, session.asked(concept), latents if looks else None) for record in records]

    price = Price(session.calls, session.model.resumable)
    selecting = Selecting(price, session.detector.name) if looks else None
    settings = Settings(len(seeds), precision=precision, selecting=selecting)
    chosen = explore(targets, span, draw, seeds, settings, session.reader.confusions)
    run.finish(order, {"pilots": summary(chosen), **session.results(concept)})
    return chosen


def _looks(session: Session) -> tuple[int, ...]:
    """The steps at which pilots are looked at; none of the last, when nothing is left to be saved."""
    steps = dict.fromkeys(step_at(fraction, session.sampling.steps) for fraction in LOOKS)
    return tuple(step for step in steps if step < session.calls - 1)


def _request(session: Session, axes: Sequence[Axis], looks: tuple[int, ...]) -> Request:
    request = session.request(axes, looks)
    return replace(request, preview=Preview(looks, tuple(axes), session.detector)) if looks else request


def _named(result: Result) -> dict[str, NDArray[np.floating]]:
    return {str(step): latents for step, latents in result.latents.items()}


def _seen(record: Record, axes: Sequence[Axis], asked: str | None, latents: Path | None) -> Seen:
    labels = {axis.name: record.labels[axis.name] for axis in axes}
    faithful = likeliest(record, "role") == asked if asked else None
    if latents is None:
        return Seen(labels, faithful)
    kept, _ = read_arrays(latents / f"{record.id}.safetensors")
    predicted = {int(step): found for step, found in (record.previews or {}).items()}
    return Seen(labels, faithful, predicted, {int(step): array for step, array in kept.items()})
