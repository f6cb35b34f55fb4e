"""Reports: finished run folders → one HTML file that needs no network, no model and no server."""

from equinoise.report.page import write_report

__all__ = ["write_report"]
