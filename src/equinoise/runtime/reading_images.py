"""Images that are there already → records with a label on each axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from equinoise.axes import UNCLEAR, Axis
from equinoise.detectors import Reading, load_detector_once, read, read_label
from equinoise.detectors.loading import DEFAULT_CLIP, default_detector
from equinoise.detectors.skin_colour import NAME as SKIN_COLOUR
from equinoise.errors import EquinoiseError, warn
from equinoise.folders.evidence import require_readable
from equinoise.folders.pictures import batches, open_image, size_of
from equinoise.folders.reading import ImageFolder
from equinoise.models.worlds import MIXTURE, emoji_size
from equinoise.no_picture import why_no_picture
from equinoise.run import Record
from equinoise.runtime.detector import CalibratedDetector

BUILT_IN = ("emoji", MIXTURE, SKIN_COLOUR)


def read_images(
    folder: ImageFolder,
    axes: Sequence[Axis],
    detector: CalibratedDetector,
    trust: bool,
    tick: Callable[[int], None] = lambda _: None,
) -> Iterator[Record]:
    """The records with a label on each axis, read off the image where it has none.

    `trust`: what the run's own detector said is used as it is, if that is still the same detector and axis; otherwise
    everything is read anew. Labels that came in metadata always stay. An image that is no picture is unclear on
    every axis that is read, for the reason that its record gives, else where it is blank.
    """
    ours = trust and _read_by(folder, detector, axes)
    known = all(_has(record, axis, ours) for record in folder.records for axis in axes)
    if not known:
        require_readable(folder)
    for part in [range(len(folder.files))] if known else batches(folder.files):
        files, records = folder.files[part.start : part.stop], folder.records[part.start : part.stop]
        lacking = [axis for axis in axes if not all(_has(record, axis, ours) for record in records)]
        fresh = [Reading(no_picture=record.no_picture) for record in records]
        if lacking:
            reasons, wanted = [record.no_picture for record in records], detector.read_axes(lacking)
            # the pictures are in memory during this call only
            fresh = read(load_detector_once(detector.spec), [open_image(file) for file in files], wanted, reasons)
        for record, new in zip(records, fresh, strict=True):
            seen = {**new.detections, **(record.detections if ours else {})}
            told = {axis: read_label(p, detector.spec.threshold(axis)) for axis, p in seen.items()}
            if new.no_picture:
                told = dict.fromkeys(told, UNCLEAR)
            yield replace(record, detections=seen, labels={**told, **_given(record)}, no_picture=new.no_picture)
        tick(len(files))


def _read_by(folder: ImageFolder, detector: CalibratedDetector, axes: Sequence[Axis]) -> bool:
    """Whether the run was read by this very detector, and by these very axes where it names them."""
    kept = folder.about.get("detector") or {}
    known = folder.about.get("axes") or folder.about.get("axis") or {}
    same_axes = not isinstance(known, Mapping) or all(known.get(axis.name, axis.digest) == axis.digest for axis in axes)
    return same_axes and (kept.get("name"), kept.get("weights")) == (detector.info.name, detector.info.weights)


def _has(record: Record, axis: Axis, ours: bool) -> bool:
    """Whether the axis need not be read: it was by this detector, or somebody labelled the image."""
    return axis.name in record.detections if record.detections and ours else _given(record).get(axis.name) is not None


def _given(record: Record) -> Mapping[str, str]:
    """Labels that came without detections, from people or elsewhere."""
    return {} if record.detections else record.labels


def open_record(folder: Path, record: Record) -> tuple[Record, Image.Image]:
    """The image of a run's record, and the record with the reason where the image is no picture.

    Raises:
        EquinoiseError: the image cannot be read.
    """
    image = open_image(folder / record.file)
    return replace(record, no_picture=why_no_picture(image, record.no_picture)), image


def choose_detector(folders: Sequence[ImageFolder]) -> str:
    """The detector that the runs were read with, else that of their model, else one that fits the images' size."""
    names = {folder.detector or (default_detector(folder.model) if folder.model else None) for folder in folders}
    if len(names) > 1:
        raise EquinoiseError("the folders were read by different detectors; name one with --detector")
    (name,) = names
    if name:
        require_known(name)
        return name
    size = emoji_size()
    if all(size_of(file) == size for folder in folders for file in folder.files):
        side = "×".join(map(str, size))
        warn(
            f"all images are {side} like those of the emoji model, so its detector reads them; --detector names another"
        )
        return "emoji"
    return DEFAULT_CLIP


def require_known(name: str) -> None:
    """Check that a detector can be loaded by the name that a run holds, which of a local one has no path.

    Raises:
        EquinoiseError: it is a local one, and nothing of that name is here.
    """
    model = name.partition("?")[0].removeprefix("classifier:")
    if "/" not in model and model not in BUILT_IN and not Path(model).exists():
        raise EquinoiseError(
            f"the images were read by the detector '{name}', a local one; say where with --detector or --encoder"
        )
