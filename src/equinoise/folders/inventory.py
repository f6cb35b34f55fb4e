"""What a folder holds: each file below it is an image, a table of metadata, hidden, or something else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from equinoise.errors import EquinoiseError, warn
from equinoise.folders.pictures import HEIF, formats_by_suffix

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
HIDDEN_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
HIDDEN_FOLDERS = frozenset({"@eadir", "$recycle.bin", "system volume information"})
"""What systems put into folders of images, beside names that begin with a point and folders that begin with `__`."""
HEIC = frozenset({".heic", ".heif"})
NAMED = 3
LONGEST_LINK = 255
"""Bytes of a text file that may stand for a link."""


@dataclass(frozen=True)
class Inventory:
    """The files below a folder by what they are, as paths below it with slashes, sorted.

    Attributes:
        tables: files of metadata.
        others: files that are neither images nor metadata, and are not hidden.
    """

    root: Path
    images: tuple[str, ...]
    tables: tuple[str, ...]
    others: tuple[str, ...]

    def files(self, names: Sequence[str]) -> tuple[Path, ...]:
        """The files of images. Where git or an archive wrote a link as a text file, what the link leads to."""
        known = frozenset(self.images)
        return tuple(self.root / _target(self.root, name, known) for name in names)

    def warn_of_others(self) -> None:
        """Name what is left out, where something is."""
        if not self.others:
            return
        more = f" and {len(self.others) - NAMED} more" if len(self.others) > NAMED else ""
        heic = any(_suffix(name) in HEIC for name in self.others)
        like = any(PurePosixPath(name).stem.lower() == "metadata" for name in self.others)
        hints = [f"pip install {HEIF} to read .heic"] * heic + [f"metadata are read from {', '.join(TABLES)}"] * like
        names = ", ".join(self.others[:NAMED])
        warn(f"{self.root}: not read, since they are no images: {names}{more}{'; ' * bool(hints)}{'; '.join(hints)}")


def take_inventory(root: Path) -> Inventory:
    """What lies below a folder. The result does not depend on the order in which the disk lists files.

    A link to a file inside the folder is read as that file. A link to a folder inside is not followed where the folder
    is read in its own place.

    Raises:
        EquinoiseError: no such folder, one that cannot be read, or a link to images, metadata or a folder outside.
    """
    if not root.is_dir():
        raise EquinoiseError(f"{root} is not a folder of images")
    found: dict[str, list[Path]] = {"image": [], "table": [], "other": []}
    try:
        for path in _visible_files(root):
            found[_kind(path)].append(path.relative_to(root))
    except OSError as error:
        raise EquinoiseError(f"cannot read {error.filename}: {error.strerror or error}") from error
    images, tables, others = (tuple(path.as_posix() for path in sorted(paths)) for paths in found.values())
    return Inventory(root, images, tables, others)


def _target(root: Path, name: str, known: frozenset[str]) -> str:
    """The image that a text file names in place of a link; `name` itself where the file is none."""
    try:
        if (root / name).stat().st_size > LONGEST_LINK:
            return name
        text = (root / name).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return name
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), text.strip()))
    return target if target in known else name


def _kind(path: Path) -> str:
    if path.exists() and not path.is_file():  # a pipe or a device, which would be waited for
        return "other"
    if path.name.lower() in TABLES:
        return "table"
    return "image" if _suffix(path.name) in formats_by_suffix() else "other"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _visible_files(root: Path) -> Iterator[Path]:
    """Every file that is not hidden: real folders first, and links to folders that were not among them last."""
    folders, links, seen = [root], list[Path](), set[Path]()
    while folders or links:
        place = folders.pop() if folders else links.pop(links.index(min(links)))
        real = place.resolve()
        if real in seen:
            continue
        seen.add(real)
        for path in place.iterdir():
            is_folder = path.is_dir()
            if _is_hidden(path.name, is_folder):
                continue
            linked = path.is_symlink()
            if linked and (is_folder or _kind(path) != "other"):
                require_inside(root, path)
            if is_folder:
                (links if linked else folders).append(path)
            else:
                yield path


def _is_hidden(name: str, is_folder: bool) -> bool:
    plain = name.lower()
    if is_folder and (plain in HIDDEN_FOLDERS or plain.startswith("__")):
        return True
    return plain.startswith(".") or plain in HIDDEN_FILES


def require_inside(root: Path, path: Path) -> None:
    """Check that a file or folder, whatever links it goes through, lies in the folder `root`.

    A snapshot in the hub's cache is made of links; those may lead to the files beside the snapshots.

    Raises:
        EquinoiseError: it leads out of the folder, or to itself.
    """
    try:
        target, real = path.resolve(), root.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself, before Python 3.13
        raise EquinoiseError(f"{path} is a link that leads to itself; remove it") from error
    stores = [place.parent / "blobs" for place in (real, *real.parents) if place.name == "snapshots"]
    if not any(target.is_relative_to(place) for place in (real, *stores)):
        raise EquinoiseError(
            f"{root}: {path.relative_to(root).as_posix()} is a link that leads out of the folder; put a copy in its "
            "place, or give the folder that it leads to"
        )
