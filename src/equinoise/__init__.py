"""equinoise: measure social bias in text-to-image models and mitigate it by shifting the initial noise.

>>> from equinoise import load_axis
>>> load_axis("gender").classes
('woman', 'man')
"""

from equinoise.axes import Axis, catalogue, load_axis
from equinoise.engine import Engine, Job, Request
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.mitigation import Direction, DirectionSet, Intervention, Shift, Traces, fit
from equinoise.models import ModelSpec, Sampling, load
from equinoise.report import write_report
from equinoise.run import Record, RunFolder, read_records
from equinoise.session import open_session
from equinoise.understanding import audit

__version__ = "0.1.0"

__all__ = [
    "Axis",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "Intervention",
    "Job",
    "ModelSpec",
    "Record",
    "Request",
    "RunFolder",
    "Sampling",
    "Shift",
    "Traces",
    "audit",
    "catalogue",
    "fit",
    "load",
    "load_axis",
    "open_session",
    "read_records",
    "write_report",
]
