"""Other methods of mitigation behind one interface, to be compared on the same seeds; one module a method."""

from collections.abc import Mapping

from equinoise.methods.base import Brief, Method, NoFormError, Prepared, Setup
from equinoise.methods.equisteer import EQUI_STEER
from equinoise.methods.fair_diffusion import FAIR_DIFFUSION
from equinoise.methods.guidance_interval import GUIDANCE_INTERVAL
from equinoise.methods.noise_guidance import NOISE_GUIDANCE
from equinoise.methods.null_offset import NULL_OFFSET
from equinoise.methods.projection import PROJECTION
from equinoise.methods.prompt import PROMPT_INTERVENTION
from equinoise.methods.rejection import EARLY_REJECTION, REJECTION
from equinoise.methods.uce import UNIFIED_CONCEPT_EDITING
from equinoise.methods.untouched import BARE_MODEL
from equinoise.methods.weak_guidance import WEAK_GUIDANCE

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        BARE_MODEL, PROMPT_INTERVENTION, REJECTION, EARLY_REJECTION, FAIR_DIFFUSION, PROJECTION,
        UNIFIED_CONCEPT_EDITING, EQUI_STEER, NOISE_GUIDANCE, WEAK_GUIDANCE, NULL_OFFSET, GUIDANCE_INTERVAL,
    )
}  # fmt: skip
"""Name → method, of those that need nothing of the workflows; a new one is a module, and a line here."""

__all__ = ["METHODS", "Brief", "Method", "NoFormError", "Prepared", "Setup"]
