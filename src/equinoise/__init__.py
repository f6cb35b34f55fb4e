"""equinoise: measure social bias in text-to-image models and mitigate it by shifting the initial noise.

>>> from equinoise import load_axis
>>> load_axis("gender").classes
('woman', 'man')

Names are loaded when they are first used: auditing labels does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equinoise.axes import Axis, catalogue, load_axis
    from equinoise.engine import Engine, Job, Request
    from equinoise.errors import EquinoiseError, EquinoiseWarning
    from equinoise.mitigation import (
        Attachment,
        Direction,
        DirectionSet,
        Gate,
        Intervention,
        Notes,
        Part,
        Plan,
        Shift,
        Traces,
        attach,
        fit,
        words_of,
    )
    from equinoise.models import ModelSpec, Sampling, load
    from equinoise.report import write_report
    from equinoise.run import Record, RunFolder, read_records
    from equinoise.session import open_session
    from equinoise.statistics import Confusion
    from equinoise.understanding import Counts, audit_counts
    from equinoise.understanding.audit import audit

__version__ = "0.1.0"

_HOMES = {
    "axes": ("Axis", "catalogue", "load_axis"),
    "engine": ("Engine", "Job", "Request"),
    "errors": ("EquinoiseError", "EquinoiseWarning"),
    "mitigation": (
        "Attachment",
        "Direction",
        "DirectionSet",
        "Gate",
        "Intervention",
        "Notes",
        "Part",
        "Plan",
        "Shift",
        "Traces",
        "attach",
        "fit",
        "words_of",
    ),
    "models": ("ModelSpec", "Sampling", "load"),
    "report": ("write_report",),
    "run": ("Record", "RunFolder", "read_records"),
    "session": ("open_session",),
    "statistics": ("Confusion",),
    "understanding": ("Counts", "audit", "audit_counts"),
}

__all__ = [
    "Attachment",
    "Axis",
    "Confusion",
    "Counts",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "Gate",
    "Intervention",
    "Job",
    "ModelSpec",
    "Notes",
    "Part",
    "Plan",
    "Record",
    "Request",
    "RunFolder",
    "Sampling",
    "Shift",
    "Traces",
    "attach",
    "audit",
    "audit_counts",
    "catalogue",
    "fit",
    "load",
    "load_axis",
    "open_session",
    "read_records",
    "words_of",
    "write_report",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"equinoise.{home}"), name)
    raise AttributeError(f"module 'equinoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
