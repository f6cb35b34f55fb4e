"""Trace → direction → intervention → plan: learn where a class lies in latent space, and shift the noise towards it."""

from equinoise.mitigation.attach import Attachment, attach
from equinoise.mitigation.card import Notes
from equinoise.mitigation.direction import Direction, DirectionSet, Term
from equinoise.mitigation.estimators import ESTIMATORS, fit
from equinoise.mitigation.gate import Gate, words_of
from equinoise.mitigation.intervention import Intervention, Shift
from equinoise.mitigation.origin import Origin
from equinoise.mitigation.plan import Part, Plan
from equinoise.mitigation.trace import Traces

__all__ = [
    "ESTIMATORS",
    "Attachment",
    "Direction",
    "DirectionSet",
    "Gate",
    "Intervention",
    "Notes",
    "Origin",
    "Part",
    "Plan",
    "Shift",
    "Term",
    "Traces",
    "attach",
    "fit",
    "words_of",
]
