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
    from equinoise.detectors import DetectorSpec, load_detector
    from equinoise.directions.direction import Direction, DirectionSet
    from equinoise.directions.estimators import fit
    from equinoise.directions.traces import Traces
    from equinoise.encoders import load_encoder
    from equinoise.engine import Engine, Job, Request
    from equinoise.errors import EquinoiseError, EquinoiseWarning
    from equinoise.hub.cards import Notes
    from equinoise.models import ModelSpec, Sampling, load
    from equinoise.models.base import draw_noise, step_at
    from equinoise.page.assembly import write_report
    from equinoise.run import Record, RunFolder, read_records
    from equinoise.statistics import Confusion
    from equinoise.steering.attach import Attachment, attach
    from equinoise.steering.intervention import Intervention, Shift
    from equinoise.steering.plan import Part, Plan
    from equinoise.steering.prompt_filter import PromptFilter, class_words
    from equinoise.understanding.audit import audit, audit_counts
    from equinoise.understanding.counts import Counts
    from equinoise.understanding.disagreements import find_disagreements
    from equinoise.understanding.relations import Relations, relate_texts
    from equinoise.workflows.live import collect
    from equinoise.workflows.settings import open_session

__version__ = "0.1.0"

_HOMES = {
    "axes": ("Axis", "catalogue", "load_axis"),
    "detectors": ("DetectorSpec", "load_detector"),
    "directions.direction": ("Direction", "DirectionSet"),
    "directions.estimators": ("fit",),
    "directions.traces": ("Traces",),
    "encoders": ("load_encoder",),
    "engine": ("Engine", "Job", "Request"),
    "errors": ("EquinoiseError", "EquinoiseWarning"),
    "hub.cards": ("Notes",),
    "models": ("ModelSpec", "Sampling", "load"),
    "models.base": ("draw_noise", "step_at"),
    "page.assembly": ("write_report",),
    "run": ("Record", "RunFolder", "read_records"),
    "statistics": ("Confusion",),
    "steering.attach": ("Attachment", "attach"),
    "steering.intervention": ("Intervention", "Shift"),
    "steering.plan": ("Part", "Plan"),
    "steering.prompt_filter": ("PromptFilter", "class_words"),
    "understanding.audit": ("audit", "audit_counts"),
    "understanding.counts": ("Counts",),
    "understanding.disagreements": ("find_disagreements",),
    "understanding.relations": ("Relations", "relate_texts"),
    "workflows.live": ("collect",),
    "workflows.settings": ("open_session",),
}

__all__ = [
    "Attachment",
    "Axis",
    "Confusion",
    "Counts",
    "DetectorSpec",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "Intervention",
    "Job",
    "ModelSpec",
    "Notes",
    "Part",
    "Plan",
    "PromptFilter",
    "Record",
    "Relations",
    "Request",
    "RunFolder",
    "Sampling",
    "Shift",
    "Traces",
    "attach",
    "audit",
    "audit_counts",
    "catalogue",
    "class_words",
    "collect",
    "draw_noise",
    "find_disagreements",
    "fit",
    "load",
    "load_axis",
    "load_detector",
    "load_encoder",
    "open_session",
    "read_records",
    "relate_texts",
    "step_at",
    "write_report",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"equinoise.{home}"), name)
    raise AttributeError(f"module 'equinoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
