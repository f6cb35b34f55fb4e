"""Steer a pipeline that somebody else loaded, where it is called: `with attach(pipe, plan): pipe("a photo of …")`.

This object changes another one, so first what it changes. While something is attached, the pipeline's class is a
subclass of its own that overrides two methods; nothing is written into the pipeline itself, and detaching gives the
class back. Both methods are needed, and both call the original:

- `prepare_latents`, because every family draws its noise there, with the generators, dtype, device, scale and packing
  of its own, and returns what the first denoiser call sees. Changing what it returned keeps the draw, so that seeds
  keep their meaning; handing noise in as `latents=` would mean to draw it as each family does.
- `__call__`, because only there it is known which prompt each image has and where a call begins and ends. Python looks
  `__call__` up on the class, so that it cannot be overridden on the instance.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from equinoise.axes import catalogue
from equinoise.directions.direction import Direction
from equinoise.encoders import TextEncoder
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models.base import Sampling
from equinoise.run import UNTOUCHED
from equinoise.steering.intervention import Intervention, Shift, check_fits
from equinoise.steering.numbering import Number, number_images
from equinoise.steering.pipeline_info import PipelineInfo, from_plain, pipeline_info, to_plain
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import Decision, PromptFilter, class_words

KEPT = 10_000
"""Entries that a log holds; older ones are dropped, so that a server can run for as long as it likes."""

LOGGER = logging.getLogger(__name__)


def attach(
    pipe: Any,
    what: Plan | Intervention | Shift | Direction,
    weight: float | None = None,
    *,
    prompt_filter: PromptFilter | None = None,
    every_thread: bool = False,
) -> Attachment:
    """Shift the initial noise of whatever a diffusers pipeline is asked for, until detached.

    The user's call stays as it was: generators, batches, callbacks, `latents=` (which are shifted too), compiled or
    offloaded components. Weight 0, and a prompt that the gate turns away, give the bare pipeline's image bit for bit.
    A plan chooses for each image by its number; see `number_images`.

    Args:
        pipe: a pipeline of diffusers, or what `load` gives.
        what: a plan; or an intervention, a shift or a direction, which every image gets.
        weight: of a direction, in standard deviations of the noise along it; of nothing else.
        gate: which prompts it is for. Default: a plan's own; else every prompt that names no class of the axes.
        every_thread: hold for all threads until `detach()`. Otherwise for the thread (or asyncio task) that attached;
            calls from others go through bare, of which the log warns while this attachment is unused.

    Raises:
        EquinoiseError: a direction of another model, something attached already, or a pipeline that takes no noise.
    """
    pipe = getattr(pipe, "pipeline", pipe)
    _require_pipeline(pipe)
    choose, interventions, default = _resolve(what, weight)
    prompt_filter = prompt_filter or default
    if prompt_filter.match == "similar" and prompt_filter.encoder is None:
        prompt_filter = replace(prompt_filter, encoder=TextEncoder.of(pipe)[0].texts)
    made = Attachment(pipe, choose, prompt_filter, every_thread, _of_size(pipeline_info(pipe), interventions))
    for intervention in interventions:  # refuses; what is to be warned of depends on the call
        check_fits(intervention, made._pipeline_info, Sampling())
    _add(pipe, made)
    return made


@dataclass(frozen=True)
class Entry:
    """What was done to one image.

    Attributes:
        prompt: as it was given; None where it came as embeddings.
        seed: by which a plan chose; see `number_images`.
        counted: whether that is only a running number.
        intervention: in words; `none` for an image that is as the bare pipeline makes it.
        touched: whether its noise was changed.
        reason: why, or why not.
    """

    prompt: str | None
    seed: int
    counted: bool
    intervention: str
    touched: bool
    reason: str


class Attachment:
    """What `attach` returns: a context manager with a log, which stays readable afterwards."""

    def __init__(
        self,
        pipe: Any,
        choose: Callable[[int], Intervention],
        prompt_filter: PromptFilter,
        every_thread: bool,
        pipeline_info: PipelineInfo,
    ) -> None:
        self.prompt_filter = prompt_filter
        self.every_thread = every_thread
        self.active = False
        self._pipe = pipe
        self._choose = choose
        self._pipeline_info = pipeline_info
        self._counter = itertools.count()
        self._said: set[str] = set()
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    @property
    def log(self) -> tuple[Entry, ...]:
        """One entry an image, in the order in which they were started; the last 10,000."""
        return tuple(self._entries)

    def detach(self) -> None:
        """Give the pipeline back as it was. It does no harm to do so twice, and it can be done from any thread."""
        _remove(self)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def _once(self, message: str, say: Callable[[str], None]) -> None:
        if message not in self._said:
            self._said.add(message)
            say(message)

    def _write(self, entry: Entry) -> None:
        self._entries.append(entry)
        LOGGER.info("%r (seed %d): %s; %s", entry.prompt, entry.seed, entry.intervention, entry.reason)


@dataclass(frozen=True)
class _Call:
    """One call of the pipeline: what is attached, and what the call was given."""

    pipe: Any
    attachment: Attachment
    given: Mapping[str, Any]

    def shift(self, prepare: Callable[..., Any], asked: inspect.BoundArguments) -> Any:
        """What `prepare_latents` returns, with the noise changed of those images that are to be."""
        generator, counter = asked.arguments["generator"], self.attachment._counter
        before = number_images(generator, asked.arguments["batch_size"], lambda: next(counter))
        made = prepare(*asked.args, **asked.kwargs)
        latents: Tensor = made[0] if isinstance(made, tuple) else made
        if len(latents) != len(before):
            raise EquinoiseError(
                f"latents for {len(latents)} images, and prompts for {len(before)}: give as many of both"
            )
        decisions = self._decisions(len(latents))
        chosen = [self.attachment._choose(n.value) if d.touch else None for n, d in zip(before, decisions, strict=True)]
        self._warn(chosen)
        if any(intervention and intervention.shifts for intervention in chosen):
            # a pipeline that is given latents scales them and draws nothing: ones come back as its scale
            asked.arguments["latents"] = torch.ones_like(latents)
            scale = prepare(*asked.args, **asked.kwargs)
            latents, moved = self._moved(latents, scale[0] if isinstance(scale, tuple) else scale, chosen)
        else:
            moved = set()
        self._log(before, decisions, chosen, moved)
        return (latents, *made[1:]) if isinstance(made, tuple) else latents

    def _moved(self, latents: Tensor, scale: Tensor, chosen: Sequence[Intervention | None]) -> tuple[Tensor, set[int]]:
        """The latents after their interventions, and the rows that moved; every other row is bit for bit as it was."""
        shape = self.attachment._pipeline_info.latent_shape
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
        """The gate's decision on each image."""
        texts = [self._rows(name, n) for name in ("prompt", "prompt_2", "prompt_3")]
        known = {row: self.attachment.prompt_filter.decide(*row) for row in dict.fromkeys(zip(*texts, strict=True))}
        return [known[row] for row in zip(*texts, strict=True)]

    def _rows(self, name: str, n: int) -> list[str | None]:
        """A prompt for each image: diffusers repeats each num_images_per_prompt times."""
        given = self.given.get(name)
        texts = [given] if given is None or isinstance(given, str) else list(given)
        return [text for text in texts for _ in range(n // len(texts))]

    def _warn(self, chosen: Sequence[Intervention | None]) -> None:
        sampling = self._sampling()
        for intervention in dict.fromkeys(i for i in chosen if i is not None):
            for message in check_fits(intervention, self.attachment._pipeline_info, sampling):
                self.attachment._once(message, lambda text: warnings.warn(text, EquinoiseWarning, stacklevel=2))

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
        for row, prompt in enumerate(self._rows("prompt", len(numbers))):
            intervention, reason = chosen[row], decisions[row].reason
            if decisions[row].touch and row not in moved:
                reason += "; nothing is done to this image"
            name = intervention.name if intervention is not None and row in moved else UNTOUCHED
            number = numbers[row]
            self.attachment._write(Entry(prompt, number.value, number.counted, name, row in moved, reason))


# Contexts, not threads: tasks of one event loop do not see each other's attachments, and what a task hands to a thread
# (asyncio.to_thread) does see its own. A thread started in any other way has a context of its own.
_HERE: ContextVar[tuple[Attachment, ...]] = ContextVar("equinoise_attached_here", default=())
_CALL: ContextVar[_Call | None] = ContextVar("equinoise_call", default=None)
_CHANGING_CLASS = threading.Lock()


class _Steered:
    """What a pipeline also is while something is attached to it."""

    attachments: list[Attachment]


def _steered(cls: Any) -> type:
    """A subclass that puts what is attached between the pipeline's draw and its first denoiser call."""
    call, prepare = inspect.signature(cls.__call__), inspect.signature(cls.prepare_latents)
    attachments: list[Attachment] = []

    @functools.wraps(cls.__call__)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        attachment = _attached(self, tuple(attachments))
        if attachment is None:
            return cls.__call__(self, *args, **kwargs)
        given = call.bind(self, *args, **kwargs)
        given.apply_defaults()
        token = _CALL.set(_Call(self, attachment, given.arguments))
        try:
            return cls.__call__(self, *args, **kwargs)
        finally:
            _CALL.reset(token)

    @functools.wraps(cls.prepare_latents)
    def prepared(self: Any, *args: Any, **kwargs: Any) -> Any:
        current = _CALL.get()
        if current is None or current.pipe is not self:
            return cls.prepare_latents(self, *args, **kwargs)
        asked = prepare.bind(self, *args, **kwargs)
        asked.apply_defaults()
        return current.shift(cls.prepare_latents, asked)

    # named as the original: diffusers looks classes up by name, for example when it converts a pipeline
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    body = {"__call__": called, "prepare_latents": prepared, "attachments": attachments}
    return type(cls.__name__, (cls, _Steered), {**names, **body})


def _attached(pipe: Any, attachments: Sequence[Attachment]) -> Attachment | None:
    """What holds for a call in this thread or task."""
    ours = [a for a in attachments if a._pipe is pipe]
    for attachment in ours:
        if attachment.every_thread or attachment in _HERE.get():
            return attachment
    for attachment in ours:
        if not attachment._entries:
            message = "a call from another thread went through bare; attach(…, every_thread=True) holds for all threads"
            attachment._once(message, LOGGER.warning)
    return None


def _add(pipe: Any, attachment: Attachment) -> None:
    with _CHANGING_CLASS:
        there = type(pipe).attachments if isinstance(pipe, _Steered) else []
        if any(other.every_thread or attachment.every_thread or other in _HERE.get() for other in there):
            raise EquinoiseError(
                "something is attached to this pipeline already; detach it first, or attach both as one: "
                "Intervention((shift, shift))"
            )
        if not isinstance(pipe, _Steered):
            pipe.__class__ = _steered(type(pipe))
        type(pipe).attachments.append(attachment)
        attachment.active = True
        _HERE.set((*(other for other in _HERE.get() if other.active), attachment))


def _remove(attachment: Attachment) -> None:
    with _CHANGING_CLASS:
        if not attachment.active:
            return
        pipe, attachment._pipe = attachment._pipe, None  # the log outlives the pipeline
        attachment.active = False
        _HERE.set(tuple(other for other in _HERE.get() if other.active))
        type(pipe).attachments.remove(attachment)
        if not type(pipe).attachments:
            pipe.__class__ = type(pipe).__bases__[0]


def _require_pipeline(pipe: Any) -> None:
    prepare = getattr(type(pipe), "prepare_latents", None)
    taken = set(inspect.signature(prepare).parameters) if prepare else set()
    if not {"batch_size", "generator", "latents"} <= taken or taken & {"image", "timestep", "num_frames"}:
        raise EquinoiseError(
            f"{type(pipe).__name__} is no text-to-image pipeline of diffusers that draws its noise in prepare_latents"
        )


def _resolve(
    what: Any, weight: float | None
) -> tuple[Callable[[int], Intervention], tuple[Intervention, ...], PromptFilter]:
    """By number an intervention, all that there may be, and which prompts they are for."""
    if isinstance(what, Direction):
        if weight is None:
            raise EquinoiseError("a direction needs a weight, such as attach(pipe, direction, weight=3)")
        what = Shift(what, weight)
    elif weight is not None:
        raise EquinoiseError(f"weight goes with a direction; a {type(what).__name__} carries its own")
    if isinstance(what, Plan) and what.selects:
        raise EquinoiseError(
            "this plan selects draws by an early look, which takes runs of its own: use equinoise generate --plan, or "
            "plan with --no-selection"
        )
    if isinstance(what, Plan):
        return what.intervention, what.interventions, what.prompt_filter()
    if isinstance(what, Shift):
        what = Intervention((what,))
    if not isinstance(what, Intervention):
        raise EquinoiseError(f"cannot attach a {type(what).__name__}; give a direction, an intervention or a plan")
    return (lambda _: what), (what,), _default_filter(what)


def _of_size(pipeline: PipelineInfo, interventions: Sequence[Intervention]) -> PipelineInfo:
    """For images of the size that the directions were found at: which size a call asks for is only known then."""
    shapes = (shift.direction.vector.shape for intervention in interventions for shift in intervention.shifts)
    shape = next(shapes, pipeline.latent_shape)
    same = len(shape) == len(pipeline.latent_shape) and shape[0] == pipeline.latent_shape[0]
    return replace(pipeline, latent_shape=shape) if same else pipeline


def _default_filter(intervention: Intervention) -> PromptFilter:
    """Every prompt but those that name a class of the axes of the directions."""
    origins = [term.origin for shift in intervention.shifts for term in shift.direction.terms]
    known = catalogue()
    words = class_words(known[axis] for axis in dict.fromkeys(o.axis for o in origins) if axis in known)
    for origin in origins:
        if origin.axis not in known:
            words.setdefault(origin.axis, {})[origin.label] = (origin.label,)
    return PromptFilter(words=words)
