"""What each command does, as a function of plain arguments that returns its JSON."""

from equinoise.commands.auditing import audit_model
from equinoise.commands.demo import demo
from equinoise.commands.learning import collect_traces, fit_directions
from equinoise.commands.reporting import report
from equinoise.commands.shifting import generate, sweep_direction

__all__ = ["audit_model", "collect_traces", "demo", "fit_directions", "generate", "report", "sweep_direction"]
