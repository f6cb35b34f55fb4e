"""Faces first: a detector gets the faces in an image with some margin, not the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.detectors.base import Detector
from equinoise.errors import EquinoiseError

CASCADE = "haarcascade_frontalface_alt2.xml"
BATCH = 64


class FaceBox(NamedTuple):
    """The rectangle of a face in pixels; right and bottom are just outside of it."""

    left: int
    top: int
    right: int
    bottom: int


class FaceFinder(Protocol):
    """Finds faces in images."""

    def boxes(self, image: Image.Image) -> list[FaceBox]:
        """The rectangles of the faces, the largest first; empty where none is found."""


class CascadeFaces:
    """OpenCV's cascade for frontal faces (Viola and Jones 2001). It misses faces from the side, covered or tilted."""

    def __init__(self, cascade: Any) -> None:
        self.cascade = cascade

    def boxes(self, image: Image.Image) -> list[FaceBox]:
        """Faces whose width is at least a sixteenth of the image's shorter side, the largest first."""
        side = max(20, min(image.size) // 16)
        grey = np.asarray(image.convert("L"))
        found = self.cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(side, side))
        boxes = [FaceBox(int(x), int(y), int(x + width), int(y + height)) for x, y, width, height in found]
        return sorted(boxes, key=lambda box: (-(box.right - box.left), box))


def load_faces() -> FaceFinder:
    """The cascade of the installed OpenCV, whose package carries its weights.

    Raises:
        EquinoiseError: OpenCV 4 is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise EquinoiseError("finding faces needs OpenCV 4; pip install 'equinoise[faces]'") from error
    weights = Path(cv2.__file__).parent / "data" / CASCADE
    if not (hasattr(cv2, "CascadeClassifier") and weights.is_file()):
        raise EquinoiseError(f"OpenCV {cv2.__version__} as installed has no cascades; pip install 'equinoise[faces]'")
    return CascadeFaces(cv2.CascadeClassifier(str(weights)))


def finder_version() -> str:
    """Name and version of the face finder, for the record."""
    for package in ("opencv-python-headless", "opencv-python"):
        try:
            return f"{CASCADE} of {package} {version(package)}"
        except PackageNotFoundError:
            continue
    return CASCADE


class FaceDetector:
    """Finds faces and gives their crops to another detector.

    With `largest` the probabilities of an image are those of its largest face. With `all` they are the mean over its
    faces: every face has the same weight, an image counts once, and a mixed group is unclear unless one class
    prevails. An image without a face has probability 0 for every class, so that it is unclear.
    """

    def __init__(self, finder: FaceFinder, detector: Detector, policy: str, margin: float) -> None:
        self.finder = finder
        self.detector = detector
        self.policy = policy
        self.margin = margin

    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes): the mean over the faces by the policy; zeros where no face was found."""
        faces = [self.faces(image) for image in images]
        crops = [crop for found in faces for crop in found]
        rows = [self.detector.probabilities(crops[i : i + BATCH], axis) for i in range(0, len(crops), BATCH)]
        of_image = np.repeat(np.arange(len(images)), [len(found) for found in faces])
        result = np.zeros((len(images), len(axis.classes)))
        for index, row in zip(of_image, (row for part in rows for row in part), strict=True):
            result[index] += row / len(faces[index])
        return result

    def faces(self, image: Image.Image) -> list[Image.Image]:
        """The crops that the detector gets."""
        boxes = self.finder.boxes(image)
        return [crop(image, box, self.margin) for box in (boxes[:1] if self.policy == "largest" else boxes)]


def crop(image: Image.Image, box: FaceBox, margin: float) -> Image.Image:
    """The rectangle with a margin on each side, in shares of its size, cut at the edges of the image."""
    across, down = round(margin * (box.right - box.left)), round(margin * (box.bottom - box.top))
    return image.crop(
        (
            max(0, box.left - across),
            max(0, box.top - down),
            min(image.width, box.right + across),
            min(image.height, box.bottom + down),
        )
    )
