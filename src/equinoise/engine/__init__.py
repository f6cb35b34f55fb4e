"""Where work runs: one-thread processes on a CPU, this process on an accelerator; fixed batches either way."""

from equinoise.engine.jobs import Accepted, Attempt, EarlyCheck, Job, JobResult, NoiseChange, Request
from equinoise.engine.local import Engine

__all__ = ["Accepted", "Attempt", "EarlyCheck", "Engine", "Job", "JobResult", "NoiseChange", "Request"]
