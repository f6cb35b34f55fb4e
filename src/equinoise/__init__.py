"""equinoise: measure social bias in text-to-image models and mitigate it by shifting the initial noise.

>>> import equinoise as eq
>>> model = eq.load("mixture")
>>> found = eq.audit(model, "a photo of a doctor", axes=["gender"], n=64, engine=eq.Engine(model=model.backend))
>>> found["gender"]["woman"].count
11

Names are loaded when they are first used: auditing labels does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equinoise.axes import Axis, catalogue, load_axis
    from equinoise.detectors import DetectorSpec, load_detector
    from equinoise.directions.direction import Direction, DirectionSet
    from equinoise.directions.npy import read_npy, write_npy
    from equinoise.directions.traces import Traces
    from equinoise.encoders import load_encoder
    from equinoise.engine import Engine
    from equinoise.errors import EquinoiseError, EquinoiseWarning
    from equinoise.hub.cards import Notes
    from equinoise.hub.sharing import from_pretrained, push_to_hub, save_pretrained
    from equinoise.models import ModelSpec, Sampling
    from equinoise.models.base import draw_noise, step_at
    from equinoise.prompts import class_prompts
    from equinoise.results.audits import AuditResult
    from equinoise.results.comparisons.runs import ChangesResult
    from equinoise.results.images import ImagesResult
    from equinoise.results.plans import PlanResult
    from equinoise.results.reading import read_result
    from equinoise.results.sweeps import SweepResult
    from equinoise.run import Record, read_records
    from equinoise.runtime.detector import DetectorSettings
    from equinoise.runtime.model import Model, load
    from equinoise.statistics import Confusion
    from equinoise.steering.attach import Attachment, attach
    from equinoise.steering.intervention import Intervention, Shift
    from equinoise.steering.plan import Part, Plan
    from equinoise.steering.prompt_filter import PromptFilter, class_words
    from equinoise.understanding.counts import Counts
    from equinoise.understanding.relations import Relations, relate_texts
    from equinoise.understanding.wordings import Attribute
    from equinoise.workflows.auditing import audit
    from equinoise.workflows.auditing_counts import audit_counts
    from equinoise.workflows.auditing_images import audit_images
    from equinoise.workflows.calibrating import calibrate_detector
    from equinoise.workflows.checking import check
    from equinoise.workflows.collecting import collect
    from equinoise.workflows.comparisons.methods import compare
    from equinoise.workflows.comparisons.runs import compare_runs
    from equinoise.workflows.demo import demo
    from equinoise.workflows.fitting import fit
    from equinoise.workflows.generating import generate
    from equinoise.workflows.objects import Merging, detect_objects
    from equinoise.workflows.planning import plan
    from equinoise.workflows.quality import interactions, quality
    from equinoise.workflows.relating import relate
    from equinoise.workflows.reporting import figures, report
    from equinoise.workflows.sweeping import sweep
    from equinoise.workflows.understanding import ObjectSearch, disagreements, understand

__version__ = "0.2.0"

_HOMES = {
    "axes": (
        "Axis",
        "catalogue",
        "load_axis",
    ),
    "detectors": (
        "DetectorSpec",
        "load_detector",
    ),
    "directions.direction": (
        "Direction",
        "DirectionSet",
    ),
    "directions.npy": (
        "read_npy",
        "write_npy",
    ),
    "directions.traces": ("Traces",),
    "encoders": ("load_encoder",),
    "engine": ("Engine",),
    "errors": (
        "EquinoiseError",
        "EquinoiseWarning",
    ),
    "hub.cards": ("Notes",),
    "hub.sharing": (
        "from_pretrained",
        "push_to_hub",
        "save_pretrained",
    ),
    "models": (
        "ModelSpec",
        "Sampling",
    ),
    "models.base": (
        "draw_noise",
        "step_at",
    ),
    "prompts": ("class_prompts",),
    "results.audits": ("AuditResult",),
    "results.comparisons.runs": ("ChangesResult",),
    "results.images": ("ImagesResult",),
    "results.plans": ("PlanResult",),
    "results.reading": ("read_result",),
    "results.sweeps": ("SweepResult",),
    "run": (
        "Record",
        "read_records",
    ),
    "statistics": ("Confusion",),
    "steering.attach": (
        "Attachment",
        "attach",
    ),
    "steering.intervention": (
        "Intervention",
        "Shift",
    ),
    "steering.plan": (
        "Part",
        "Plan",
    ),
    "steering.prompt_filter": (
        "PromptFilter",
        "class_words",
    ),
    "understanding.counts": ("Counts",),
    "understanding.relations": (
        "Relations",
        "relate_texts",
    ),
    "understanding.wordings": ("Attribute",),
    "workflows.auditing": ("audit",),
    "workflows.auditing_counts": ("audit_counts",),
    "workflows.auditing_images": ("audit_images",),
    "workflows.calibrating": ("calibrate_detector",),
    "workflows.checking": ("check",),
    "workflows.collecting": ("collect",),
    "workflows.comparisons.runs": ("compare_runs",),
    "workflows.demo": ("demo",),
    "runtime.detector": ("DetectorSettings",),
    "workflows.fitting": ("fit",),
    "workflows.generating": ("generate",),
    "workflows.comparisons.methods": ("compare",),
    "workflows.objects": (
        "Merging",
        "detect_objects",
    ),
    "workflows.planning": ("plan",),
    "workflows.quality": (
        "interactions",
        "quality",
    ),
    "workflows.relating": ("relate",),
    "workflows.reporting": (
        "figures",
        "report",
    ),
    "runtime.model": (
        "Model",
        "load",
    ),
    "workflows.sweeping": ("sweep",),
    "workflows.understanding": (
        "ObjectSearch",
        "disagreements",
        "understand",
    ),
}

__all__ = [
    "Attachment",
    "Attribute",
    "AuditResult",
    "Axis",
    "ChangesResult",
    "Confusion",
    "Counts",
    "DetectorSettings",
    "DetectorSpec",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "ImagesResult",
    "Intervention",
    "Merging",
    "Model",
    "ModelSpec",
    "Notes",
    "ObjectSearch",
    "Part",
    "Plan",
    "PlanResult",
    "PromptFilter",
    "Record",
    "Relations",
    "Sampling",
    "Shift",
    "SweepResult",
    "Traces",
    "attach",
    "audit",
    "audit_counts",
    "audit_images",
    "calibrate_detector",
    "catalogue",
    "check",
    "class_prompts",
    "class_words",
    "collect",
    "compare",
    "compare_runs",
    "demo",
    "detect_objects",
    "disagreements",
    "draw_noise",
    "figures",
    "fit",
    "from_pretrained",
    "generate",
    "interactions",
    "load",
    "load_axis",
    "load_detector",
    "load_encoder",
    "plan",
    "push_to_hub",
    "quality",
    "read_npy",
    "read_records",
    "read_result",
    "relate",
    "relate_texts",
    "report",
    "save_pretrained",
    "step_at",
    "sweep",
    "understand",
    "write_npy",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"equinoise.{home}"), name)
    raise AttributeError(f"module 'equinoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
