"""A plan: the mixture of interventions, what is expected of it, its verification on fresh seeds, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr

from equinoise.charts.bars import Bar
from equinoise.charts.shares import shares_chart
from equinoise.errors import EquinoiseError
from equinoise.results.audits import Audit, AuditResult
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, percent, share

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from equinoise.steering.early_classifier import EarlyClassifier
    from equinoise.steering.plan import Plan


class ExpectedShare(Value):
    """The expected share of a class, and the central 95% of what the pilots leave open."""

    share: float
    low: float
    high: float


class PlanPart(Value):
    """One intervention of the mixture.

    Attributes:
        share: of the images that get it.
        expected: target → class → expected share under it.
        kl_nats: KL divergence of its noise from N(0, I); `intrusion_nats` is the same.
        accepted: axis → predicted classes that rejection sampling accepts; `kept` is the same.
        attempts: expected attempts at an image; `draws` is the same.
        extra_calls: expected denoiser calls of an image beyond those of a whole run, as a share of these.
    """

    name: str
    share: float
    expected: dict[str, dict[str, float]]
    intrusion_nats: float
    kl_nats: float
    kept: dict[str, tuple[str, ...]]
    accepted: dict[str, tuple[str, ...]]
    draws: float
    attempts: float
    extra_calls: float


VERDICTS = {
    "on_target": "on target",
    "off_target": "off target",
    "not_shown": "not shown to be on target",
}


class TargetVerdict(Value):
    """Whether the verification shows a target to be met.

    Attributes:
        verdict: `on_target` where the whole interval of every class lies within the target ± margin, `off_target` where
            one lies wholly beyond, else `not_shown`.
        corrected: whether the intervals are corrected for the detector's known errors.
    """

    axis: str
    verdict: Literal["on_target", "off_target", "not_shown"]
    margin: float
    corrected: bool

    @property
    def said(self) -> str:
        """The verdict in words."""
        return VERDICTS[self.verdict]

    @classmethod
    def judge(cls, audit: Audit, margin: float) -> TargetVerdict:
        """Hold the simultaneous intervals of an audit against its target; corrected ones where there are any."""
        shares = audit.classes.values()
        ends = [found.corrected_interval if audit.corrected else found.interval for found in shares]
        rows = [(interval, target) for interval, target in zip(ends, audit.target.values(), strict=True) if interval]
        inside = bool(rows) and all(t - margin <= i.low and i.high <= t + margin for i, t in rows)
        beyond = any(i.high < t - margin or i.low > t + margin for i, t in rows)
        answer: Literal["on_target", "off_target", "not_shown"] = (
            "on_target" if inside else "off_target" if beyond else "not_shown"
        )
        return cls(axis=audit.axis, verdict=answer, margin=margin, corrected=audit.corrected)


class CallCount(Value):
    """Images, and denoiser calls."""

    images: int
    denoiser_calls: int


class PilotCallCount(Value):
    """Whole pilots, those that were stopped early (`ended_early` is the same), and the denoiser calls of all."""

    images: int
    ended_early: int
    stopped_early: int
    denoiser_calls: int


class PlanningCalls(Value):
    """What planning took, or would take: images and denoiser calls in all, and by purpose.

    Runs that were stopped early are no images, but their calls count.
    """

    images: int
    denoiser_calls: int
    directions: CallCount
    pilots: PilotCallCount
    verification: CallCount

    @classmethod
    def total(cls, directions: CallCount, pilots: PilotCallCount, verification: CallCount) -> PlanningCalls:
        """The purposes and their sum."""
        return PlanningCalls(
            images=directions.images + pilots.images + verification.images,
            denoiser_calls=directions.denoiser_calls + pilots.denoiser_calls + verification.denoiser_calls,
            directions=directions,
            pilots=pilots,
            verification=verification,
        )


class PlanCost(PlanningCalls):
    """What planning took, and what the plan costs an image.

    Attributes:
        budget: images that were allowed.
        kl_nats: expected KL divergence of the noise from N(0, I); `intrusion_nats` is the same.
        extra_calls_per_image: expected denoiser calls beyond those of a whole run, as a share of these.
    """

    budget: int
    intrusion_nats: float
    kl_nats: float
    extra_calls_per_image: float


class ResponseFit(Value):
    """How well a fitted response agrees with the pilots: χ² of counts by arm and class against the expected ones.

    Attributes:
        widened: factor of the standard deviations: √(χ²/df) where the form is rejected at 5%, else 1.
    """

    chi2: float
    df: int
    p: float
    widened: float


class EarlyStops(Value):
    """Pilots that were stopped where the early check was certain, and how often such certainty was wrong.

    Attributes:
        images: runs that were stopped.
        checked: runs as certain that went to their end whatever the early check said.
        wrong: of the checked ones, those whose image shows another class.
    """

    images: int
    checked: int
    wrong: int


class EarlyClassifierInfo(Value):
    """The early classifier of a plan with rejection sampling.

    Attributes:
        step: after which it predicts.
        by: axis → what it reads.
        balanced_accuracy: axis → mean over the final classes of how often they are predicted.
        confusions: axis → a row a final class, a column a predicted class, unclear last.
    """

    step: int
    by: dict[str, str]
    balanced_accuracy: dict[str, float]
    confusions: dict[str, tuple[tuple[int, ...], ...]]

    @classmethod
    def of(cls, classifier: EarlyClassifier) -> EarlyClassifierInfo:
        """Of an early classifier."""
        from equinoise.steering.early_classifier import balanced_accuracy  # loads torch, which a report does without

        by = dict.fromkeys((axis.name for axis in classifier.axes), "predicted image")
        by |= dict.fromkeys(classifier.readings, "predicted image, weighed")
        by |= dict.fromkeys(classifier.classifiers, "latents")
        return cls(
            step=classifier.step,
            by=by,
            balanced_accuracy={axis: balanced_accuracy(rows) for axis, rows in classifier.confusions.items()},
            confusions=dict(classifier.confusions),
        )


class PilotsInfo(Value):
    """What the pilots said.

    Attributes:
        rounds: pilots begun in each round.
        largest_sd: largest standard deviation of an expected share.
        fits, slopes: by target, one entry a response; slopes (m,), or (classes, m).
        stopped_early: `ended_early` is the same.
        early_classifier: `look` is the same; None without rejection sampling.
        expected_extra: expected denoiser calls of an image beyond those of a whole run, as a share of these.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"expected_extra": "look"}

    rounds: tuple[int, ...]
    largest_sd: float
    fits: dict[str, tuple[ResponseFit, ...]]
    slopes: dict[str, tuple[tuple[float, ...] | tuple[tuple[float, ...], ...], ...]]
    ended_early: EarlyStops
    stopped_early: EarlyStops
    look: EarlyClassifierInfo | None
    early_classifier: EarlyClassifierInfo | None
    expected_extra: float | None = None


