"""Images that are there already → records with a label on each axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from equinoise.axes import Axis
from equinoise.detectors import detect, load_detector_once, read_label
from equinoise.detectors.loading import DEFAULT_CLIP, default_detector
from equinoise.errors import EquinoiseError, warn
from equinoise.models.loading import emoji_size
from equinoise.run import Record
from equinoise.understanding.folders import ImageFolder
from equinoise.workflows.detector import Reader

BATCH = 64
Detections = Mapping[str, Mapping[str, float]]


def read_images(
    folder: ImageFolder, axes: Sequence[Axis], reader: Reader, keep: bool, tick: Callable[[int], None] = lambda _: None
) -> Iterator[Record]:
    """The records with a label on each axis, read off the image where it has none.

    `keep`: what the run's own detector said is used as it is, if that is still the same detector and axis; otherwise
    everything is read anew. Labels that came in metadata always stay.
    """
    ours = keep and read_by(folder, reader, axes)
    for start in range(0, len(folder.files), BATCH):
        files, records = folder.files[start : start + BATCH], folder.records[start : start + BATCH]
        lacking = [a for a in axes if not all(_has(record, a, ours) for record in records)]
        fresh = _detect(files, reader.reads(lacking), reader) if lacking else [{}] * len(files)
        for record, new in zip(records, fresh, strict=True):
            yield _labelled(record, new, ours, reader)
        tick(len(files))


def read_by(folder: ImageFolder, reader: Reader, axes: Sequence[Axis]) -> bool:
    """Whether the run was read by this very detector, and by these very axes where it names them."""
    kept, ours = folder.about.get("detector") or {}, reader.about()
    known = folder.about.get("axes") or folder.about.get("axis") or {}
    same_axes = not isinstance(known, Mapping) or all(known.get(axis.name, axis.digest) == axis.digest for axis in axes)
    return same_axes and (kept.get("name"), kept.get("weights")) == (ours["name"], ours["weights"])


def _has(record: Record, axis: Axis, ours: bool) -> bool:
    """Whether the axis need not be read: it was by this detector, or somebody labelled the image."""
    return axis.name in record.detections if record.detections and ours else _given(record).get(axis.name) is not None


def _given(record: Record) -> Mapping[str, str]:
    """Labels that came without detections, from people or elsewhere."""
    return {} if record.detections else record.labels


def _labelled(record: Record, fresh: Detections, ours: bool, reader: Reader) -> Record:
    seen = {**fresh, **(record.detections if ours else {})}
    told = {axis: read_label(p, reader.detector.threshold(axis)) for axis, p in seen.items()}
    return replace(record, detections=seen, labels={**told, **_given(record)})


def _detect(files: Sequence[Path], axes: Sequence[Axis], reader: Reader) -> list[dict[str, dict[str, float]]]:
    return detect(load_detector_once(reader.detector), [open_image(file) for file in files], axes)


def open_image(file: Path) -> Image.Image:
    """The image in RGB, turned as its camera said, on white where it is transparent.

    Raises:
        EquinoiseError: it cannot be read.
    """
    with _opened(file) as image:
        upright = ImageOps.exif_transpose(image)  # as people see it
        if not upright.has_transparency_data:
            return upright.convert("RGB")
        opaque = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(opaque, upright.convert("RGBA")).convert("RGB")


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(file) as image:
            yield image
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise EquinoiseError(f"{file} cannot be read as an image; mend or remove it") from error


def detector_of(folders: Sequence[ImageFolder]) -> str:
    """The detector that the runs were read with, else that of their model, else one that fits the images' size."""
    names = {folder.detector or (default_detector(folder.model) if folder.model else None) for folder in folders}
    if len(names) > 1:
        raise EquinoiseError("the folders were read by different detectors; name one with --detector")
    (name,) = names
    if name:
        return name
    size = emoji_size()
    if all(_size(file) == size for folder in folders for file in folder.files):
        side = "×".join(map(str, size))
        warn(
            f"all images are {side} like those of the emoji model, so its detector reads them; --detector names another"
        )
        return "emoji"
    return DEFAULT_CLIP


def _size(file: Path) -> tuple[int, int]:
    with _opened(file) as image:
        return image.size
