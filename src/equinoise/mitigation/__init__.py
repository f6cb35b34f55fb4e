"""Trace → direction → intervention: learn where a class lies in latent space, and shift the noise towards it."""

from equinoise.mitigation.direction import Direction, DirectionSet, Origin, Term
from equinoise.mitigation.estimators import ESTIMATORS, fit
from equinoise.mitigation.intervention import Intervention, Shift
from equinoise.mitigation.trace import Traces

__all__ = ["ESTIMATORS", "Direction", "DirectionSet", "Intervention", "Origin", "Shift", "Term", "Traces", "fit"]