class AxisPrompts(Value):
    """The prompts that the directions of an axis were collected from.

    Attributes:
        origin: made from the concept, the axis's own, or given (wholly or in part).
        note: which prompts these are and why, in one line.
        prompts: class → prompt.
    """

    origin: Literal["concept", "axis", "given"]
    note: str
    prompts: dict[str, str]


class PlanResult(Result):
    """What `plan` made: the plan itself (`.plan`), what is expected of it, and what its verification shows.

    Attributes:
        targets: axis → class → wanted share.
        interventions: the mixture, the largest share first.
        expected: axis → class → expected share of the whole mixture.
        expected_distance: axis → total variation between that and the target.
        feasible: whether the targets are expected to be met.
        verified: the audit of images on seeds that nothing was learnt from.
        verdicts: one a target.
        prompts: by axis what the directions were collected from; None where directions were given.
        file: of the plan (in JSON: `plan`); None where nothing was kept.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"prompts": "prompts"}

    concept: str
    targets: dict[str, dict[str, float]]
    interventions: tuple[PlanPart, ...]
    expected: dict[str, dict[str, ExpectedShare]]
    expected_distance: dict[str, float]
    feasible: bool
    verified: AuditResult
    verdicts: tuple[TargetVerdict, ...]
    cost: PlanCost
    pilots: PilotsInfo
    warnings: tuple[str, ...]
    prompts: dict[str, AxisPrompts] | None = None
    file: str | None = Field(default=None, alias="plan")
    _plan: Plan | None = PrivateAttr(default=None)

    @property
    def plan(self) -> Plan:
        """The plan: what `audit`, `generate` and `attach` take.

        Raises:
            EquinoiseError: the result was read from JSON, and the file of the plan is gone.
        """
        from equinoise.steering.plan import Plan  # loads torch, which a report does without

        if self._plan is not None:
            return self._plan
        if self.file is None:
            raise EquinoiseError("this result was read from JSON and names no file of a plan; plan again")
        return Plan.load(Path(self.file))

    def with_plan(self, plan: Plan) -> Self:
        """The same result with the plan that it is of."""
        copy = self.model_copy()
        copy._plan = plan
        return copy

    def save(self, path: str | Path) -> None:
        """Write the plan to a safetensors file."""
        self.plan.save(Path(path))

    def table(self) -> TextTable:
        """One row a class: target, expected and verified share; below, what the images get and what it cost."""
        rows: list[tuple[str, ...]] = []
        bars: list[Bar | None] = []
        for audit, verdict in zip(self.verified.audits, self.verdicts, strict=True):
            axis, said = audit.axis, verdict.verdict.replace("_", " ")
            for name, bar in _verified_bars(audit, verdict).items():
                expected = self.expected[audit.axis][name]
                told = share(expected.share, expected.low, expected.high)
                rows.append((axis, name, percent(bar.target), told, share(bar.value, bar.low, bar.high), said))
                bars.append(bar)
                axis = said = ""
            rows.append(())
            bars.append(None)
        heads = ("axis", "class", "target", "expected (95%)", "verified (95%)", "verdict")
        return TextTable(heads, tuple(rows), self._caption(), bars=tuple(bars))

    def _caption(self) -> str:
        cost = self.cost
        mixture = [f"{percent(part.share)} of images: {part.name}" for part in self.interventions]
        notes = [prompts.note for prompts in (self.prompts or {}).values()]
        taken = (
            f"{cost.kl_nats:.2f} nats and {percent(cost.extra_calls_per_image)} more denoiser calls an image; planning "
            f"took {cost.images} images, {cost.denoiser_calls} denoiser calls"
        )
        return "\n".join([*mixture, *notes, f"{taken}; {self.file}" if self.file else taken])

    def rows(self) -> Sequence[Row]:
        """A row a target and class."""
        return [
            {
                "axis": audit.axis,
                "class": name,
                "target": audit.target[name],
                **{f"expected{end}": value for end, value in _ends(self.expected[audit.axis][name])},
                **{f"verified{end}": value for end, value in _ends(bar)},
                "corrected": verdict.corrected,
                "verdict": verdict.verdict,
            }
            for audit, verdict in zip(self.verified.audits, self.verdicts, strict=True)
            for name, bar in _verified_bars(audit, verdict).items()
        ]

    def plot(self) -> go.Figure:
        """Expected and verified share of each class against the target, a target below the other."""
        panels = []
        for audit, verdict in zip(self.verified.audits, self.verdicts, strict=True):
            expected = {
                name: Bar(found.share, found.low, found.high, audit.target[name])
                for name, found in self.expected[audit.axis].items()
            }
            panels.append((audit.axis, {"expected": expected, "verified": _verified_bars(audit, verdict)}))
        return shares_chart(panels)


def _verified_bars(audit: Audit, verdict: TargetVerdict) -> dict[str, Bar]:
    """By class the share that the verdict is about, its interval and its target."""
    return {
        name: Bar(found.corrected, found.corrected_low, found.corrected_high, audit.target[name])
        if verdict.corrected
        else Bar(found.share, found.low, found.high, audit.target[name])
        for name, found in audit.classes.items()
    }


def _ends(found: ExpectedShare | Bar) -> list[tuple[str, float | None]]:
    value = found.value if isinstance(found, Bar) else found.share
    return [("", value), ("_low", found.low), ("_high", found.high)]
