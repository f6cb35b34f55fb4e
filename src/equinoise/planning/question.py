"""What a plan is asked for, and what making it takes at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from equinoise.axes import Axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.errors import EquinoiseError
from equinoise.models.base import NOISE, Step, require_steps
from equinoise.results.plans import CallCount, PilotCallCount, PlanningCalls
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.understanding.targets import Target

FIRST_CALL = 0
"""Directions are taken here unless told otherwise. After the first call the latents of two prompts from the same noise
differ by the model's two predictions there, and that difference is the slope of the log odds of the prompts along the
noise (Tweedie's formula): what a small shift should follow, for one call. docs/plans.md has what was measured."""

ROUND = 100_000
"""Seeds between one round of planning and the next."""

MOST_BEGUN = 3
"""Pilots that are begun for each whole image of their budget, at most: one in four goes to its end, the others go three
tenths of the way at the least, so that there are 2.1."""

Directions = DirectionSet | str | Path | Sequence[str | Path]
"""Directions, a file of them, or several files."""


@dataclass(frozen=True)
class PlanQuestion:
    """The arguments of the verb `plan` that say what is asked for, checked.

    Raises:
        EquinoiseError: an argument makes no sense.
    """

    concept: str
    targets: tuple[Target, ...]
    budget: int = 1024
    verify: int | None = None
    margin: float = 0.1
    directions: Directions | None = None
    step: Step | None = None
    prompts: Mapping[str, str] | None = None
    pairs: int = 8
    round: int = 0
    rejection: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1:
            raise EquinoiseError(f"--margin {self.margin:g}: a margin is a share between 0 and 1, such as 0.1")
        if not 0 <= self.round < 10:
            raise EquinoiseError(f"--round {self.round}: rounds go from 0 to 9")
        if self.pairs < 2:
            raise EquinoiseError(f"--pairs {self.pairs}: at least two are needed")
        if not 0 < self.budget <= ROUND:
            raise EquinoiseError(f"--budget {self.budget}: from 1 to {ROUND:,} images")
        if len(self.verification_seeds) >= self.budget:
            raise EquinoiseError(f"--verify {self.verify} leaves nothing of a budget of {self.budget} for pilots")
        if self.prompts and self.directions:
            raise EquinoiseError("--prompt says what directions are collected from; with --direction none are")
        known = [label for axis in self.axes for label in axis.classes]
        for label in self.prompts or {}:
            if label not in known:
                raise EquinoiseError(f"--prompt '{label}' names no class of the targets: {', '.join(known)}")

    @property
    def axes(self) -> list[Axis]:
        """Every axis of a target."""
        return list({axis.name: axis for target in self.targets for axis in target.axes}.values())

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Target → class → wanted share."""
        return {target.name: dict(target.shares) for target in self.targets}

    @property
    def direction_seeds(self) -> list[int]:
        """The seeds that directions are collected from."""
        return seed_range(COLLECT, self.pairs, "--pairs")

    @property
    def verification_seeds(self) -> list[int]:
        """The seeds that nothing is learnt from."""
        n = self.budget // 2 if self.verify is None else self.verify
        return seed_range(VERIFY + ROUND * self.round, n, "--verify")

    def pilot_seeds(self, pilots: int) -> list[int]:
        """The seeds of so many whole pilots, and of those that are stopped early besides."""
        return seed_range(PILOT + ROUND * self.round, min(ROUND, MOST_BEGUN * pilots), "--budget")

    def given_prompts(self, axis: Axis) -> dict[str, str]:
        """Class → prompt, of the classes of an axis."""
        return {label: text for label, text in (self.prompts or {}).items() if label in axis.classes}

    def known_directions(self) -> DirectionSet | None:
        """The directions that were given; None where they are to be collected.

        Raises:
            EquinoiseError: no such file, or not a file of directions.
        """
        if not self.directions:
            return None
        if isinstance(self.directions, DirectionSet):
            return self.directions
        files = [self.directions] if isinstance(self.directions, str | Path) else self.directions
        return sum((DirectionSet.load(Path(file)) for file in files), DirectionSet(()))

    def collected_step(self, total: int) -> int:
        """The step, in a run of so many, at which directions are collected.

        Raises:
            EquinoiseError: no such step, or the noise itself.
        """
        if self.step is None:
            return min(FIRST_CALL, total - 1)
        if self.step == NOISE:
            raise EquinoiseError(f"--step {NOISE}: where the prompt sets the class, T cannot tell it; give a number")
        require_steps([self.step], total)
        return int(self.step)

    def of_axis(self, known: DirectionSet, axis: Axis) -> list[Direction]:
        """One direction of two classes or a scale, else one of each class against the rest.

        Raises:
            EquinoiseError: there is none, or none at the step.
        """
        own = [d for d in known.directions if d.origin.axis == axis.name and d.origin.kind != "pairwise"]
        if not own:
            axes = ", ".join(dict.fromkeys(d.origin.axis for d in known.directions))
            raise EquinoiseError(
                f"no direction of '{axis.name}' was given; the files have {axes}. Fit one, or give none"
            )
        steps: list[Step] = list(dict.fromkeys(d.origin.step for d in own))
        wanted = self.step if self.step is not None else FIRST_CALL if FIRST_CALL in steps else steps[0]
        at = [d for d in own if d.origin.step == wanted]
        if not at:
            raise EquinoiseError(
                f"no direction of '{axis.name}' at step {wanted}; there are {', '.join(map(str, steps))}"
            )
        return at[:1] if axis.ordered or len(axis.classes) == 2 else at

    def calls(self, steps: int) -> PlanningCalls:
        """Images and denoiser calls at most, by purpose, at so many denoising steps.

        Raises:
            EquinoiseError: the budget leaves nothing for pilots.
        """
        directions = CallCount(images=0, denoiser_calls=0)
        if not self.directions:
            images = self.pairs * sum(len(axis.classes) for axis in self.axes)
            directions = CallCount(images=images, denoiser_calls=images * (self.collected_step(steps) + 1))
        taken, verify = directions.denoiser_calls / steps, len(self.verification_seeds)
        pilots = self.budget - verify - ceil(taken)
        if pilots < 1:
            raise EquinoiseError(
                f"--budget {self.budget}: directions take {taken:.0f} and the verification {verify}; nothing is left "
                "for pilots"
            )
        return PlanningCalls.total(
            directions,
            PilotCallCount(images=pilots, ended_early=0, stopped_early=0, denoiser_calls=pilots * steps),
            CallCount(images=verify, denoiser_calls=verify * steps),
        )
