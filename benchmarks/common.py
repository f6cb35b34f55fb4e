"""What the measurements share: collecting, shifting and counting on the emoji model, with everything kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from equinoise.axes import Axis, load_axis
from equinoise.directions.traces import Traces
from equinoise.engine import Engine, Job
from equinoise.files import append
from equinoise.models.base import Step
from equinoise.run import Record, RunFolder
from equinoise.steering.intervention import Intervention
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.workflows.collecting import Collecting, TraceFolder
from equinoise.workflows.making import Maker
from equinoise.workflows.settings import Model

Row = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs") / "benchmarks"


def gather(
    model: Model,
    engine: Engine,
    axis: Axis,
    prompts: Mapping[str, str],
    seeds: Sequence[int],
    steps: Sequence[Step],
    name: str,
) -> Traces:
    """Traces from the same seeds for every prompt, kept under `runs/benchmarks` and taken from there if complete."""
    said = dict(prompts)
    about = {"axis": axis.digest, "prompts": said, "n": len(seeds), "seed": seeds[0], "capture": list(steps)}
    folder = TraceFolder(RUNS / name, {**about, **model.to_json()})
    return Collecting(axis, said, tuple(steps)).run(Maker(model, engine), seeds, folder)


def shares(
    model: Model,
    engine: Engine,
    concept: str,
    intervention: Intervention,
    seeds: Sequence[int],
    axes: Sequence[Axis],
    name: str,
) -> tuple[dict[str, Row], list[Record]]:
    """Axis → audit object of one concept under one intervention; images are kept and resumed."""
    change = intervention if intervention.shifts else None
    jobs = [Job(str(seed), concept, seed, change) for seed in seeds]
    shifts = {shift.name: shift.direction.digest for shift in intervention.shifts}
    about = {"concept": concept, "shifts": shifts, "n": len(seeds), "seed": seeds[0], **model.to_json()}
    run = RunFolder(RUNS / name, about)
    records = Maker(model, engine).make(name, jobs, axes, run)
    run.finish([job.id for job in jobs], {})
    counts = tally(records, axes, {concept: model.detector.role(concept)})
    return {audit.axis: audit.to_json() for audit in Measures().audit(counts).audits}, records


class Journal:
    """Rows by key under `runs/benchmarks/NAME.jsonl`, a line each: a measurement that was cut off goes on from there.

    `about` is what the rows depend on; those made under another are left aside.
    """

    def __init__(self, name: str, about: Mapping[str, Any]) -> None:
        self._path = RUNS / f"{name}.jsonl"
        self._about = json.loads(json.dumps(about))
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        read = [json.loads(line) for line in lines if line.endswith("}")]
        self.rows: dict[str, Row] = {line["key"]: line["row"] for line in read if line["about"] == self._about}

    def add(self, key: str, row: Row) -> None:
        """Keep a row."""
        self.rows[key] = row
        self._path.parent.mkdir(parents=True, exist_ok=True)
        append(self._path, json.dumps({"key": key, "about": self._about, "row": row}) + "\n")


def folder_of(about: Mapping[str, Any]) -> str:
    """A name that no other settings have."""
    return sha256(repr(about).encode()).hexdigest()[:12]


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as the docs have it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def axes() -> list[Axis]:
    return [load_axis("gender"), load_axis("tone")]


def tell(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Print the rows and keep them as JSON."""
    tabulate(rows)
    keep(list(rows), name)


def tabulate(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=170).print(table)


def keep(results: Any, name: str) -> None:
    """Write `benchmarks/results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


def dark_share(audit: Mapping[str, Any]) -> tuple[int, int]:
    """Images in the two darkest tones, and images with a tone."""
    classes = audit["classes"]
    return classes["medium-dark"]["count"] + classes["dark"]["count"], audit["n"] - audit["unclear"]
