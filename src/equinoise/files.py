"""Files written whole or not at all, and read with one-line errors."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from equinoise.errors import EquinoiseError

METADATA_KEY = "equinoise"
T = TypeVar("T")

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a file says its encoding in its first bytes; one that does not is UTF-8."""


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the target and rename, so that a reader never sees half a file.

    Raises:
        EquinoiseError: no permission, no space, or no such folder; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True) if path.parent.is_dir() else None
        raise EquinoiseError(f"cannot write {path}: {error.strerror or error}; choose another place with -o") from error


def inside(root: Path, name: str) -> Path:
    """The place that a name found in a file stands for: below `root`, whatever the name says.

    A backslash counts as a slash, so that names written on Windows are read. Links are followed: what they point to
    must lie below `root` too.

    Raises:
        EquinoiseError: the name is empty, absolute, holds a character of control, or leads out of `root`.
    """
    plain = name.replace("\\", "/")
    place = root / plain
    drive = PureWindowsPath(plain)
    leads_out = not plain.strip() or any(ord(letter) < 32 for letter in plain) or drive.drive or drive.root
    if leads_out or not place.resolve().is_relative_to(root.resolve()):
        raise EquinoiseError(f"{root}: the name {name!r} does not stand for a file inside; mend the file that says it")
    return place


def describe_file(path: Path) -> dict[str, str]:
    """Name and a short hash of the content, for the record of what a result was made from.

    Raises:
        EquinoiseError: it cannot be read.
    """
    try:
        return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error


def append(path: Path, line: str) -> None:
    """Add a line to a journal.

    Raises:
        EquinoiseError: no permission or no space.
    """
    try:
        with path.open("a", encoding="utf-8") as journal:
            journal.write(line)
    except OSError as error:
        raise EquinoiseError(f"cannot write {path}: {error.strerror or error}; make room and run it again") from error


def write_json(path: Path, value: Any) -> None:
    """Stable, readable JSON; NaN and infinity are refused."""
    write_whole(path, (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        EquinoiseError: it is missing, unreadable, or not JSON.
    """
    return _reading(path, lambda: json.loads(decode_text(path.read_bytes(), str(path))))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with the mark that says so, as Excel and Notepad write it.

    The ends of lines stay as they are.

    Raises:
        EquinoiseError: the file cannot be read, or is no text in one of these.
    """
    try:
        return decode_text(path.read_bytes(), str(path))
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error


def decode_text(content: bytes, where: str) -> str:
    """The text that the bytes of a file stand for; see `read_text`.

    Raises:
        EquinoiseError: they are no text in UTF-8, nor in UTF-16 or UTF-32 with a mark; `where` names the file.
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EquinoiseError(
            f"{where}, line {line}: not text in UTF-8; save the file as UTF-8 and try again"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise EquinoiseError(f"{where}, line {line}: holds NUL, so it is no text in UTF-8; save the file as UTF-8")
    return text


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Any) -> None:
    """Arrays and a JSON description in one safetensors file."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, save_tensors(contiguous, {METADATA_KEY: json.dumps(metadata, allow_nan=False)}))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    """What `write_arrays` wrote.

    Raises:
        EquinoiseError: missing, truncated, not safetensors, or not written by equinoise.
    """

    def read() -> tuple[dict[str, NDArray[Any]], Any]:
        with safe_open(path, "np") as handle:
            description = (handle.metadata() or {}).get(METADATA_KEY)
            if description is None:
                raise EquinoiseError(f"{path} was not written by equinoise: it carries no description")
            return {name: handle.get_tensor(name) for name in handle.keys()}, json.loads(description)  # noqa: SIM118

    return _reading(path, read)


def _reading(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except FileNotFoundError as error:
        raise EquinoiseError(f"no such file: {path}") from error
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, UnicodeDecodeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise EquinoiseError(f"{path} is damaged or of another kind: {reason}; make it again") from error
