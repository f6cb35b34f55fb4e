"""What the images show: audits."""

from equinoise.understanding.audit import Audit, Report, audit, audit_counts, change
from equinoise.understanding.counts import Counts, cross, crossed, merged, tally
from equinoise.understanding.gate import Judged, judge, junit
from equinoise.understanding.labels import read_labels
from equinoise.understanding.reference import Reference, read_reference
from equinoise.understanding.targets import Target, parse_target, parse_targets, targets_of

__all__ = [
    "Audit",
    "Counts",
    "Judged",
    "Reference",
    "Report",
    "Target",
    "audit",
    "audit_counts",
    "change",
    "cross",
    "crossed",
    "judge",
    "junit",
    "merged",
    "parse_target",
    "parse_targets",
    "read_labels",
    "read_reference",
    "tally",
    "targets_of",
]
