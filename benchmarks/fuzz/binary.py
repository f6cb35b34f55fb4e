"""Changes to files of arrays and pictures, made from a random generator: safetensors, `.npy`, images."""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import zlib
from functools import cache
from random import Random

import numpy as np
from PIL import Image
from pydantic import JsonValue

from benchmarks.fuzz.text import mutate_value, write_json

BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip
"""Types of tensors in safetensors files, and the bytes of one number."""
INNER = "equinoise"
"""Under this key our files hold JSON as a text."""

Table = dict[str, JsonValue]


def flip(content: bytes, rng: Random, most: int = 20) -> bytes:
    """Some bits of some bytes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, most) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: Random) -> bytes:
    """Truncated, doubled, empty, or with something behind it."""
    at = rng.randrange(len(content) + 1)
    return rng.choice((content[:at], content[:at], b"", content + b"\x00" * 9, content + content, content[at:]))


def mutate_tensors(content: bytes, rng: Random) -> bytes:
    """A safetensors file: its JSON, its tensors' types, shapes and values, its header, or any bytes."""
    header, data = _split(content)
    kinds = (
        _described,
        _described,
        _described,
        _retyped,
        _retyped,
        _reshaped,
        _refilled,
        _dropped,
        _renamed,
        _declared,
    )
    match rng.randrange(12):
        case 0:
            return flip(content, rng)
        case 1:
            return cut(content, rng)
        case 2:
            length = rng.choice((0, 1, 8, 2**31, 2**63 - 1, 2**64 - 1, len(content), len(content) * 2, 100_000_001))
            return struct.pack("<Q", length) + content[8:]
        case _:
            return rng.choice(kinds)(header, data, rng)


def _split(content: bytes) -> tuple[Table, bytes]:
    end = 8 + int.from_bytes(content[:8], "little")
    header: Table = json.loads(content[8:end])
    return header, content[end:]


