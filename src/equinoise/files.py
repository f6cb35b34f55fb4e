"""Files written whole or not at all, and read with one-line errors."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import cache
from math import isfinite
from pathlib import Path, PureWindowsPath
from secrets import token_hex
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import safe_open
from safetensors.numpy import save as save_tensors

from equinoise.errors import EquinoiseError, reason_of

METADATA_KEY = "equinoise"
LEFTOVER = ".partial"
LARGEST = 1 << 28
"""Bytes of a text, which is read as a whole and takes several times as much memory: about six million rows."""
LONGEST = 200
"""Bytes of a file's name without its suffix; systems allow 255 with it."""
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
NUMPY_HAS = frozenset(["BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"])
"""Kinds of numbers of safetensors that NumPy has too."""
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
    """Write beside the target, onto the disk, and rename, so that nobody ever sees half a file, not after a crash.

    The file beside it has a random name and is created here or not at all: a link that lies there is not followed.

    Raises:
        EquinoiseError: no permission, no space, or no such folder; nothing is left behind.
    """
    partial = path.with_name(f".{token_hex(8)}{LEFTOVER}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(partial, content)
        partial.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise EquinoiseError(f"cannot write {path}: {reason}; choose another place with -o") from error
        raise


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder onto the disk; some systems cannot, and a rename there is all that can be had."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_leftover(path: Path) -> bool:
    """Whether a file is what `write_whole` leaves where its process is killed."""
    return path.name.startswith(".") and path.name.endswith(LEFTOVER)


def clean_leftovers(*folders: Path) -> None:
    """Remove what killed writes left in folders of our own."""
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            if is_leftover(path):
                with suppress(OSError):
                    path.unlink()


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


def component(name: str) -> str:
    """The name, if it can name one file in any folder: ids of images, parts of a collection.

    Raises:
        ValueError: it is empty, too long, has a slash or a character of control, or is `.` or `..`.
    """
    control = any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
    if not name or name in (".", "..") or control or set(name) & set("/\\") or len(os.fsencode(name)) > LONGEST:
        raise ValueError(f"{name[:60]!r} cannot be the name of a file")
    return name


def base_name(name: str) -> str:
    """How a record names a model, a detector or an encoder: a local one by the last part of its path.

    Paths tell the names of people and machines; that it is the same thing, hashes tell.

    >>> base_name("/home/somebody/models/tiny"), base_name("some/model")
    ('tiny', 'some/model')
    """
    windows = PureWindowsPath(name)
    if windows.drive or windows.root:
        return windows.name or name
    local = name.startswith((".", "~")) or Path(name).exists()
    return Path(name).resolve().name if local else name


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
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, 0o666), "ab") as journal:
            journal.write(line.encode())
    except OSError as error:
        raise EquinoiseError(f"cannot write {path}: {error.strerror or error}; make room and run it again") from error


def write_json(path: Path, value: Any) -> None:
    """Stable, readable JSON; NaN and infinity are refused."""
    write_whole(path, (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        EquinoiseError: it is missing, unreadable, or not JSON, or holds NaN or infinity.
    """
    return third_party(path, lambda: parse_json(decode_text(path.read_bytes(), str(path))))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with the mark that says so, as Excel and Notepad write it.

    The ends of lines stay as they are.

    Raises:
        EquinoiseError: the file cannot be read, or is no text in one of these.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise EquinoiseError(f"{path} is larger than {LARGEST >> 20} MiB; split it, or give counts instead of rows")
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


def parse_json(content: str | bytes) -> Any:
    """JSON without NaN, infinity and numbers that are too large to be anything else.

    Raises:
        ValueError: something else.
    """
    return json.loads(content, parse_constant=_refuse, parse_float=_finite)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Any) -> None:
    """Arrays and a JSON description in one safetensors file."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, save_tensors(contiguous, {METADATA_KEY: json.dumps(metadata, allow_nan=False)}))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    """What `write_arrays` wrote; numbers that NumPy does not have, such as bfloat16, in single precision.

    Raises:
        EquinoiseError: missing, truncated, not safetensors, or not written by equinoise.
    """
    return third_party(path, lambda: _read_arrays(path))


def _read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    with safe_open(path, "np") as handle:
        description = (handle.metadata() or {}).get(METADATA_KEY)
        if description is None:
            raise EquinoiseError(f"{path} was not written by equinoise: it carries no description")
        kinds = {name: handle.get_slice(name).get_dtype() for name in handle.keys()}  # noqa: SIM118
        arrays = {name: handle.get_tensor(name) for name, kind in kinds.items() if kind in NUMPY_HAS}
    if others := [name for name in kinds if name not in arrays]:
        with safe_open(path, "pt") as handle:
            arrays |= {name: handle.get_tensor(name).float().numpy() for name in others}
    return {name: arrays[name] for name in kinds}, parse_json(description)


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def third_party(path: Path, read: Callable[[], T]) -> T:
    """What `read` gives, which hands a file to a parser of somebody else: JSON, safetensors, NumPy.

    Raises:
        EquinoiseError: whatever the parser raises.
    """
    try:
        return read()
    except EquinoiseError:
        raise
    except FileNotFoundError as error:
        raise EquinoiseError(f"no such file: {path}") from error
    except OSError as error:
        raise EquinoiseError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # no parser lists what it raises for bad bytes: MemoryError, RecursionError, its own
        raise EquinoiseError(f"{path} is damaged or of another kind: {reason_of(error)}; make it again") from error


def typed(kind: type[T], content: object, where: str) -> T:
    """Content of a JSON file as a value of a dataclass or another type: every field there, of its type, in its range.

    Raises:
        EquinoiseError: one is not; the message says which, and `where`.
    """
    try:
        found: T = _adapter(cast(Hashable, kind)).validate_python(content)
        return found
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise EquinoiseError(f"{where} is damaged: {place}: {message}; make it again") from error


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], kind))


def readable(value: T) -> T:
    r"""JSON values whose texts may be names of files: bytes that are not UTF-8, as Python keeps them, become `\udce9`.

    Otherwise such a name could not be written into any record, or printed.
    """
    found: Any = value
    if isinstance(found, str):
        found = found if found.isascii() else found.encode("utf-8", "backslashreplace").decode()
    elif isinstance(found, dict):
        found = {readable(key): readable(inner) for key, inner in found.items()}
    elif type(found) in (list, tuple):
        found = type(found)(map(readable, found))
    return cast(T, found)
