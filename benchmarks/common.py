"""What the measurements share: directions, audits under one intervention, and results that are kept and resumed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from emoji_world.tables import RESULTS, Row, show
from equinoise import (
    AuditResult,
    Axis,
    DirectionSet,
    Engine,
    EquinoiseWarning,
    Intervention,
    Model,
    Part,
    Plan,
    Traces,
    audit,
    load_axis,
)
from equinoise.directions import estimators
from equinoise.files import append
from equinoise.models.base import Step
from equinoise.results.audits import Audit
from equinoise.results.base import Value
from equinoise.seeds import VERIFY

T = TypeVar("T", bound=Value)
RUNS = Path("runs") / "benchmarks"


def fit_quickly(traces: Traces, estimator: str = "paired", steps: Sequence[Step] | None = None) -> DirectionSet:
    """As `equinoise.fit`, without p-values and warnings: how well classes are told apart is not measured here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)
        return estimators.fit(traces, estimator, steps, permutations=0)


def audit_under(
    model: Model, engine: Engine, concept: str, change: Intervention | None, n: int, axes: Sequence[Axis], name: str
) -> AuditResult:
    """The audit of one concept on n fresh seeds under one intervention; images are kept and resumed."""
    plan = Plan(concept, {}, (Part(change, 1.0),)) if change and change.shifts else None
    return audit(model, concept, axes=axes, n=n, plan=plan, seed=VERIFY, out=RUNS / name, engine=engine)


class Journal(Generic[T]):
    """Rows by key under `runs/benchmarks/NAME.jsonl`, a line each: a measurement that was cut off goes on from there.

    `about` is what the rows depend on; those made under another are left aside.
    """

    def __init__(self, name: str, about: Mapping[str, Any], kind: type[T]) -> None:
        """`kind`: the type of the rows."""
        self._path = RUNS / f"{name}.jsonl"
        self._about = json.loads(json.dumps(about))
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        read = [json.loads(line) for line in lines if line.endswith("}")]
        ours = [line for line in read if line["about"] == self._about]
        self.rows: dict[str, T] = {line["key"]: kind.from_json(line["row"], str(self._path)) for line in ours}

    def add(self, key: str, row: T) -> None:
        """Keep a row."""
        self.rows[key] = row
        self._path.parent.mkdir(parents=True, exist_ok=True)
        append(self._path, json.dumps({"key": key, "about": self._about, "row": row.to_json()}) + "\n")


def folder_of(about: Mapping[str, Any]) -> str:
    """A folder name that is unique to these settings."""
    return sha256(repr(about).encode()).hexdigest()[:12]


def people() -> list[Axis]:
    """Gender and tone."""
    return [load_axis("gender"), load_axis("tone")]


def tell(rows: Sequence[Row] | Sequence[Value], name: str) -> None:
    """Print the rows and keep them as JSON."""
    show(rows)
    keep(rows, name)


def keep(results: object, name: str) -> None:
    """Write `benchmarks/results/NAME.json`; each `Value` in the results as its `to_json` gives it."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1, default=_plain) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Value):
        return value.to_json()
    raise TypeError(f"{type(value).__name__} is not JSON")


def dark_share(audit: Audit) -> tuple[int, int]:
    """Images in the two darkest tones, and images with a tone."""
    return audit["medium-dark"].count + audit["dark"].count, audit.clear
