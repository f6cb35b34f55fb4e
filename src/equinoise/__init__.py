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
    from equinoise.mitigation import Direction, DirectionSet, Intervention, Shift, Traces, fit
    from equinoise.models import ModelSpec, Sampling, load
    from equinoise.report import write_report
    from equinoise.run import Record, RunFolder, read_records
    from equinoise.session import open_session
    from equinoise.statistics import Confusion
    from equinoise.understanding import Counts, audit_counts
    from equinoise.understanding.audit import audit
    from equinoise.understanding.misalignment import misalign
    from equinoise.understanding.relations import Relations, relate_texts

__version__ = "0.1.0"

_HOMES = {
    "axes": ("Axis", "catalogue", "load_axis"),
    "engine": ("Engine", "Job", "Request"),
    "errors": ("EquinoiseError", "EquinoiseWarning"),
    "mitigation": ("Direction", "DirectionSet", "Intervention", "Shift", "Traces", "fit"),
    "models": ("ModelSpec", "Sampling", "load"),
    "report": ("write_report",),
    "run": ("Record", "RunFolder", "read_records"),
    "session": ("open_session",),
    "statistics": ("Confusion",),
    "understanding": ("Counts", "audit", "audit_counts"),
    "understanding.misalignment": ("misalign",),
    "understanding.relations": ("Relations", "relate_texts"),
}

__all__ = [
    "Axis",
    "Confusion",
    "Counts",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "Intervention",
    "Job",
    "ModelSpec",
    "Record",
    "Relations",
    "Request",
    "RunFolder",
    "Sampling",
    "Shift",
    "Traces",
    "audit",
    "audit_counts",
    "catalogue",
    "fit",
    "load",
    "load_axis",
    "misalign",
    "open_session",
    "read_records",
    "relate_texts",
    "write_report",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"equinoise.{home}"), name)
    raise AttributeError(f"module 'equinoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
