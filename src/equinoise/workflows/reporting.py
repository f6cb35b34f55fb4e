"""`report` and `figures`: finished runs, or results in memory → one HTML page, or files of charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from equinoise.page.assembly import write_report
from equinoise.page.figures import write_figures
from equinoise.results.reading import Source


def report(runs: Source | Sequence[Source], out: str | Path) -> Path:
    """One self-contained HTML page about one or more runs; it loads nothing from anywhere.

    Audits of the same concepts, axes and seeds, the first untouched and the others under a plan, are shown side by
    side with their paired changes. Equal runs give equal bytes.

    Args:
        runs: what verbs returned, with or without `out=`, or run folders.
        out: the file to write, such as `report.html`.

    Returns:
        The path of the page.

    Raises:
        EquinoiseError: no run, a folder that is no finished run, a damaged one, or a place that cannot be written.
    """
    return write_report(_listed(runs), Path(out))


def figures(run: Source, out: str | Path, *, formats: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Every chart that a run has numbers for, as files; needs matplotlib, which `equinoise[figures]` brings.

    Args:
        run: what a verb returned, or a run folder.
        out: the folder to write to.
        formats: `svg`, `png` or both.

    Returns:
        The paths of the files.

    Raises:
        EquinoiseError: matplotlib is not there, a format is unknown, or the run has nothing to draw.
    """
    return write_figures(run, Path(out), formats)


def _listed(runs: Source | Sequence[Source]) -> Sequence[Source]:
    return runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
