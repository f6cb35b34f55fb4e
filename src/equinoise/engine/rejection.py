"""Rejection sampling of the initial noise: runs whose image is not wanted are stopped early and started anew.

An early classifier predicts the classes of the final image after a few steps. The attempts at an image are a function
of its seed alone: attempt 0 starts from the seed's own noise, attempt k from the noise of `attempt_seed(seed, k)`. The
first accepted attempt becomes the image, or else the last of `most_attempts`. So neither the batches nor the machines
matter, and an image whose first attempt is accepted is the one that its seed gives without rejection sampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import numpy as np

from equinoise.engine.jobs import Accepted, Attempt, EarlyCheck, Job, JobResult, Request
from equinoise.engine.local import Engine
from equinoise.errors import EquinoiseError


def attempt_seed(seed: int, attempt: int) -> int:
    """The seed of the noise of an attempt at an image: its own for attempt 0, else 63 bits of NumPy's hash of both.

    `numpy.random.SeedSequence([seed, attempt])`, whose output NumPy promises never to change.

    >>> attempt_seed(7, 0), attempt_seed(7, 1) == attempt_seed(7, 1), attempt_seed(7, 1) == attempt_seed(8, 1)
    (7, True, False)
    """
    return int(np.random.SeedSequence([seed, attempt]).generate_state(1, np.uint64)[0] >> 1) if attempt else seed


def accepted(accept: Accepted, seen: Mapping[str, str]) -> bool:
    """Whether the predicted classes of an attempt are all among the accepted ones."""
    return all(seen.get(axis) in classes for axis, classes in accept.items())


def denoiser_calls(attempts: int, total: int, early_classifier: EarlyCheck | None, resumable: bool) -> int:
    """Denoiser calls of one image.

    Args:
        attempts: how many were made; 0 where the image was made without an early check.
        total: calls of a whole run.
        early_classifier: what checked the attempts.
        resumable: whether the accepted attempt was continued from its latents instead of started again.
    """
    if early_classifier is None or not attempts:
        return total
    return total + (attempts - resumable) * (early_classifier.step + 1)


def sample_by_rejection(engine: Engine, request: Request, jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the attempts that were made at them, and the latents from which each is to be continued.

    Raises:
        EquinoiseError: the request has no early classifier.
    """
    check = request.early_classifier
    if check is None:
        raise EquinoiseError("some images are to be accepted by their predicted classes; give an early classifier")
    preview = check.preview(request.model.device)
    early = replace(request, capture=(check.step,), preview=preview, early_classifier=None).first_part()
    pending = [_Pending(job, check.most_attempts) for job in jobs]
    while unfinished := [one for one in pending if one.finished is None]:
        asked = _next_attempts(unfinished, request.batch_size)
        for result in engine.run(early, [job for _, _, job in asked.values()]):
            one, attempt, _ = asked[result.job.id]
            one.checked[attempt] = _Checked(check.predict(result), result)
        for one in unfinished:
            one.finish(check.step)
    return [one.finished for one in pending if one.finished is not None]


@dataclass(frozen=True)
class _Checked:
    """An attempt after its early check: the predicted classes, and the run as far as it went."""

    seen: Mapping[str, str]
    result: JobResult


@dataclass
class _Pending:
    """A job, its checked attempts by number, and the finished job once one of the attempts is taken."""

    job: Job
    most: int
    checked: dict[int, _Checked] = field(default_factory=dict)
    finished: Job | None = None

    def finish(self, step: int) -> None:
        """Take the first accepted attempt among those checked without a gap, or the last one allowed."""
        attempts: list[Attempt] = []
        while (found := self.checked.get(len(attempts))) is not None:
            seed = attempt_seed(self.job.seed, len(attempts))
            attempts.append(Attempt(seed, found.seen, accepted(self.job.accept, found.seen)))
            if attempts[-1].accepted or len(attempts) == self.most:
                self.finished = replace(self.job, attempts=tuple(attempts), held=found.result.held(step))
                return


def _next_attempts(pending: Sequence[_Pending], size: int) -> dict[str, tuple[_Pending, int, Job]]:
    """The next attempt at each job, and further ones in turn for the places that the last batch would leave empty."""
    turns = ([(one, len(one.checked) + turn) for one in pending] for turn in range(max(p.most for p in pending)))
    places = -(-len(pending) // size) * size
    allowed = ((one, attempt) for one, attempt in chain.from_iterable(turns) if attempt < one.most)
    asked = {}
    for one, attempt in islice(allowed, max(places, len(pending))):
        id = f"{one.job.id}#{attempt}"
        asked[id] = one, attempt, replace(one.job, id=id, seed=attempt_seed(one.job.seed, attempt), accept={})
    return asked