def _joined(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _described(header: Table, data: bytes, rng: Random) -> bytes:
    """The JSON that we keep in the header; where there is none, the header itself."""
    about = header.get("__metadata__")
    if not (isinstance(about, dict) and isinstance(about.get(INNER), str)):
        return _declared(header, data, rng)
    inner = write_json(mutate_value(json.loads(str(about[INNER])), rng), rng).decode("utf-8", "replace")
    changed = {**header, "__metadata__": {**about, INNER: inner}}
    return _joined(json.dumps(changed).encode(), data)


def _declared(header: Table, data: bytes, rng: Random) -> bytes:
    """The header as JSON, the data as they are."""
    return _joined(write_json(mutate_value(header, rng), rng), data)


def _names(header: Table) -> list[str]:
    return [name for name in header if name != "__metadata__"]


def _entry(header: Table, name: str) -> tuple[str, list[int], bytes | None]:
    entry = header[name]
    assert isinstance(entry, dict)
    return str(entry["dtype"]), [int(str(size)) for size in list(entry["shape"])], None  # type: ignore[arg-type]


def _packed(header: Table, tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A valid file of these tensors."""
    start, made = 0, dict[str, JsonValue]()
    if "__metadata__" in header:
        made["__metadata__"] = header["__metadata__"]
    for name, (kind, shape, values) in tensors.items():
        offsets: list[JsonValue] = [start, start + len(values)]
        made[name] = {"dtype": kind, "shape": [*shape], "data_offsets": offsets}
        start += len(values)
    return _joined(json.dumps(made).encode(), b"".join(values for _, _, values in tensors.values()))


def _tensors(header: Table, data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    found = {}
    for name in _names(header):
        entry = header[name]
        assert isinstance(entry, dict)
        first, last = (int(str(end)) for end in entry["data_offsets"])  # type: ignore[union-attr]
        kind, shape, _ = _entry(header, name)
        found[name] = (kind, shape, data[first:last])
    return found


def _retyped(header: Table, data: bytes, rng: Random) -> bytes:
    """One tensor, or all, of another type, with as many bytes as this type needs."""
    tensors, kind = _tensors(header, data), rng.choice(list(BYTES))
    chosen = list(tensors) if rng.random() < 0.4 else [rng.choice(list(tensors))]
    for name in chosen:
        _, shape, values = tensors[name]
        size = math.prod(shape) * BYTES[kind]
        tensors[name] = (kind, shape, (values * (size // max(len(values), 1) + 1))[:size])
    return _packed(header, tensors)


def _reshaped(header: Table, data: bytes, rng: Random) -> bytes:
    """One tensor of another shape, with as many bytes as it needs."""
    tensors = _tensors(header, data)
    name = rng.choice(list(tensors))
    kind, shape, values = tensors[name]
    others: list[list[int]] = [
        [], [0], [1], [*shape, 1], [1, *shape], shape[::-1], shape[:-1], [math.prod(shape)],
        [size + 1 for size in shape], [0, *shape[1:]], [1, *shape[1:]], [shape[0] * 2, *shape[1:]] if shape else [2],
    ]  # fmt: skip
    new = rng.choice(others)
    size = math.prod(new) * BYTES[kind]
    tensors[name] = (kind, new, (values * (size // max(len(values), 1) + 1))[:size])
    return _packed(header, tensors)


def _refilled(header: Table, data: bytes, rng: Random) -> bytes:
    """Other numbers in a tensor: NaN, infinity, zeros, noise."""
    tensors = _tensors(header, data)
    name = rng.choice(list(tensors))
    kind, shape, values = tensors[name]
    width = BYTES[kind]
    fills = {2: (b"\x00\x7e", b"\x00\x7c"), 4: (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f")}
    fill = rng.choice((b"\x00" * width, b"\xff" * width, b"\x01" * width, *fills.get(width, ())))
    filled = fill * (len(values) // width)
    part = width * rng.randrange(len(values) // width + 1) if rng.random() < 0.5 else 0
    tensors[name] = (kind, shape, values[:part] + filled[part:])
    return _packed(header, tensors)


def _dropped(header: Table, data: bytes, rng: Random) -> bytes:
    """Without one tensor, or without any."""
    tensors = _tensors(header, data)
    name = rng.choice(list(tensors))
    kept = {} if rng.random() < 0.2 else {key: value for key, value in tensors.items() if key != name}
    return _packed(header, kept)


def _renamed(header: Table, data: bytes, rng: Random) -> bytes:
    """One tensor by another name, or its values under the name of another."""
    tensors = _tensors(header, data)
    name, other = rng.choice(list(tensors)), rng.choice(list(tensors))
    if rng.random() < 0.5:
        tensors[name], tensors[other] = tensors[other], tensors[name]
    else:
        tensors[rng.choice(("x", "", "0", "step/99", "\x1b[31m", "-1", "T", "a" * 1000))] = tensors.pop(name)
    return _packed(header, tensors)


def mutate_npy(content: bytes, rng: Random) -> bytes:
    """A `.npy` file: another array, another header, or any bytes."""
    match rng.randrange(6):
        case 0:
            return flip(content, rng, 4)
        case 1:
            return cut(content, rng)
        case 2:
            return _npy_header(content, rng)
        case 3:
            return _npz(content, rng)
        case _:
            return _saved(_other_array(np.load(io.BytesIO(content)), rng))


def _other_array(array: np.ndarray, rng: Random) -> np.ndarray:
    kinds = ("<f2", "<f4", ">f4", "<f8", "<f16", "<i8", "<u1", "<c8", "<c16", "?", "<U4", "S4", "<M8[s]", "<m8[s]")
    shaped = (array[0], array[None], array[:, :0], array.ravel(), array.reshape(-1, 1, 1, 1), np.array(1.0), array.T)
    with np.errstate(all="ignore"):
        filled = (array * np.nan, array * np.inf, array * 0, array * 1e38 * 1e38, np.full_like(array, 1e-45))
        changed = rng.choice(
            (
                array.astype(rng.choice(kinds)),
                rng.choice(shaped),
                rng.choice(filled),
                np.zeros(4, [("a", "<f4"), ("b", "<i4")]),
                np.array([[[[None]]]], object),
            )
        )
    return np.asarray(changed)


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)  # a pickle is what must be refused
    return buffer.getvalue()


def _npy_header(content: bytes, rng: Random) -> bytes:
    length = struct.unpack("<H", content[8:10])[0]
    about, data = ast.literal_eval(content[10 : 10 + length].decode()), content[10 + length :]
    about[rng.choice(("descr", "shape", "fortran_order", "x"))] = rng.choice(
        (
            (2**40, 2**20),
            (2**62,),
            (-1, 4),
            (0,),
            (),
            "|O",
            "<f4",
            "V1000000000",
            "|S1000000000",
            [],
            None,
            True,
            "x",
            5,
        )
    )
    text = rng.choice((str(about), str(about), "{" * 200, "[" * 100_000, "9" * 9000, "", "__import__('os')"))
    wide = rng.random() < 0.5 or len(text) > 65_000
    version = b"\x02\x00" if wide else bytes([rng.choice((1, 1, 3, 9)), 0])
    size = len(text) if rng.random() < 0.8 else rng.choice((0, 1, 60_000))
    return b"\x93NUMPY" + version + struct.pack("<I" if wide else "<H", size) + text.encode() + data


def _npz(content: bytes, rng: Random) -> bytes:
    """An archive of arrays, which is another kind of file with the same magic to `numpy.load`."""
    buffer = io.BytesIO()
    array = np.load(io.BytesIO(content))
    np.savez_compressed(buffer, *[array] * rng.choice((1, 2)))
    return buffer.getvalue()


SIZES = ((1, 1), (1, 1), (3, 2), (1, 3000), (3000, 1), (64, 64), (257, 129))
MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F", "PA", "LAB", "HSV")
FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "WEBP",
    "BMP",
    "TIFF",
    "PPM",
    "ICO",
    "TGA",
    "JPEG2000",
    "AVIF",
    "PCX",
    "DDS",
    "SGI",
)


def mutate_picture(content: bytes, rng: Random) -> bytes:
    """Another picture of any mode and format, its bytes damaged, or a header that promises too much."""
    match rng.randrange(10):
        case 0:
            return flip(content, rng)
        case 1:
            return cut(content, rng)
        case 2:
            return rng.choice(
                (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"BM", b"<svg/>", b"x")
            )
        case 3:
            return _huge(rng)
        case 4:
            return _chunk(content, rng)
        case _:
            made = _picture(rng)
            return made if rng.random() < 0.6 else rng.choice((flip, cut))(made, rng)


def _picture(rng: Random) -> bytes:
    size, mode = rng.choice(SIZES), rng.choice(MODES)
    noise = np.random.default_rng(rng.randrange(2**31)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise)
    image = (
        Image.new(mode, size, rng.choice((0, 1))) if mode in ("I;16", "I", "F", "PA", "LAB") else image.convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = rng.choice((1, 3, 6, 8, 99))
    for kind in rng.sample(FORMATS, len(FORMATS)):
        buffer, more = io.BytesIO(), {}
        if kind in ("GIF", "WEBP", "TIFF", "PNG") and rng.random() < 0.2:
            more = {"save_all": True, "append_images": [image] * rng.choice((1, 20))}
        try:
            image.save(buffer, kind, **more, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # this format has no such mode or size
            continue
        return buffer.getvalue()
    return b""


def _huge(rng: Random) -> bytes:
    """A small file whose header says that it is large."""
    width, height = rng.choice(
        ((60_000, 60_000), (20_000, 20_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0), (12_000, 9_000))
    )
    ppm = f"P6 {width} {height} 255\n".encode() + b"\x00" * 100
    bmp = (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 154, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        + b"\x00" * 99
    )
    gif = (
        b"GIF89a"
        + struct.pack("<HHBBB", width % 65536, height % 65536, 0x80, 0, 0)
        + b"\x00" * 6
        + b",\x00"
        + b"\x01" * 30
    )
    head = struct.pack(">IIBBBBB", width, height, rng.choice((1, 8, 16)), rng.choice((0, 2, 6)), 0, 0, 0)
    rows = zlib.compress(b"\x00" * rng.choice((10, 1_000_000)))
    png = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", head) + _png_chunk(b"IDAT", rows) + _png_chunk(b"IEND", b"")
    return rng.choice((png, png, ppm, bmp, gif))


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def packed(size: int) -> bytes:
    """So many letters, compressed."""
    return zlib.compress(b"x" * size)


def _chunk(content: bytes, rng: Random) -> bytes:
    """One more chunk in a PNG: a text that unpacks to much more, a broken profile, one of unknown kind."""
    bomb = packed(rng.choice((100, 70_000_000)))
    odd = (
        _png_chunk(b"zTXt", b"a\x00\x00" + bomb),
        _png_chunk(b"iCCP", b"a\x00\x00" + bomb),
        _png_chunk(b"eXIf", b"II*\x00\xff\xff\xff\xff"),
        _png_chunk(b"tRNS", b"\x00"),
        _png_chunk(b"abCd", b"x" * 10),
        _png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        struct.pack(">I", 2**31) + b"IDAT",
    )
    return content[:33] + rng.choice(odd) + content[33:]
