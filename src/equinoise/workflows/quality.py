"""`quality RUN --against RUN`: fidelity, variety and realism of a run's images, and what else moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.detectors import asked_role, role_axis
from equinoise.detectors.loading import detector_folder
from equinoise.encoders import load_dual
from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.models.loading import MIXTURE
from equinoise.models.mixture import MixtureEncoder
from equinoise.run import Record, read_records
from equinoise.understanding.frequency import classes_of
from equinoise.understanding.objects import ROLE
from equinoise.understanding.parts import require_run
from equinoise.understanding.quality import (
    Asked,
    Pictures,
    compare_within,
    fidelity,
    fidelity_kept,
    off_target,
)
from equinoise.understanding.relations import Sees, encode_images
from equinoise.workflows.reading_images import open_image


@dataclass(frozen=True, eq=False)
class Read:
    """A finished run: its records, the classes they were read on, and the detector that read them."""

    path: Path
    records: list[Record]
    classes: dict[str, list[str]]
    detector: str | None

    def pictures(self, encoder: Sees) -> Pictures:
        """With the vectors of all its images."""
        return Pictures(self.records, encode_images(encoder, (open_image(self.path / r.file) for r in self.records)))


def judge_quality(
    run: Path,
    against: Path,
    before: Path | None = None,
    axes: Sequence[str] = (),
    encoder: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """`{"fidelity", "diversity", "kid", "classes", "off_target", "untouched", …}`.

    Args:
        run: the images in question.
        against: images whose prompts name the classes; variety and realism are measured against them.
        before: untouched images of the same seeds, to pair fidelity and the other axes with.
        axes: those that were meant to move, within whose classes images are compared; default: all that both runs have.
        encoder: a CLIP or SigLIP; default: that of the detector which read the run.

    Raises:
        EquinoiseError: a folder is not a run, the runs share no axis, or there is no encoder.
    """
    ours, theirs, first = _read(run), _read(against), _read(before) if before else None
    meant = _axes(axes, [part for part in (ours, theirs, first) if part])
    seeing, asked = _encoder(encoder or ours.detector, device), _asked(ours.detector)
    reference = theirs.pictures(seeing)
    result = {
        "run": str(run),
        "against": str(against),
        "before": str(before) if before else None,
        "within": meant,
        "fidelity": fidelity(ours.records, asked),
        **compare_within(ours.pictures(seeing), reference, meant),
    }
    if first is None:
        return {**result, "fidelity_kept": None, "untouched": None, "off_target": None}
    others = {axis: ours.classes[axis] for axis in ours.classes if axis in first.classes and axis not in (*meant, ROLE)}
    return {
        **result,
        "fidelity_kept": fidelity_kept(first.records, ours.records, asked),
        "untouched": compare_within(first.pictures(seeing), reference, meant),
        "off_target": off_target(first.records, ours.records, others),
    }


def _read(path: Path) -> Read:
    require_run(path)
    card, records = read_json(path / "run.json"), read_records(path)
    about, results = card.get("about") or {}, card.get("results") or {}
    detector = about.get("detector")
    name = detector.get("name") if isinstance(detector, dict) else detector
    return Read(path, records, classes_of(about, results, records), name)


def _axes(named: Sequence[str], runs: Sequence[Read]) -> list[str]:
    shared = [axis for axis in runs[0].classes if axis != ROLE and all(axis in part.classes for part in runs)]
    if strange := [axis for axis in named if axis not in shared]:
        raise EquinoiseError(f"--axis {strange[0]}: the runs have {', '.join(shared) or 'no axis'} in common")
    if not shared:
        raise EquinoiseError("the runs have no axis in common; audit both with --axis")
    return list(named) or shared


def _asked(detector: str | None) -> Asked:
    roles = role_axis(detector) if detector else None
    return lambda prompt: asked_role(prompt, roles.generate) if roles else None


def _encoder(name: str | None, device: str) -> Sees:
    if name is None:
        raise EquinoiseError("the run does not say which detector read it; give --encoder, a CLIP or SigLIP")
    return MixtureEncoder() if name == MIXTURE else load_dual(detector_folder(name), device)
