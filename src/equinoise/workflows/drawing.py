"""`figures`: the charts of a run as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equinoise.page.figures import write_figures
from equinoise.page.reading import read_run


def draw_figures(run: Path, out: Path, formats: str) -> dict[str, Any]:
    """`{"figures": [paths]}`."""
    kinds = [kind.strip() for kind in formats.split(",") if kind.strip()]
    return {"figures": [str(path) for path in write_figures(read_run(run), out, kinds)]}
