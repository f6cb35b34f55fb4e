"""Methods of mitigation on the same seeds: what each reaches, what it costs, and what else it does to the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from equinoise.charts.clouds import Point, cloud
from equinoise.results.audits import Audit, ClassShare
from equinoise.results.base import Result, Value
from equinoise.results.interactions import AxisEffect
from equinoise.results.plans import TargetVerdict
from equinoise.results.quality import FidelityKept, Measure
from equinoise.results.tables import Row, TextTable, joined

if TYPE_CHECKING:
    import plotly.graph_objects as go

Setting = Literal["published", "tuned"]
BARE = "untouched"
"""The name of the method that changes nothing."""
Gate = Literal["concept", "images"]
HEADS = (
    "method", "strength", "share (95%)", "gap² ×10⁴", "right", "KID ×10³", "calls", "set-up", "verdict",
)  # fmt: skip


def concept_folder(concept: str) -> str:
    """The folder of a concept, within that of the comparison."""
    return quote(concept.replace(" ", "-"), safe="")


class MethodSetting(Value):
    """A method on a concept and an axis.

    Attributes:
        name, title, source, changes: of the method.
        setting: as published, or with the strength that was chosen on pilots.
        strength: None where the method has none.
    """

    name: str
    title: str
    source: str
    changes: str
    setting: Setting
    concept: str
    axis: str
    strength: float | None

    @property
    def label(self) -> str:
        """For charts."""
        return self.title if self.setting == "published" else f"{self.title}, tuned"

    @property
    def place(self) -> str:
        """The folder of the images, within that of the comparison: equal strengths have the same images."""
        strength = "" if self.strength is None else f"-{self.strength:g}"
        own = BARE if self.name == BARE else f"{self.axis}-{self.name}{strength}"
        return f"{concept_folder(self.concept)}/{own}"


class MethodRow(MethodSetting):
    """What a method made of a concept on an axis, in one setting.

    Attributes:
        audit: shares, and the unbiased squared gap to the target.
        gap_squared: `gap_squared_unbiased` with its interval.
        verdict: whether the whole interval of every class lies within the target ± margin.
        concept_fidelity: share of images whose role or scene is right; `fidelity_kept` against the untouched images of
            the same seeds. None without a detector that tells roles.
        diversity, kid: within classes, against images whose prompts name these; None where no class has two images.
        off_target: every other axis, paired with the untouched images.
        moved: mean distance (1 − cosine of the encoder's vectors) from the untouched image of the same seed; None
            where fewer than two images have one.
        unchanged: of the n images those that are the untouched ones, pixel for pixel.
        worse: gates that are not passed: `concept` where it is right less often than untouched beyond chance, `images`
            where the kernel distance is larger than that of the untouched images beyond chance.
        setup_calls, tuning_calls: denoiser calls of the set-up, and those by which the strength was chosen.
        seconds_per_image: where all images were made in one go, else None.
        settings: what was set up, by name.
    """

    audit: Audit
    gap_squared: Measure | None
    verdict: TargetVerdict
    concept_fidelity: float | None
    fidelity_kept: FidelityKept | None
    diversity: Measure | None
    kid: Measure | None
    off_target: dict[str, AxisEffect]
    moved: Measure | None
    unchanged: ClassShare
    worse: tuple[Gate, ...]
    denoiser_calls_per_image: float
    setup_calls: float
    tuning_calls: float
    seconds_per_image: float | None
    settings: dict[str, float | str]


class MethodFailed(MethodSetting):
    """A method without images: its authors give no form for the axis or the model, or it failed."""

    reason: str


class MethodsResult(Result):
    """What `compare` measured: a row a concept, axis, method and setting, all on the same seeds."""

    n: int
    margin: float
    methods: tuple[MethodRow, ...]
    failed: tuple[MethodFailed, ...]

    def find(self, name: str, setting: Setting | None = None) -> list[MethodRow]:
        """The rows of a method."""
        return [row for row in self.methods if row.name == name and setting in (None, row.setting)]

    def table(self) -> TextTable:
        """One row a method and setting; below them what there is no row of, and why."""
        several = len({(row.concept, row.axis) for row in self.methods}) > 1
        rows: list[tuple[str, ...]] = []
        for concept, axis in dict.fromkeys((row.concept, row.axis) for row in self.methods):
            rows += [(f"{concept}, {axis}", *[""] * (len(HEADS) - 1))] if several else []
            rows += [_cells(row) for row in self.methods if (row.concept, row.axis) == (concept, axis)]
            rows.append(())
        caption = joined((
            f"the same {self.n} seeds in every row",
            f"on target: every interval within ±{100 * self.margin:g} points",
            "gap²: unbiased, to the target; right: images that show the concept",
            "calls of the denoiser: an image, and of the set-up",
            "worse: the concept is right less often, or images lie farther from those of named prompts, than untouched",
            *(f"no row: {row.concept}, {row.axis}, {row.reason}" for row in self.failed),
        ))  # fmt: skip
        return TextTable(HEADS, tuple(rows[:-1]), caption, "" if several or not rows else self._title)

    @property
    def _title(self) -> str:
        return f"{self.methods[0].concept}, {self.methods[0].axis}"

    def rows(self) -> Sequence[Row]:
        """A row a method and setting."""
        return [_row(row) for row in self.methods]

    def plot(self) -> go.Figure:
        """The unbiased squared gap against how often the concept is right; those that fail a gate stand out."""
        return gap_chart(self.methods, "fidelity")


def gap_chart(rows: Sequence[MethodRow], against: Literal["fidelity", "cost"]) -> go.Figure:
    """The unbiased squared gap against how often the concept is right, or against the denoiser calls of an image."""
    points = [
        Point(row.label, across, row.gap_squared.value, marked=bool(row.worse))
        for row in rows
        if row.gap_squared
        and (across := row.concept_fidelity if against == "fidelity" else row.denoiser_calls_per_image) is not None
    ]
    title = "share of images with the concept right" if against == "fidelity" else "denoiser calls an image"
    return cloud(
        points, title, "unbiased squared gap to the target", names=("passes the gates", "worse than untouched")
    )


def _cells(row: MethodRow) -> tuple[str, ...]:
    return (
        row.name,
        "" if row.strength is None else f"{row.strength:g}" + (" tuned" if row.setting == "tuned" else ""),
        shares_text(row),
        f"{1e4 * row.gap_squared.value:.0f}" if row.gap_squared else "",
        "–" if row.concept_fidelity is None else f"{row.concept_fidelity:.0%}",
        f"{1000 * row.kid.value:.0f}" if row.kid else "",
        f"{row.denoiser_calls_per_image:.0f}",
        f"{row.setup_calls + row.tuning_calls:,.0f}",
        joined([row.verdict.said, *(f"worse {gate}" for gate in row.worse)]),
    )


def shares_text(row: MethodRow) -> str:
    """Of two classes the first with its interval: `woman 50% (44–56)`; of more all shares: `12/20/30/20/18%`."""
    classes = list(row.audit.classes.items())
    if any(found.share is None for _, found in classes):
        return "–"
    if len(classes) == 2:
        name, found = classes[0]
        return f"{name} {found.share:.0%} ({100 * (found.low or 0):.0f}–{100 * (found.high or 0):.0f})"
    return "/".join(f"{100 * (found.share or 0):.0f}" for _, found in classes) + "%"


def _row(row: MethodRow) -> Row:
    gap = row.gap_squared
    return {
        "concept": row.concept,
        "axis": row.axis,
        "method": row.name,
        "setting": row.setting,
        "strength": row.strength,
        **{f"share of {name}": c.share for name, c in row.audit.classes.items()},
        "unclear": row.audit.unclear,
        "gap_squared": gap.value if gap else None,
        "gap_squared_low": gap.low if gap else None,
        "gap_squared_high": gap.high if gap else None,
        "verdict": row.verdict.verdict,
        "concept_fidelity": row.concept_fidelity,
        "diversity": row.diversity.value if row.diversity else None,
        "kid": row.kid.value if row.kid else None,
        "moved": row.moved.value if row.moved else None,
        "unchanged": row.unchanged.share,
        "denoiser_calls_per_image": row.denoiser_calls_per_image,
        "setup_calls": row.setup_calls,
        "tuning_calls": row.tuning_calls,
        "seconds_per_image": row.seconds_per_image,
        "worse": ", ".join(row.worse),
    }
