"""Selection: stop runs whose image is not wanted, by an early look, and draw other noise.

The draws for an image are a function of its seed alone: draw 0 is the seed's own noise, draw k the noise of
`redraw(seed, k)`. The first that is kept is taken, or the last of `look.most`. So neither batches nor machines matter,
and an image whose first draw is kept is the one that its seed gives without selection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import numpy as np

from equinoise.engine.jobs import Draw, EarlyCheck, Halted, Job, Keep, Request, Result
from equinoise.engine.local import Engine


def redraw(seed: int, attempt: int) -> int:
    """The seed of the noise of draw `attempt` for an image: its own for 0, else 63 bits of NumPy's hash of both.

    `numpy.random.SeedSequence([seed, attempt])`, whose output NumPy promises never to change.

    >>> redraw(7, 0), redraw(7, 1) == redraw(7, 1), redraw(7, 1) == redraw(8, 1)
    (7, True, False)
    """
    return int(np.random.SeedSequence([seed, attempt]).generate_state(1, np.uint64)[0] >> 1) if attempt else seed


def kept(keep: Keep, seen: Mapping[str, str]) -> bool:
    """Whether a draw that looks like this is one of those to keep."""
    return all(seen.get(axis) in classes for axis, classes in keep.items())


def denoiser_calls(draws: int, total: int, look: EarlyCheck | None, resumable: bool) -> int:
    """Calls for one image of `draws` draws, `total` being those of a whole run: none of a draw 0 taken unseen."""
    if look is None or not draws:
        return total
    return total + (draws - resumable) * (look.step + 1)


def select(engine: Engine, request: Request, jobs: Sequence[Job]) -> list[Job]:
    """The jobs with their draws, and what they go on from. `request.look` must be there."""
    look = request.look
    assert look is not None
    early = beginning(replace(request, capture=(look.step,), preview=look.preview(request.model.device), look=None))
    waiting = [_Waiting(job, look.most) for job in jobs]
    while open_ := [one for one in waiting if one.ready is None]:
        asked = _ask(open_, request.batch_size)
        for result in engine.run(early, [job for _, _, job in asked.values()]):
            one, attempt, _ = asked[result.job.id]
            one.looked[attempt] = _Looked(look.tell(result), result)
        for one in open_:
            one.settle(look.step)
    return [one.ready for one in waiting if one.ready is not None]


def beginning(request: Request) -> Request:
    """The same up to the last step that it captures or previews: no images, and latents that can be gone on from."""
    return replace(request, decode=False, detector=None, exact=True)


def halted(result: Result, step: int) -> Halted:
    """What a run that was begun goes on from."""
    return Halted(step, result.latents[step].astype(np.float32))


@dataclass(frozen=True)
class _Looked:
    """What was seen of a draw."""

    seen: Mapping[str, str]
    result: Result


@dataclass
class _Waiting:
    """A job, what was seen of its draws by number, and the job that is ready once one of them is taken."""

    job: Job
    most: int
    looked: dict[int, _Looked] = field(default_factory=dict)
    ready: Job | None = None

    def settle(self, step: int) -> None:
        """Take the first draw to be kept among those looked at without a gap, or the last one allowed."""
        draws: list[Draw] = []
        while (found := self.looked.get(len(draws))) is not None:
            draws.append(Draw(redraw(self.job.seed, len(draws)), found.seen, kept(self.job.keep, found.seen)))
            if draws[-1].kept or len(draws) == self.most:
                self.ready = replace(self.job, draws=tuple(draws), held=halted(found.result, step))
                return


def _ask(waiting: Sequence[_Waiting], size: int) -> dict[str, tuple[_Waiting, int, Job]]:
    """The next draw of each, and further ones in turn for the places that the last batch would leave empty."""
    turns = ([(one, len(one.looked) + turn) for one in waiting] for turn in range(max(w.most for w in waiting)))
    places = -(-len(waiting) // size) * size
    fitting = ((one, attempt) for one, attempt in chain.from_iterable(turns) if attempt < one.most)
    return {
        f"{one.job.id}#{attempt}": (one, attempt, _early(one.job, attempt))
        for one, attempt in islice(fitting, max(places, len(waiting)))
    }


def _early(job: Job, attempt: int) -> Job:
    return replace(job, id=f"{job.id}#{attempt}", seed=redraw(job.seed, attempt), keep={})
