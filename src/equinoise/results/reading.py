"""A run folder → the typed result that its `run.json` holds, and what was added to the run since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from equinoise.errors import EquinoiseError
from equinoise.results.audits import AuditResult
from equinoise.results.base import Result
from equinoise.results.comparisons.methods import MethodsResult
from equinoise.results.demo import DemoResult
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.images import ImagesResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.parts import read_part
from equinoise.results.relations import RelationsResult
from equinoise.results.sweeps import SweepResult
from equinoise.run import Json, RunContent, read_content

Source = Result | RunContent | str | Path
"""Where a result comes from: itself, the run that it was written into, or that run's folder."""

TYPES: Mapping[str, type[Result]] = {
    "audit": AuditResult,
    "relate": AuditResult,
    "plan": AuditResult,
    "sweep": SweepResult,
    "generate": ImagesResult,
    "demo": DemoResult,
    "compare": MethodsResult,
}
"""Command → what its run folder holds. `relate` and `plan` make runs that they audit, or only images."""
IMAGES_ONLY: Json = {"audits": [], "pooled": []}

R = TypeVar("R", bound=Result)


def read_result(source: Source) -> Result:
    """The result, with its run.

    Raises:
        EquinoiseError: a folder that is no finished run, a damaged one, one of another version, or of a command that
            keeps no results.
    """
    if isinstance(source, Result):
        return source
    run = read_run(source)
    where = str(run.folder / "run.json") if run.folder else "the run"
    kind = TYPES.get(run.file.command)
    if kind is None:
        raise EquinoiseError(f"{where} is of the command '{run.file.command}', which makes no run for a report")
    found = run.file.results if kind is not AuditResult or "audits" in run.file.results else IMAGES_ONLY
    return kind.from_json(found, where).with_run(run)


def read_run(source: Source) -> RunContent:
    """The run: its file, its records, and where its images lie. The folder of a plan stands for its verification.

    Raises:
        EquinoiseError: a folder that is no finished run, a damaged one, or one of another version; or a result that was
            counted without images.
    """
    if isinstance(source, Result):
        return source.run
    if isinstance(source, RunContent):
        return source
    verification = Path(source) / "verification"
    whole = (Path(source) / "run.json").is_file() or not (verification / "run.json").is_file()
    return read_content(Path(source) if whole else verification)


@dataclass(frozen=True)
class Additions:
    """What `relate`, `detect --objects` and `disagreements` put beside a run; None where they were not called."""

    relations: RelationsResult | None = None
    objects: ObjectsResult | None = None
    disagreements: DisagreementsResult | None = None


def read_additions(run: RunContent) -> Additions:
    """What lies in a run's folder beside `run.json`; nothing for a run in memory.

    Raises:
        EquinoiseError: a file is damaged, or of another version.
    """
    if run.folder is None:
        return Additions()
    return Additions(
        _addition(run, run.folder, RelationsResult),
        _addition(run, run.folder, ObjectsResult),
        _addition(run, run.folder, DisagreementsResult),
    )


def _addition(run: RunContent, folder: Path, kind: type[R]) -> R | None:
    kept = read_part(folder, kind)
    return kept.result.with_run(run) if kept else None
