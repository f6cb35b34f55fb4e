"""`report`: runs → one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equinoise.page.assembly import write_report


def report(runs: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the report; `{"report": path}`."""
    return {"report": str(write_report(runs, out))}
