"""`quality` and `interactions`: what an intervention did to the images beside what it was meant to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from equinoise.detectors import asked_role, role_axis
from equinoise.detectors.loading import detector_folder
from equinoise.encoders import load_dual
from equinoise.errors import EquinoiseError, warn
from equinoise.models.mixture import MixtureEncoder
from equinoise.models.worlds import MIXTURE
from equinoise.no_picture import NoPicture, count_reasons, describe
from equinoise.results.base import Result
from equinoise.results.interactions import InteractionsResult
from equinoise.results.quality import QualityResult
from equinoise.results.reading import Source, read_run
from equinoise.run import ROLE, Record, RunContent
from equinoise.runtime.reading_images import open_record, require_known
from equinoise.understanding.frequency import classes_read
from equinoise.understanding.interactions import compared_classes, measure_effects
from equinoise.understanding.quality import (
    ImageVectors,
    Roles,
    compare_within,
    fidelity,
    fidelity_kept,
    off_target,
)
from equinoise.understanding.relations import ReadsImages, encode_images


def interactions(runs: Source | Sequence[Source], *, objects: Sequence[str] = ()) -> InteractionsResult:
    """What each intervention does to every axis: the change of each class on the same seeds, with intervals.

    Args:
        runs: images of the same seeds, untouched and with an intervention: one run with both, such as a sweep, or
            several; run folders, or results.
        objects: phrases whose presence is compared as well, where `detect_objects` has read the runs.

    Raises:
        EquinoiseError: no run, nothing was read off the images, or no images pair.
    """
    given = [runs] if isinstance(runs, str | Path | RunContent | Result) else list(runs)
    if not given:
        raise EquinoiseError("no run: give runs with images of the same seeds, untouched and with an intervention")
    contents = [read_run(run) for run in given]
    axes = {axis: names for run in contents for axis, names in classes_read(run).items()}
    records = [record for run in contents for record in run.records]
    return InteractionsResult(
        interactions=tuple(measure_effects(records, compared_classes(axes, objects))),
        runs=tuple(str(run.folder or run.name) for run in contents),
    )


def quality(
    run: Source,
    *,
    against: Source,
    before: Source | None = None,
    axes: Sequence[str] = (),
    encoder: str | None = None,
    device: str = "cpu",
) -> QualityResult:
    """Fidelity, variety and realism of a run's images, and what else moved, each with a 95% interval.

    Args:
        run: the images in question, in a folder that an audit has read.
        against: images whose prompts name the classes; variety and realism are measured against them.
        before: untouched images of the same seeds, which fidelity and the other axes are paired with.
        axes: those that were meant to move, within whose classes images are compared; default all that the runs share.
        encoder: a CLIP or SigLIP; default that of the detector which read the run.
        device: of the encoder: cpu, cuda or mps.

    Raises:
        EquinoiseError: a folder is not a run, the runs share no axis, or there is no encoder.
    """
    ours, theirs = ReadRun.open(run), ReadRun.open(against)
    first = ReadRun.open(before) if before is not None else None
    meant = _shared_axes(axes, [part for part in (ours, theirs, first) if part])
    sees, roles = open_encoder(encoder or ours.detector, device), _roles(ours.detector)
    looked = {name: part.look(sees) for name, part in (("run", ours), ("against", theirs), ("before", first)) if part}
    seen, reference = looked["run"].pictures, looked["against"].pictures
    within = compare_within(seen, reference, meant)
    kept, untouched, moved = None, None, None
    if first:
        others = [axis for axis in ours.classes if axis in first.classes and axis not in (*meant, ROLE)]
        before_it = looked["before"].pictures
        kept = fidelity_kept(before_it.records, seen.records, roles)
        untouched = compare_within(before_it, reference, meant)
        moved = off_target(before_it.records, seen.records, {axis: ours.classes[axis] for axis in others})
    if said := describe((reason for part in looked.values() for reason in part.left_out), "left out"):
        warn(said)
    return QualityResult(
        folder=str(ours.folder),
        against=str(theirs.folder),
        before=str(first.folder) if first else None,
        within=tuple(meant),
        **dict(within),
        fidelity=fidelity(seen.records, roles),
        fidelity_kept=kept,
        untouched=untouched,
        off_target=moved,
        no_picture={name: count_reasons(part.left_out) for name, part in looked.items() if part.left_out} or None,
    ).with_run(ours.run)


@dataclass(frozen=True, eq=False)
class ReadRun:
    """A run in a folder: its images, the classes that they were read on, and the detector that read them."""

    run: RunContent
    folder: Path
    classes: dict[str, list[str]]
    detector: str | None

    @classmethod
    def open(cls, source: Source) -> ReadRun:
        """A run folder, or a result that has one."""
        run = read_run(source)
        name = run.file.part("detector").get("name")
        return cls(run, run.require_folder(), classes_read(run), str(name) if name else None)

    @property
    def records(self) -> tuple[Record, ...]:
        """One for each image."""
        return self.run.records

    def look(self, encoder: ReadsImages) -> LookedAt:
        """The vectors of all images that are pictures.

        Raises:
            EquinoiseError: none is.
        """
        looked: list[Record] = []

        def pictures() -> Iterator[Image.Image]:
            for record in self.records:
                found, image = open_record(self.folder, record)
                looked.append(found)
                if found.no_picture is None:
                    yield image

        vectors = encode_images(encoder, pictures())
        kept = [record for record in looked if record.no_picture is None]
        return LookedAt(ImageVectors(kept, vectors), tuple(r.no_picture for r in looked if r.no_picture))


@dataclass(frozen=True, eq=False)
class LookedAt:
    """The pictures of a run, and why its other images are none."""

    pictures: ImageVectors
    left_out: tuple[NoPicture, ...]


def _shared_axes(named: Sequence[str], runs: Sequence[ReadRun]) -> list[str]:
    shared = [axis for axis in runs[0].classes if axis != ROLE and all(axis in part.classes for part in runs)]
    if strange := [axis for axis in named if axis not in shared]:
        raise EquinoiseError(f"--axis {strange[0]}: the runs have {', '.join(shared) or 'no axis'} in common")
    if not shared:
        raise EquinoiseError("the runs have no axis in common; audit both with --axis")
    return list(named) or shared


def _roles(detector: str | None) -> Roles:
    roles = role_axis(detector) if detector else None
    return lambda prompt: asked_role(prompt, roles.generate) if roles else None


def open_encoder(name: str | None, device: str) -> ReadsImages:
    """What places images in a space: the tower of a CLIP or SigLIP, by default the detector's.

    Raises:
        EquinoiseError: no such model, or none is named.
    """
    if name is None:
        raise EquinoiseError("the run does not say which detector read it; give --encoder, a CLIP or SigLIP")
    require_known(name)
    return MixtureEncoder() if name == MIXTURE else load_dual(detector_folder(name), device)
