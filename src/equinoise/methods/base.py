"""The interface of a method of mitigation: what it needs to set up, and then (concept, seed, drawn class) → image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from equinoise.axes import Axis
from equinoise.engine import Job
from equinoise.engine.jobs import PipelineChange
from equinoise.errors import EquinoiseError
from equinoise.prompts import choose_prompts
from equinoise.run import MemoryRun, Record
from equinoise.runtime.making import Maker
from equinoise.runtime.model import Model
from equinoise.seeds import PILOT
from equinoise.steering.early_classifier import EarlyClassifier
from equinoise.steering.schedule import schedule

T = TypeVar("T")
Changes = Literal["nothing", "noise", "prompt", "text", "attention", "guidance"]
"""What a method changes of a run."""


class NoFormError(EquinoiseError):
    """The authors of a method give no form of it for this axis, or this kind of model."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Images that a method makes before it is used, in memory, and the denoiser calls that they took.

    Attributes:
        spent: calls of this set-up alone.
        shared: name → what every strength of a method shares, and the calls that it took; see `once`.
        used: names of what is shared that this set-up has used.
    """

    maker: Maker
    axes: tuple[Axis, ...]
    shared: dict[str, tuple[Any, float]] = field(default_factory=dict)
    spent: list[float] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    @property
    def own_calls(self) -> float:
        """Denoiser calls of this set-up alone."""
        return sum(self.spent)

    @property
    def calls(self) -> float:
        """Denoiser calls of this set-up, with what it shares."""
        return self.own_calls + sum(self.shared[name][1] for name in self.used)

    def spend(self, calls: float) -> None:
        """Count calls that were made in another way than by `make`."""
        self.spent.append(calls)

    def once(self, name: str, make: Callable[[Setup], T]) -> T:
        """What every strength of a method shares: made once, and counted once in every set-up that uses it."""
        if name not in self.shared:
            trial = replace(self, spent=[], used=set())
            self.shared[name] = make(trial), trial.calls
        self.used.add(name)
        found: T = self.shared[name][0]
        return found

    def make(self, title: str, jobs: Sequence[Job], change: PipelineChange | None = None) -> list[Record]:
        """The records of all jobs, read on the axes."""
        maker = replace(self.maker, change=change)
        self.spend(len(jobs) * self.maker.model.calls)
        return maker.make(title, jobs, self.axes, MemoryRun({"command": "compare"}, 0))


@dataclass(frozen=True, eq=False)
class Brief:
    """Images of a concept, with the classes of one axis in the shares of a target.

    Attributes:
        untouched: seeds → records of the images that the bare model makes of them; each is made once.
    """

    model: Model
    concept: str
    axis: Axis
    target: Mapping[str, float]
    untouched: Callable[[Sequence[int]], list[Record]]

    @cached_property
    def prompts(self) -> Mapping[str, str]:
        """Class → the concept with that class named."""
        return choose_prompts(self.axis, self.concept).prompts

    @cached_property
    def contrasts(self) -> Sequence[Mapping[str, str]]:
        """Prompts that differ in the class alone: of the concept, and of the axis itself."""
        own = [dict(zip(self.axis.classes, texts, strict=True)) for texts in zip(*self._generate, strict=False)]
        return [self.prompts, *(found for found in own if found != self.prompts)]

    @cached_property
    def _generate(self) -> list[tuple[str, ...]]:
        return [self.axis.generate.get(label, ()) for label in self.axis.classes]

    def wanted(self, seed: int, shares: Sequence[float] | None = None) -> str:
        """The class drawn for the image of a seed; over consecutive seeds the classes come in the target's shares.

        `shares` of the classes, in the order of the axis, take the place of the target's.
        """
        places = schedule(tuple(shares or [self.target[label] for label in self.axis.classes]))
        return self.axis.classes[places[seed % len(places)]]

    def job(self, seed: int, **more: object) -> Job:
        """The image of a seed, with its drawn class."""
        plain = Job(f"{seed}", self.concept, seed, wanted=self.wanted(seed))
        return replace(plain, **more)  # type: ignore[arg-type]

    def pilots(self, n: int, skip: int = 0) -> range:
        """Seeds to set a method up on."""
        return range(PILOT + skip, PILOT + skip + n)

    def require_two(self, method: str) -> tuple[str, str]:
        """The two classes of the axis.

        Raises:
            NoFormError: there are more.
        """
        if len(self.axis.classes) != 2:
            raise NoFormError(f"{method}: no form for the {len(self.axis.classes)} classes of {self.axis.name}")
        return self.axis.classes[0], self.axis.classes[1]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A method that has been set up for a brief.

    Attributes:
        jobs: seeds → the images to make.
        change: of the pipeline, under which they are made.
        early_classifier: for jobs that accept some classes only.
        calls: record of an image → denoiser calls that it took; None: those of one plain run.
        shown: setting → value, of what was set up, for people.
    """

    jobs: Callable[[Sequence[int]], list[Job]]
    change: PipelineChange | None = None
    early_classifier: EarlyClassifier | None = None
    calls: Callable[[Record], float] | None = None
    shown: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A method of mitigation.

    Attributes:
        name: for the command line.
        title: for tables.
        source: the paper, or where else it comes from.
        changes: what it changes.
        published: its strength as its authors use it; None where it has none, or where it is calibrated anyway.
        strengths: those that are tried on pilots; empty where there is nothing to tune.
        prepare: sets the method up for a brief at a strength; raises `NoFormError` where its authors give no form.
    """

    name: str
    title: str
    source: str
    changes: Changes
    published: float | None
    strengths: tuple[float, ...]
    prepare: Callable[[Brief, Setup, float | None], Prepared]
