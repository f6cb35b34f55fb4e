"""What prompts show of the axes that they leave open, against the planted shares, by guidance scale.

With thousands of images of a prompt this is the model's own truth. Every guidance scale is a run of its own under
`runs/neutral`, which a killed measurement goes on from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import numpy as np
from pydantic import Field
from scipy import stats

from emoji_world.measure.common import SEED, Settings
from emoji_world.prompts import planted_prompts
from equinoise import AuditResult, Model, audit, load
from equinoise.results.audits import ClassShare
from equinoise.results.base import Value
from equinoise.statistics import Interval

Shares = Mapping[str, Mapping[str, float]]
FIRST = SEED + 3


class NeutralClass(Settings):
    """A class of an axis of a neutral prompt: its planted share, and the images with a class of the axis.

    `role_right`: share of the prompt's images whose role or scene is the one asked for.
    """

    prompt: str
    role_right: float | None
    axis: str
    label: str = Field(alias="class")
    planted: float
    n: int


class NeutralShare(ClassShare, NeutralClass):
    """The same with the share that was detected, and corrected where the detector's errors are known."""

    @property
    def shown(self) -> float:
        """The share that the model shows: corrected for the detector's errors where they are known."""
        return float((self.share if self.corrected is None else self.corrected) or 0.0)

    @property
    def ends(self) -> Interval:
        """The interval of `shown`."""
        return self.corrected_interval or self.interval or Interval(0.0, 1.0)


class NeutralSummary(Value):
    """All classes that were planted, at one guidance scale.

    Attributes:
        classes: how many.
        mean_distance, by_chance: from the planted shares, and what a model exactly on them would show by chance.
        largest, where: the largest distance and its class.
        over_10_points, over_by_chance: classes farther off, and how many chance alone would put there.
        surely_so: classes whose whole interval lies farther off.
        rarest_share, label: the rarest class.
        under_5: classes of a share under 5%.
        role_right: mean over the classes.
    """

    guidance: float
    classes: int
    mean_distance: float = Field(alias="mean distance")
    by_chance: float = Field(alias="by chance")
    largest: float
    where: str
    over_10_points: int = Field(alias="over 10 points")
    over_by_chance: float = Field(alias="over by chance")
    surely_so: int = Field(alias="surely so")
    rarest_share: float = Field(alias="rarest share")
    label: str = Field(alias="class")
    under_5: int = Field(alias="under 5%")
    role_right: float = Field(alias="role right")


def neutral(n: int, models: Sequence[Model], only: Sequence[str]) -> list[NeutralShare]:
    """n images of every role and scene (or of those given), on every model: planted, detected, corrected shares."""
    asked = {text: shares for text, shares in planted_prompts().items() if not only or any(o in text for o in only)}
    rows = []
    for model in models:
        for axes in dict.fromkeys(tuple(shares) for shares in asked.values()):
            texts = [text for text, shares in asked.items() if tuple(shares) == axes]
            found = audit(model, texts, axes=axes, n=n, seed=FIRST, out=_folder(model, texts, n))
            rows += _rows(Settings.of(model), asked, found)
    return rows


def neutral_models(guidance: Sequence[float], steps: int, dtype: str | None) -> list[Model]:
    """The emoji model at each guidance scale, its own where none is given."""
    scales: Sequence[float | None] = guidance or [None]
    return [load("emoji", steps=steps, guidance_scale=scale, dtype=dtype, device="cpu") for scale in scales]


def _folder(model: Model, texts: Sequence[str], n: int) -> Path:
    made = [str(model.backend.provenance["weights"]), *texts]
    which, sampling = sha256("\n".join(made).encode()).hexdigest()[:8], model.sampling
    return Path("runs") / "neutral" / f"{sampling.guidance_scale:g}-{sampling.steps}-{n}-{which}"


def _rows(settings: Settings, planted_shares: Mapping[str, Shares], found: AuditResult) -> list[NeutralShare]:
    return [
        NeutralShare(
            **dict(settings),
            **dict(share),
            prompt=one.concept,
            role_right=one.concept_fidelity,
            axis=one.axis,
            label=name,
            planted=planted_shares[one.concept][one.axis][name],
            n=one.clear,
        )
        for one in found.audits
        for name, share in one.classes.items()
    ]


def _chance(row: NeutralShare) -> tuple[float, float]:
    """Expected distance, and chance of one over 10 points, of a model that shows exactly what was planted."""
    counts = np.arange(row.n + 1)
    odds = stats.binom.pmf(counts, row.n, row.planted)
    off = np.abs(counts / row.n - row.planted)
    return float(odds @ off), float(odds @ (off > 0.10))


def summary(rows: Sequence[NeutralShare]) -> list[NeutralSummary]:
    """By guidance: the mean and largest distance from the planted shares, and the rarest class of all."""
    planted = [row for row in rows if row.planted > 0]
    return [
        _summary([row for row in planted if row.guidance == scale]) for scale in sorted({row.guidance for row in rows})
    ]


def _summary(rows: Sequence[NeutralShare]) -> NeutralSummary:
    off = [abs(row.shown - row.planted) for row in rows]
    chances = [_chance(row) for row in rows]
    worst, rarest = rows[off.index(max(off))], min(rows, key=lambda row: row.shown)
    return NeutralSummary(
        guidance=rows[0].guidance,
        classes=len(rows),
        mean_distance=sum(off) / len(off),
        by_chance=sum(distance for distance, _ in chances) / len(rows),
        largest=max(off),
        where=f"{worst.prompt}: {worst.label}",
        over_10_points=sum(distance > 0.10 for distance in off),
        over_by_chance=sum(over for _, over in chances),
        # where a class is so rare or common that chance alone cannot be the reason
        surely_so=sum(row.ends.low > row.planted + 0.10 or row.ends.high < row.planted - 0.10 for row in rows),
        rarest_share=rarest.shown,
        label=f"{rarest.prompt}: {rarest.label}",
        under_5=sum(row.shown < 0.05 for row in rows),
        role_right=fmean(row.role_right or 0.0 for row in rows),
    )
