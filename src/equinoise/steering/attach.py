"""Steer a pipeline that somebody else loaded, where it is called: `with attach(pipe, plan): pipe("a photo of …")`.

Attaching changes the pipeline, so first what it changes. While something is attached, the pipeline's class is a
subclass that overrides two methods; nothing is written into the pipeline itself, and detaching gives the class back.
Both methods are needed, and both call the original:

- `prepare_latents`, because every family draws its noise there, with the generators, dtype, device, scale and packing
  of its own, and returns what the first denoiser call sees. Changing what it returned keeps the draw, so that seeds
  keep their meaning; giving noise as `latents=` would mean to draw it as each family does.
- `__call__`, because only there it is known which prompt each image has and where a call begins and ends. Python looks
  `__call__` up on the class, so that it cannot be overridden on the instance.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol

from equinoise.axes import catalogue
from equinoise.directions.direction import Direction
from equinoise.encoders import TextEncoder
from equinoise.errors import EquinoiseError
from equinoise.models.base import Sampling
from equinoise.steering.calls import Entry, Log, SteeredCall, Steering
from equinoise.steering.compatibility import check_fit
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.pipeline_info import PipelineInfo, pipeline_info
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import PromptFilter, class_words

LOGGER = logging.getLogger(__name__)


class HasPlan(Protocol):
    """The result of making a plan."""

    @property
    def plan(self) -> Plan:
        """The plan."""


def attach(
    pipe: Any,
    what: Plan | HasPlan | Intervention | Shift | Direction,
    weight: float | None = None,
    *,
    prompt_filter: PromptFilter | None = None,
    every_thread: bool = False,
) -> Attachment:
    """Shift the initial noise of whatever a diffusers pipeline is asked for, until detached.

    Calls of the pipeline stay as they were: generators, batches, callbacks, `latents=` (which are shifted too),
    compiled or offloaded components. Weight 0, and a prompt that the filter leaves alone, give the bare pipeline's
    image bit for bit. A plan chooses for each image by its number; see `number_images`.

    Args:
        pipe: a pipeline of diffusers, or an object that has one as `.pipeline`, as models of `load` do.
        what: a plan or the result that holds it as `.plan`; or an intervention, a shift or a direction, which every
            image gets.
        weight: of a direction, in standard deviations of the noise along it; not for anything else.
        prompt_filter: which prompts it is for. Default: a plan's own; else every prompt that names no class of the
            directions' axes.
        every_thread: hold for all threads until `detach()`. Otherwise for the thread (or asyncio task) that attached;
            calls from others get no shift, of which the log warns while this attachment is unused.

    Raises:
        EquinoiseError: a direction of another model, a plan that uses rejection sampling, something attached already,
            or a pipeline whose noise cannot be changed.
    """
    pipe = getattr(pipe, "pipeline", pipe)
    _require_pipeline(pipe)
    choose, interventions, default = _resolve(what, weight)
    prompt_filter = prompt_filter or default
    if prompt_filter.match == "similar" and prompt_filter.encoder is None:
        prompt_filter = replace(prompt_filter, encoder=TextEncoder.of(pipe)[0].texts)
    info = _of_size(pipeline_info(pipe), interventions)
    for intervention in interventions:  # raises; what to warn of depends on the call's settings
        check_fit(intervention, info, Sampling())
    made = Attachment(pipe, Steering(choose, prompt_filter, info, Log()), every_thread)
    _add(pipe, made)
    return made


class Attachment:
    """What `attach` returns: a context manager with a log, which stays readable after detaching."""

    def __init__(self, pipe: Any, steering: Steering, every_thread: bool) -> None:
        self.every_thread = every_thread
        self.active = False
        self._pipe = pipe
        self._steering = steering

    @property
    def prompt_filter(self) -> PromptFilter:
        """Which prompts it is for."""
        return self._steering.prompt_filter

    @property
    def log(self) -> tuple[Entry, ...]:
        """One entry an image, in the order in which they were started; the last 10,000."""
        return tuple(self._steering.log.entries)

    def detach(self) -> None:
        """Give the pipeline back as it was. It does no harm to do so twice, and it can be done from any thread."""
        _remove(self)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()


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
    """Number of an image → its intervention, all interventions that there are, and which prompts they are for."""
    if isinstance(what, Direction):
        if weight is None:
            raise EquinoiseError("a direction needs a weight, such as attach(pipe, direction, weight=3)")
        what, weight = Shift(what, weight), None
    if weight is not None:
        raise EquinoiseError(f"weight goes with a direction; a {type(what).__name__} carries its own")
    plan = what if isinstance(what, Plan) else getattr(what, "plan", None)
    if isinstance(plan, Plan):
        _require_single_runs(plan)
        return plan.intervention, plan.interventions, plan.prompt_filter()
    if isinstance(what, Shift):
        what = Intervention((what,))
    if not isinstance(what, Intervention):
        raise EquinoiseError(f"cannot attach a {type(what).__name__}; give a direction, an intervention or a plan")
    return (lambda _: what), (what,), _default_filter(what)


def _require_single_runs(plan: Plan) -> None:
    if plan.uses_rejection_sampling:
        raise EquinoiseError(
            "this plan uses rejection sampling: some images take several runs, and a call of a pipeline has one. Use "
            "equinoise generate --plan, or make a plan with --no-selection"
        )


def _default_filter(intervention: Intervention) -> PromptFilter:
    """Every prompt but those that name a class of the axes of the directions."""
    origins, known = intervention.origins(), catalogue()
    words = class_words(known[axis] for axis in dict.fromkeys(o.axis for o in origins) if axis in known)
    for origin in origins:
        if origin.axis not in known:
            words.setdefault(origin.axis, {})[origin.label] = (origin.label,)
    return PromptFilter(words=words)


def _of_size(info: PipelineInfo, interventions: Sequence[Intervention]) -> PipelineInfo:
    """The pipeline at the size of the images that the directions were found on: a call says its own size later."""
    shapes = (shift.direction.vector.shape for intervention in interventions for shift in intervention.shifts)
    shape = next(shapes, info.latent_shape)
    same = len(shape) == len(info.latent_shape) and shape[0] == info.latent_shape[0]
    return replace(info, latent_shape=shape) if same else info


# Contexts, not threads: tasks of one event loop do not see each other's attachments, and what a task hands to a thread
# (asyncio.to_thread) does see its own. A thread started in any other way has a context of its own.
_HERE: ContextVar[tuple[Attachment, ...]] = ContextVar("equinoise_attached_here", default=())
_CALL: ContextVar[SteeredCall | None] = ContextVar("equinoise_call", default=None)
_CHANGING_CLASS = threading.Lock()


class _Steered:
    """A base of the class that a pipeline has while something is attached to it."""

    attachments: list[Attachment]


def _refuse_copy(self: Any, protocol: Any) -> Any:
    """A copy would have lost what is attached without a word, and a pickle cannot hold it."""
    raise EquinoiseError(
        "something is attached to this pipeline, which a copy or a pickle would lose; detach it first, and attach to "
        "the copy"
    )


def _steered(cls: Any) -> type:
    """A subclass that changes the noise between the pipeline's draw and its first denoiser call."""
    call, prepare = inspect.signature(cls.__call__), inspect.signature(cls.prepare_latents)
    attachments: list[Attachment] = []

    @functools.wraps(cls.__call__)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        attachment = _attached(self, tuple(attachments))
        if attachment is None:
            return cls.__call__(self, *args, **kwargs)
        given = call.bind(self, *args, **kwargs)
        given.apply_defaults()
        token = _CALL.set(SteeredCall(self, attachment._steering, given.arguments))
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
    body = {"__call__": called, "prepare_latents": prepared, "attachments": attachments, "__reduce_ex__": _refuse_copy}
    return type(cls.__name__, (cls, _Steered), {**names, **body})


def _attached(pipe: Any, attachments: Sequence[Attachment]) -> Attachment | None:
    """The attachment that holds for a call in this thread or task."""
    ours = [a for a in attachments if a._pipe is pipe]
    for attachment in ours:
        if attachment.every_thread or attachment in _HERE.get():
            return attachment
    for attachment in ours:
        if not attachment._steering.log.entries:
            message = "a call from another thread got no shift; attach(…, every_thread=True) holds for all threads"
            attachment._steering.log.once(message, LOGGER.warning)
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
