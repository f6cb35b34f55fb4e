"""The imports of a diffusers model, for the process that workers are forked from: once, in memory that they share."""

from __future__ import annotations

from equinoise.engine import worker
from equinoise.quiet import quiet_libraries

with quiet_libraries():
    from diffusers import AutoPipelineForText2Image  # of every family

__all__ = ["AutoPipelineForText2Image", "worker"]
