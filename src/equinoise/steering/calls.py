"""One call of a pipeline that something is attached to: which of its images are shifted, and what the log says.

The pipeline draws the noise itself, in its `prepare_latents`; `SteeredCall.shift` changes what that returned.
"""

from __future__ import annotations

import inspect
import itertools
import logging
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models.base import Sampling
from equinoise.run import UNTOUCHED
from equinoise.steering.compatibility import check_fit
from equinoise.steering.intervention import Intervention
from equinoise.steering.numbering import Number, number_images
from equinoise.steering.pipeline_info import PipelineInfo, from_plain, to_plain
from equinoise.steering.prompt_filter import Decision, PromptFilter

LAST = 10_000
"""Entries that a log holds; older ones are dropped, so that a server can run for as long as it likes."""

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """What was done to one image.

    Attributes:
        prompt: as it was given; None where it came as embeddings.
        seed: the number by which a plan chose; see `number_images`.
        counted: whether that is only a running number.
        intervention: its name; `none` for an image that is as the bare pipeline makes it.
        touched: whether its noise was changed.
        reason: why, or why not.
    """

    prompt: str | None
    seed: int
    counted: bool
    intervention: str
    touched: bool
    reason: str


class Log:
    """Entries of images, a running number for images without a seed, and messages that are given once."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=LAST)
        self.numbers = itertools.count()
        self._said: set[str] = set()

    def write(self, entry: Entry) -> None:
        """Add an entry; it goes to the logger `equinoise` too."""
        self.entries.append(entry)
        LOGGER.info("%r (seed %d): %s; %s", entry.prompt, entry.seed, entry.intervention, entry.reason)

    def once(self, message: str, say: Callable[[str], None]) -> None:
        """Say a message unless it was said before."""
        if message not in self._said:
            self._said.add(message)
            say(message)


@dataclass(frozen=True)
class Steering:
    """What is attached: number of an image → its intervention, the prompts it is for, and the pipeline's latents."""

    choose: Callable[[int], Intervention]
    prompt_filter: PromptFilter
    info: PipelineInfo
    log: Log


@dataclass(frozen=True)
class SteeredCall:
    """One call of the pipeline: what is attached, and the arguments of the call by name."""

    pipe: Any
    steering: Steering
    given: Mapping[str, Any]

    def shift(self, prepare: Callable[..., Any], asked: inspect.BoundArguments) -> Any:
        """What `prepare_latents` returns for the arguments `asked`, with the noise of some images changed.

        Raises:
            EquinoiseError: latents for another number of images than there are prompts, or of another size than the
                directions.
        """
        log = self.steering.log
        numbers = number_images(asked.arguments["generator"], asked.arguments["batch_size"], lambda: next(log.numbers))
        made = prepare(*asked.args, **asked.kwargs)
        latents = _latents(made)
        if len(latents) != len(numbers):
            raise EquinoiseError(
                f"latents for {len(latents)} images, and prompts for {len(numbers)}: give as many of both"
            )
        decisions = self._decisions(len(latents))
        chosen = [self.steering.choose(n.value) if d.touch else None for n, d in zip(numbers, decisions, strict=True)]
        self._warn(chosen)
        moved: set[int] = set()
        if any(intervention and intervention.shifts for intervention in chosen):
            # a pipeline that is given latents scales them and draws nothing: ones come back as its scale
            asked.arguments["latents"] = torch.ones_like(latents)
            scale = _latents(prepare(*asked.args, **asked.kwargs))
            latents, moved = self._moved(latents, scale, chosen)
        self._log(numbers, decisions, chosen, moved)
        return (latents, *made[1:]) if isinstance(made, tuple) else latents

    def _moved(self, latents: Tensor, scale: Tensor, chosen: Sequence[Intervention | None]) -> tuple[Tensor, set[int]]:
        """The latents after their interventions, and the rows that moved; every other row is bit for bit as it was."""
        shape = self.steering.info.latent_shape
        noise = to_plain(self.pipe, latents.float() / scale.float(), shape).cpu()
        if noise.shape[1:] != shape:
            raise EquinoiseError(
                f"this call makes latents of shape {tuple(noise.shape[1:])}, and what is attached was found at "
                f"{shape}; leave height and width (or the shape of latents) as they were there"
            )
        after = noise.clone()
        for row, intervention in enumerate(chosen):
            if intervention is not None:
                after[row] = intervention.apply(noise[row : row + 1])[0]
        rows = [row for row in range(len(noise)) if not torch.equal(after[row], noise[row])]
        scaled = from_plain(self.pipe, after).to(latents.device) * scale.float()
        changed = latents.clone()
        changed[rows] = scaled[rows].to(latents.dtype)
        return changed, set(rows)

    def _decisions(self, n: int) -> list[Decision]:
        """The prompt filter's decision on each of n images."""
        rows = list(zip(*(self._texts(name, n) for name in ("prompt", "prompt_2", "prompt_3")), strict=True))
        known = {row: self.steering.prompt_filter.decide(*row) for row in dict.fromkeys(rows)}
        return [known[row] for row in rows]

    def _texts(self, name: str, n: int) -> list[str | None]:
        """A prompt for each of n images: diffusers repeats each num_images_per_prompt times."""
        given = self.given.get(name)
        texts = [given] if given is None or isinstance(given, str) else list(given)
        return [text for text in texts for _ in range(n // len(texts))]

    def _warn(self, chosen: Sequence[Intervention | None]) -> None:
        sampling = self._sampling()
        for intervention in dict.fromkeys(i for i in chosen if i is not None):
            for message in check_fit(intervention, self.steering.info, sampling):
                self.steering.log.once(message, lambda text: warnings.warn(text, EquinoiseWarning, stacklevel=2))

    def _sampling(self) -> Sampling:
        given = [self.given[name] for name in ("timesteps", "sigmas") if self.given.get(name) is not None]
        steps = len(given[0]) if given else self.given["num_inference_steps"]
        return Sampling(int(steps), float(self.given["guidance_scale"] or 0.0))

    def _log(
        self,
        numbers: Sequence[Number],
        decisions: Sequence[Decision],
        chosen: Sequence[Intervention | None],
        moved: set[int],
    ) -> None:
        for row, prompt in enumerate(self._texts("prompt", len(numbers))):
            intervention, reason, touched = chosen[row], decisions[row].reason, row in moved
            if intervention is not None and not touched:
                reason += "; nothing is done to this image"
            self.steering.log.write(
                Entry(
                    prompt=prompt,
                    seed=numbers[row].value,
                    counted=numbers[row].counted,
                    intervention=intervention.name if intervention is not None and touched else UNTOUCHED,
                    touched=touched,
                    reason=reason,
                )
            )


def _latents(made: Any) -> Tensor:
    """The latents among what `prepare_latents` returns: some families return more beside them."""
    latents: Tensor = made[0] if isinstance(made, tuple) else made
    return latents
