"""Rejection sampling: other seeds until the drawn class appears, in the finished image or after a part of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count

from equinoise.engine import Attempt, Job
from equinoise.engine.rejection import denoiser_calls
from equinoise.methods.base import Brief, Method, Prepared, Setup
from equinoise.models.base import step_at
from equinoise.run import Record
from equinoise.seeds import BANK
from equinoise.steering.early_classifier import EarlyClassifier

MOST = 64
"""Attempts at one image; the last is taken whatever it shows."""
AT_ONCE = 128
"""Images by which the bank grows."""


def prepare_rejection(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """Whole images are made until one shows the drawn class: the bound of what choosing noise can do.

    The first attempt is the image's own seed, the further ones come from a bank of untouched seeds, each used once.

    Set-up: none; the bank is part of what the images cost.
    """
    whole = brief.model.calls
    return Prepared(lambda seeds: _accepted(brief, seeds), calls=lambda record: whole * len(record.draws or (1,)))


REJECTION = Method(
    name="rejection",
    title="rejection of whole images",
    source="rejection sampling",
    changes="noise",
    published=None,
    strengths=(),
    prepare=prepare_rejection,
)


def _accepted(brief: Brief, seeds: Sequence[int]) -> list[Job]:
    """The images, each with its attempts; the last of these is what it is made from."""
    bank, jobs = _bank(brief), []
    for record in brief.untouched(seeds):
        wanted = brief.wanted(record.seed)
        attempts = [_attempt(brief, record, wanted)]
        while not attempts[-1].accepted and len(attempts) < MOST:
            attempts.append(_attempt(brief, next(bank), wanted))
        jobs.append(brief.job(record.seed, attempts=tuple(attempts)))
    return jobs


def _bank(brief: Brief) -> Iterator[Record]:
    """Untouched images of seeds that nothing else uses."""
    for start in count(BANK, AT_ONCE):
        yield from brief.untouched(range(start, start + AT_ONCE))


def _attempt(brief: Brief, record: Record, wanted: str) -> Attempt:
    shown = record.labels[brief.axis.name]
    return Attempt(record.seed, {brief.axis.name: shown}, shown == wanted)


def prepare_early_rejection(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """Runs are stopped after a part of the way unless the predicted image shows the drawn class, and begun anew.

    The strength is that part. The detector reads the model's own prediction of the final image.

    Set-up: none.
    """
    whole, axis = brief.model.calls, brief.axis
    step = step_at(Fraction(str(strength)), whole)
    check = EarlyClassifier(step, (axis,), {}, brief.model.detector.spec.name, most_attempts=MOST)
    resumable = brief.model.backend.resumable

    def job(seed: int) -> Job:
        return brief.job(seed, accept={axis.name: (brief.wanted(seed),)})

    def calls(record: Record) -> float:
        return denoiser_calls(len(record.draws or ()), whole, check, resumable)

    return Prepared(lambda seeds: [job(seed) for seed in seeds], early_classifier=check, calls=calls)


EARLY_REJECTION = Method(
    name="early-rejection",
    title="rejection by an early look",
    source="equinoise",
    changes="noise",
    published=0.3,
    strengths=(0.2, 0.3, 0.5),
    prepare=prepare_early_rejection,
)
