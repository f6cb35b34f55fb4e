"""What the measurements share: the axes, making images, shares with intervals, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from equinoise.axes import Axis, load_axis
from equinoise.detectors import role_axis
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.progress import progress
from equinoise.run import Record
from equinoise.statistics import spearman, wilson
from equinoise.workflows.settings import Session

SEED = 7_000_000
NAMES = ("gender", "tone", "age", "house", "wedding", "bird", "ground", "place")
Row = dict[str, Any]
Rows = list[Row]


def axes() -> dict[str, Axis]:
    """Every axis of this world by name, roles and scenes first."""
    known = role_axis("emoji")
    assert known is not None
    return {"role": known} | {name: load_axis(name) for name in NAMES}


def settings_of(session: Session) -> dict[str, Any]:
    """What a row says of how its images were made."""
    return {
        "steps": session.sampling.steps,
        "guidance": session.sampling.guidance_scale,
        "dtype": session.spec.dtype or "float32",
        "weights": str(session.model.provenance["weights"])[:12],
    }


def make(session: Session, prompts: Sequence[str], seeds: Sequence[int]) -> list[Record]:
    """One image a prompt and seed, with every axis detected."""
    jobs = [Job(str(index), *job) for index, job in enumerate(zip(prompts, seeds, strict=True))]
    request = session.request([axis for name, axis in axes().items() if name != "role"])
    with Engine(session.workers) as engine, progress("images", len(jobs)) as tick:
        return make_images(engine, request, jobs, tick=tick)


def likeliest(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda name: probabilities[name])


def tone_order(true: Sequence[str], seen: Sequence[str]) -> float | None:
    """Spearman's correlation of named and seen tones."""
    order = load_axis("tone").classes
    return spearman([order.index(t) for t in true], [order.index(s) for s in seen])


def share(name: str, count: int, n: int) -> dict[str, Any]:
    """A share with its 95% interval."""
    interval = wilson(count, n)
    return {name: count / n, "count": count, "n": n, "low": interval.low, "high": interval.high}


def show(rows: Rows) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*columns)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in (row.get(c, "") for c in columns)))
    Console(width=150).print(table)
