"""What the images show: audits."""

from equinoise.understanding.audit import Audit, Counts, Report, audit, change, count, parse_target

__all__ = ["Audit", "Counts", "Report", "audit", "change", "count", "parse_target"]
