"""`interactions RUN…`: what moving one axis does to the others, as a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equinoise.files import read_json
from equinoise.run import read_records
from equinoise.understanding.frequency import classes_of
from equinoise.understanding.interactions import interactions, measured_of
from equinoise.understanding.parts import require_run


def interact(runs: Sequence[Path], objects: Sequence[str] = ()) -> dict[str, Any]:
    """`{"interactions": [{intervention, pairs, axes: {axis: {n, classes: {class: change}, moved}}}]}`.

    The runs hold images of the same seeds, untouched and shifted: one run with both (a demo, a sweep), or several.

    Raises:
        EquinoiseError: no run, nothing read off the images, or no pairs.
    """
    records, classes = [], dict[str, Any]()
    for run in runs:
        require_run(run)
        card, rows = read_json(run / "run.json"), read_records(run)
        classes |= classes_of(card.get("about") or {}, card.get("results") or {}, rows)
        records += rows
    return {"interactions": interactions(records, measured_of(classes, objects)), "runs": [str(run) for run in runs]}
