"""One picture from a file of any mode, depth and size; what cannot be shown is refused with its reason."""

from __future__ import annotations

import math
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from equinoise import EquinoiseError
from equinoise.folders import pictures
from equinoise.folders.pictures import batches, formats_by_suffix, look_at, open_image, open_small

Grey = NDArray[np.uint8]


def png_of_16_bits(pixels: NDArray[np.uint16], colour: int, clear: bytes = b"") -> bytes:
    """A PNG whose channels have 16 bits. `colour`: its type: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def block(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    size = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour, 0, 0, 0)
    transparent = block(b"tRNS", clear) if clear else b""
    head = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", size) + transparent
    return head + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")


@st.composite
def grey_pictures(draw: st.DrawFn) -> Grey:
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return (
        np.array(draw(st.lists(st.integers(0, 255), min_size=math.prod(size), max_size=math.prod(size))))
        .reshape(size)
        .astype(np.uint8)
    )


def same(file: Path, twin: Image.Image) -> None:
    """The picture in a file, and its identity, are those of its 8-bit twin."""
    other = file.with_name("twin.png")
    twin.save(other)
    assert open_image(file).tobytes() == open_image(other).tobytes()
    assert look_at(file) == look_at(other)


@given(grey_pictures(), st.sampled_from([256, 257]), st.sampled_from(["png", "tif", "pgm", "jp2"]))
@settings(max_examples=25)
def test_grey_of_16_bits_is_its_twin_of_8(grey: Grey, factor: int, suffix: str) -> None:
    """Whether a program made 16 bits of 8 by repeating the byte or by a zero below it."""
    with tempfile.TemporaryDirectory() as folder:
        file, wide = Path(folder) / f"x.{suffix}", grey.astype(np.uint16) * factor
        if suffix == "pgm":
            file.write_bytes(b"P5 %d %d 65535\n" % (grey.shape[1], grey.shape[0]) + wide.astype(">u2").tobytes())
        elif suffix == "jp2":
            Image.fromarray(wide).save(file, irreversible=False)
        else:
            Image.fromarray(wide).save(file)
        same(file, Image.fromarray(grey))


@given(grey_pictures(), st.sampled_from(["L", "P", "LA", "RGB", "RGBA", "CMYK", "1", "I;16", "RGB 16", "RGBA 16"]))
@settings(max_examples=40)
def test_every_mode_is_what_people_see(grey: Grey, mode: str) -> None:
    """Colours and alpha stay as they were; 16 bits are their high bytes."""
    with tempfile.TemporaryDirectory() as folder:
        image, file = Image.fromarray(grey), Path(folder) / ("x.tif" if mode == "CMYK" else "x.png")
        colours = Image.merge("RGBA", [image, image.transpose(Image.Transpose.ROTATE_180), image, image])
        if mode.endswith(" 16"):
            plain = colours.convert(mode.split(maxsplit=1)[0])
            wide = np.asarray(plain).astype(np.uint16) * 257
            file.write_bytes(png_of_16_bits(wide, 2 if plain.mode == "RGB" else 6))
        elif mode == "I;16":
            plain = image
            Image.fromarray(grey.astype(np.uint16) * 257).save(file)
        else:
            plain = colours.convert(mode)
            plain.save(file)
        alpha = np.asarray(plain.convert("RGBA")).astype(float)
        seen = alpha[..., :3] * alpha[..., 3:] / 255 + 255 - alpha[..., 3:]
        np.testing.assert_allclose(np.asarray(open_image(file)), seen, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_pictures_are_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    pixels = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40).resize((48, 32), 0)
    exif = pixels.getexif()
    exif[0x0112] = orientation
    pixels.save(tmp_path / f"x.{suffix}", exif=exif)
    turn = pictures.UPRIGHT.get(orientation)
    expected = pixels if turn is None else pixels.transpose(turn)
    found = open_image(tmp_path / f"x.{suffix}").convert("L")
    assert found.size == expected.size
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), atol=12)


def test_a_grey_value_that_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.array([[0, 1000, 40000]], np.uint16)
    (tmp_path / "x.png").write_bytes(png_of_16_bits(pixels, 0, struct.pack(">H", 1000)))
    assert np.asarray(open_image(tmp_path / "x.png"))[0, :, 0].tolist() == [0, 255, 40000 >> 8]
    colours = np.array([[[0, 0, 0], [256, 512, 768]]], np.uint16)
    (tmp_path / "y.png").write_bytes(png_of_16_bits(colours, 2, struct.pack(">HHH", 256, 512, 768)))
    assert np.asarray(open_image(tmp_path / "y.png"))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_tiff_says_what_is_white(tmp_path: Path) -> None:
    """White is 0 in scans of some kinds; 12 bits end at 4095; floats may declare their range."""
    values = np.array([[0, 256, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "x.tif", tiffinfo={262: 0})
    assert np.asarray(open_image(tmp_path / "x.tif"))[0, :, 0].tolist() == [255, 254, 0]
    floats = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    floats.save(tmp_path / "f.tif", tiffinfo={340: 0.0, 341: 1.0})
    assert np.asarray(open_image(tmp_path / "f.tif"))[0, :, 0].tolist() == [0, 128, 255]
    floats.save(tmp_path / "g.tif")
    with pytest.raises(EquinoiseError, match=r"floating point of unknown range; save it with 8 bits"):
        open_image(tmp_path / "g.tif")
    Image.fromarray(np.array([[1, 2]], np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(EquinoiseError, match="whole numbers of 16 or 32 bits of unknown range"):
        look_at(tmp_path / "i.tif")


def test_too_large_has_its_own_message(tmp_path: Path) -> None:
    for side in (9_600, 20_000):  # over the limit, and so far over it that Pillow refuses by itself
        size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        block = b"IHDR" + size
        content = struct.pack(">I", len(size)) + block + struct.pack(">I", zlib.crc32(block))
        (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content + b"\0\0\0\0IDAT\x35\xaf\x06\x1e")
        with pytest.raises(EquinoiseError, match=r"too large: .*the limit is 89,478,485|too large: the limit is"):
            open_image(tmp_path / "x.png")


def test_whatever_pillow_raises_is_one_line(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "x.jpg")
    whole = (tmp_path / "x.jpg").read_bytes()
    for content in (b"", b"GIF89a", whole[:-30], whole[:200], b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"):
        (tmp_path / "y.jpg").write_bytes(content)
        with pytest.raises(
            EquinoiseError, match=r"y.jpg cannot be read as an image \(.+\); mend or remove it"
        ) as error:
            open_image(tmp_path / "y.jpg")
        assert len(str(error.value).splitlines()) == 1


def test_what_is_drawn_by_other_programs_or_known_by_its_header_only_is_no_image() -> None:
    known = formats_by_suffix()
    assert {".png", ".jpg", ".jfif", ".jpe", ".jp2", ".webp", ".avif", ".tif", ".bmp", ".gif"} <= known.keys()
    assert not {".eps", ".ps", ".wmf", ".mpg", ".h5", ".grib", ".pdf"} & known.keys()


def test_only_very_large_pictures_are_shrunk_and_faces_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factor = pictures._factor
    assert [factor(size) for size in [(512, 512), (6000, 4000), (5600, 5600)]] == [1, 1, 1]
    for size in [(8000, 6000), (9400, 9400), (12000, 7000), (3000, 20000), (4400, 20000)]:
        assert min(size) // factor(size) >= min(2000, *size), size
        assert math.prod(size) / factor(size) ** 2 <= 2 * pictures.HELD_PIXELS
    assert math.prod((1000, 89_000)) / factor((1000, 89_000)) ** 2 <= 2 * pictures.HELD_PIXELS
    monkeypatch.setattr(pictures, "HELD_PIXELS", 1000)
    monkeypatch.setattr(pictures, "LEAST_SIDE", 10)
    monkeypatch.setattr(pictures, "STRIP_PIXELS", 300)
    pixels = np.random.default_rng(0).integers(0, 255, (61, 93, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert open_image(tmp_path / "x.png").tobytes() == Image.fromarray(pixels).reduce(3).tobytes()
    whole = look_at(tmp_path / "x.png")
    monkeypatch.setattr(pictures, "STRIP_PIXELS", 10**6)
    assert look_at(tmp_path / "x.png") == whole  # the strips are not part of the identity
    monkeypatch.setattr(pictures, "SHOWN_SIDE", 20)
    assert max(open_small(tmp_path / "x.png").size) == 20


def test_batches_are_bounded_by_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for index, side in enumerate([10, 10, 100, 10, 10, 10]):
        Image.new("L", (side, side)).save(tmp_path / f"{index}.png")
        files.append(tmp_path / f"{index}.png")
    monkeypatch.setattr(pictures, "BATCH_PIXELS", 350)
    assert list(batches(files)) == [range(2), range(2, 3), range(3, 6)]
    monkeypatch.setattr(pictures, "BATCH", 2)
    assert list(batches(files)) == [range(2), range(2, 3), range(3, 5), range(5, 6)]
    assert list(batches([])) == []
