"""An audit: the shares of each class, their intervals, their distance to a target; of concepts and pooled over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from equinoise.charts.bars import Bar
from equinoise.charts.shares import shares_chart
from equinoise.errors import EquinoiseError
from equinoise.no_picture import NoPicture, add_reasons, in_words
from equinoise.results.base import Count, Difference, Number, Result, Share, Value, require_order
from equinoise.results.tables import Row, TextTable, joined, percent, share
from equinoise.statistics import Interval

if TYPE_CHECKING:
    import plotly.graph_objects as go


SHOWN = 0.0051
"""By how much a printed share may miss its count: some round to two digits."""


class ClassShare(Value):
    """A class's count and share among the clear images, and the share corrected for the detector's known errors.

    `low` and `high` are a 95% interval: Wilson's for two classes, simultaneous for more. None where nothing is known.
    """

    count: Count
    share: Share | None
    low: Share | None
    high: Share | None
    corrected: Share | None = None
    corrected_low: Share | None = None
    corrected_high: Share | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_order("the share", self.low, self.share, self.high)
        require_order("the corrected share", self.corrected_low, self.corrected, self.corrected_high)
        return self

    @property
    def interval(self) -> Interval | None:
        """Of the share; None without a clear image."""
        return None if self.low is None or self.high is None else Interval(self.low, self.high)

    @property
    def corrected_interval(self) -> Interval | None:
        """Of the corrected share; None where the detector's errors are not known."""
        known = self.corrected_low is not None and self.corrected_high is not None
        return Interval(self.corrected_low, self.corrected_high) if known else None  # type: ignore[arg-type]


class AmplifiedShare(Value):
    """A class's share less its share in a reference, with the interval of the difference."""

    reference: Share
    difference: Difference
    low: Difference
    high: Difference

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_order("the difference", self.low, self.difference, self.high)
        return self


class Audit(Value):
    """One concept on one axis.

    Attributes:
        n, unclear: all images, and those in which the detector saw no class plainly; shares are over the others.
        no_picture: how many of the unclear images are no pictures, by reason; None where all are pictures.
        target: the wanted shares.
        spd: statistical parity difference, largest share − smallest; `spd_low`, `spd_high` its bounds.
        tv: total variation from the target; `floor` what a model exactly on target shows at this n by chance.
        kl_bits, entropy_bits: base 2. `gap_squared_unbiased`: 0 on average on target; see `statistics.disparity`.
        concept_fidelity: share of images whose role or scene is the one asked for; None without such a detector.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {
        "intervention": "intervention",
        "amplification": "amplification",
        "bias_amplification": "amplification",
        "no_picture": "no_picture",
    }

    concept: str
    axis: str
    intervention: str | None = None
    n: Count
    unclear: Count
    no_picture: dict[NoPicture, Count] | None = None
    classes: Annotated[dict[str, ClassShare], Field(min_length=1)]
    target: dict[str, Share]
    spd: Share | None
    spd_low: Share | None
    spd_high: Share | None
    tv: Share | None
    tv_low: Share | None
    tv_high: Share | None
    kl_bits: Number | None
    entropy_bits: Number | None
    mean_pairwise_gap: Number | None
    heim_imbalance: Number | None
    floor: Number | None
    gap_squared_unbiased: Number | None
    concept_fidelity: Share | None
    amplification: dict[str, AmplifiedShare] | None = None
    bias_amplification: Difference | None = None

    @model_validator(mode="after")
    def _counts_add_up(self) -> Self:
        counted = sum(found.count for found in self.classes.values())
        if counted + self.unclear != self.n:
            raise ValueError(f"{counted} images with a class and {self.unclear} unclear are not {self.n}")
        if self.target.keys() != self.classes.keys():
            raise ValueError("the target is of other classes")
        for name, found in self.classes.items():
            share = found.count / counted if counted else None
            if (found.share is None) != (share is None) or abs((found.share or 0) - (share or 0)) > SHOWN:
                raise ValueError(f"the share of '{name}' is not its count, {found.count} of {counted}")
        require_order("spd", self.spd_low, self.spd, self.spd_high)
        require_order("tv", self.tv_low, self.tv, self.tv_high)
        return self

    @property
    def clear(self) -> int:
        """Images that show a class plainly."""
        return self.n - self.unclear

    def __getitem__(self, name: str) -> ClassShare:
        """The share of a class.

        Raises:
            EquinoiseError: the axis has no such class.
        """
        if name not in self.classes:
            raise EquinoiseError(f"axis '{self.axis}' has no class '{name}'; it has {', '.join(self.classes)}")
        return self.classes[name]

    @property
    def corrected(self) -> bool:
        """Whether the detector's errors are known on this axis."""
        return all(found.corrected is not None for found in self.classes.values())


def each_once(audits: tuple[Audit, ...]) -> tuple[Audit, ...]:
    """The audits, each of another concept, axis and intervention.

    Raises:
        ValueError: one comes twice.
    """
    seen = Counter((audit.concept, audit.axis, audit.intervention) for audit in audits)
    twice = next((key for key, times in seen.items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"'{twice[0]}' on '{twice[1]}' comes twice")
    return audits


class PooledShare(Value):
    """The mean share of a class over prompts; its interval counts prompts and is None for a single one."""

    share: Share | None
    low: Share | None
    high: Share | None


class Pooled(Value):
    """One axis over all concepts."""

    ABSENT: ClassVar[Mapping[str, str]] = {
        "intervention": "intervention",
        "bias_amplification": "bias_amplification_prompts",
        "bias_amplification_low": "bias_amplification_prompts",
        "bias_amplification_high": "bias_amplification_prompts",
        "bias_amplification_prompts": "bias_amplification_prompts",
    }

    axis: str
    intervention: str | None = None
    prompts: Count
    n: Count
    classes: dict[str, PooledShare]
    bias_amplification: float | None = None
    bias_amplification_low: float | None = None
    bias_amplification_high: float | None = None
    bias_amplification_prompts: int | None = None


class Sequential(Value):
    """How a sequential audit of one concept ended: after so many looks, with every interval narrow enough or not."""

    concept: str
    until_width: float
    looks: int
    n: int
    reached: bool


class Faces(Value):
    """Where faces come first: whose face is read, and how many images show none."""

    policy: str
    images_without: int


class DetectorInfo(Value):
    """The detector that read the images: its weights and thresholds, and its settings where it has some."""

    ABSENT: ClassVar[Mapping[str, str]] = {"settings": "settings", "finder": "finder"}

    name: str
    weights: str | None
    unclear_below: float
    thresholds: dict[str, float]
    settings: dict[str, JsonValue] | None = None
    finder: str | None = None


class FilterDecision(Value):
    """Whether a plan is for a concept, and why."""

    concept: str
    touched: bool
    reason: str


class PlanInfo(Value):
    """The plan that images were made with, and its prompt filter's decision on each concept."""

    name: str
    digest: str
    gate: tuple[FilterDecision, ...]
    prompt_filter: tuple[FilterDecision, ...]


class Attempts(Value):
    """What images took where some were made by rejection sampling: attempts, and denoiser calls."""

    images: int
    denoiser_calls: int
    extra_calls_per_image: float | None
    selected: int
    draws: int
    early_checks: int
    kept_without_a_match: int


class AuditResult(Result):
    """What `audit` found: one audit a concept and axis, and each axis pooled over the concepts.

    `result["gender"]["woman"].share` with one concept, `result["a photo of a doctor"]["gender"]` with several.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {
        name: name for name in ("sequential", "plan", "drawn", "faces", "corrected_by")
    } | {"detector": "corrected_by"}

    audits: Annotated[tuple[Audit, ...], AfterValidator(each_once)]
    pooled: tuple[Pooled, ...]
    sequential: tuple[Sequential, ...] | None = None
    plan: PlanInfo | None = None
    drawn: Attempts | None = None
    faces: Faces | None = None
    detector: DetectorInfo | None = None
    corrected_by: dict[str, dict[str, JsonValue]] | None = None

    @property
    def concepts(self) -> list[str]:
        """Every concept, in order."""
        return list(dict.fromkeys(audit.concept for audit in self.audits))

    @property
    def axes(self) -> list[str]:
        """Every axis, in order."""
        return list(dict.fromkeys(audit.axis for audit in self.audits))

    def __getitem__(self, key: str) -> Any:
        """The audit of an axis (one concept), or the audits of a concept by axis.

        Raises:
            EquinoiseError: no such axis or concept, or an axis where there are several concepts.
        """
        if key in self.concepts:
            return {audit.axis: audit for audit in self.audits if audit.concept == key}
        if key not in self.axes:
            known = ", ".join([*self.axes, *(f"'{concept}'" for concept in self.concepts)])
            raise EquinoiseError(f"this audit has no axis or concept '{key}'; it has {known}")
        if len(self.concepts) > 1:
            first = self.concepts[0]
            raise EquinoiseError(
                f"this audit is of {len(self.concepts)} concepts: name the concept first, before[concept][axis], such "
                f"as before['{first}']['{key}']"
            )
        found = [audit for audit in self.audits if audit.axis == key]
        return found[0]

    def table(self) -> TextTable:
        """One row a class; corrected shares where the detector's errors are known."""
        corrected = any(found.corrected is not None for audit in self.audits for found in audit.classes.values())
        rows: list[tuple[str, ...]] = []
        bars: list[Bar | None] = []
        for audit in self.audits:
            under = f" [{audit.intervention}]" if audit.intervention else ""
            names = (audit.concept + under, audit.axis)
            for name, found in audit.classes.items():
                more = [share(found.corrected, found.corrected_low, found.corrected_high)] if corrected else []
                counted = f"{found.count} of {audit.clear}"
                shares = share(found.share, found.low, found.high)
                rows.append((*names, name, counted, shares, *more, percent(audit.target[name])))
                bars.append(Bar(found.share, found.low, found.high, audit.target[name]))
                names = ("", "")
            if audit.unclear:
                rows.append(("", "", "unclear", f"{audit.unclear} of {audit.n}", "", *[""] * corrected, ""))
                bars.append(None)
            rows.append(())
            bars.append(None)
        heads = ("concept", "axis", "class", "count", "share (95%)", *["corrected (95%)"] * corrected, "target")
        return TextTable(heads, tuple(rows), self._notes(), bars=tuple(bars))

    def _notes(self) -> str:
        enough = {True: "narrow enough", False: "not narrow enough yet"}
        notes = [f"{one.concept}: {one.n} images, {enough[one.reached]}" for one in self.sequential or ()]
        if self.faces and self.faces.images_without:
            notes.append(f"no face found in {self.faces.images_without} images, which are unclear")
        return joined([*notes, in_words(self._none())])

    def _none(self) -> dict[NoPicture, int]:
        """How many images are no pictures, each counted once, on whatever axes it was read."""
        groups: dict[tuple[str, str | None], dict[NoPicture, int]] = {}
        for audit in self.audits:
            known = groups.setdefault((audit.concept, audit.intervention), {})
            known |= {reason: max(n, known.get(reason, 0)) for reason, n in (audit.no_picture or {}).items()}
        return add_reasons(groups.values())

    def rows(self) -> Sequence[Row]:
        """A row a concept, axis and class."""
        return [
            {
                "concept": audit.concept,
                "axis": audit.axis,
                "intervention": audit.intervention,
                "class": name,
                **found.model_dump(),
                "target": audit.target[name],
                "n": audit.n,
                "unclear": audit.unclear,
                **({"no_picture": sum(audit.no_picture.values())} if audit.no_picture else {}),
            }
            for audit in self.audits
            for name, found in audit.classes.items()
        ]

    def plot(self) -> go.Figure:
        """Share of each class with its interval against the target, an axis of a concept below the other."""
        panels: dict[str, dict[str, dict[str, Bar]]] = {}
        for audit in self.audits:
            panel = panels.setdefault(f"{audit.concept}: {audit.axis}", {})
            panel[audit.intervention or "measured"] = audit_bars(audit)
        return shares_chart(list(panels.items()))


def audit_bars(audit: Audit) -> dict[str, Bar]:
    """By class the share, its interval and its target."""
    return {name: Bar(found.share, found.low, found.high, audit.target[name]) for name, found in audit.classes.items()}
