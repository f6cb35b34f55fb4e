"""Changes of colour: clothes of another hue, red and gold, ruins, the light of the day. Skin keeps its hue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv

RED, GOLD = (0.985, 0.85, 0.80), (0.125, 0.78, 0.95)


def clothes(rng: np.random.Generator, drawing: Image.Image, turn: float = 0.06) -> Image.Image:
    """Saturated colours that are not skin, hair or fire (green to violet) turned a little on the colour wheel."""
    hue, saturation, value = drawing.convert("RGB").convert("HSV").split()
    angle = np.asarray(hue) / 255
    cloth = (angle > 0.22) & (angle < 0.92) & (np.asarray(saturation) > 0.2 * 255)
    turned = np.asarray(hue).astype(int) + round(255 * rng.uniform(-turn, turn))
    colours = Image.merge("HSV", (Image.fromarray((turned % 255).astype(np.uint8)), saturation, value))
    # only cloth goes through the coarse hues of the HSV mode; all else stays bit for bit
    changed = Image.composite(colours.convert("RGB"), drawing.convert("RGB"), Image.fromarray(cloth))
    changed.putalpha(drawing.getchannel("A"))
    return changed


def red_and_gold(drawing: Image.Image) -> Image.Image:
    """White cloth (a veil, a turban, a dress) becomes red with a golden hem; small whites such as eyes stay."""
    rgb, alpha = _split(drawing)
    hsv = rgb2hsv(rgb)
    white = (hsv[..., 1] < 0.13) & (hsv[..., 2] > 0.55) & (alpha > 0.3)
    hem = max(1, drawing.width // 32)
    white = ndimage.binary_propagation(ndimage.binary_erosion(white, iterations=hem), mask=white)
    inside = ndimage.binary_erosion(white, iterations=hem)
    for region, colour in ((white & ~inside, GOLD), (inside, RED)):
        hue, saturation, value = colour
        hsv[..., 0] = np.where(region, hue, hsv[..., 0])
        hsv[..., 1] = np.where(region, saturation, hsv[..., 1])
        hsv[..., 2] = np.where(region, value * (0.55 + 0.45 * hsv[..., 2]), hsv[..., 2])
    return _join(hsv2rgb(hsv), np.where(white, np.maximum(alpha, 0.999), alpha))


def ruined(drawing: Image.Image) -> Image.Image:
    """Faded and darker, as a derelict house."""
    rgb, alpha = _split(drawing)
    grey = rgb.mean(axis=2, keepdims=True)
    return _join(0.78 * (0.65 * grey + 0.35 * rgb), alpha)


def bust(head: Image.Image, cloth: tuple[int, int, int]) -> Image.Image:
    """A head alone gets shoulders, so that it does not float in a scene."""
    size = head.width
    body = Image.new("RGBA", (4 * size, 4 * size))
    draw = ImageDraw.Draw(body)
    # four times too large, then shrunk: round edges
    draw.ellipse((0.5 * size, 2.75 * size, 3.5 * size, 5.6 * size), fill=(*cloth, 255))
    body = body.resize((size, size), Image.Resampling.LANCZOS)
    inner = round(0.8 * size)
    smaller = head.resize((inner, inner), Image.Resampling.LANCZOS)
    body.alpha_composite(smaller, ((size - inner) // 2, 0))
    return body


def cloth_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """A plain colour for clothes, green to violet."""
    hsv = np.array([[[rng.uniform(0.3, 0.85), rng.uniform(0.35, 0.75), rng.uniform(0.45, 0.85)]]])
    r, g, b = (int(255 * v) for v in hsv2rgb(hsv)[0, 0])
    return r, g, b


def light(rng: np.random.Generator, image: Image.Image, spread: float = 0.04) -> Image.Image:
    """The whole picture a little darker or brighter; only a little, since skin must keep its tone."""
    return gain(image, np.full(3, rng.uniform(1 - spread, 1 + spread)))


def jitter(rng: np.random.Generator, image: Image.Image, spread: float = 0.25) -> Image.Image:
    """Each colour channel up to a quarter weaker or stronger: the hard set of test pictures."""
    return gain(image, rng.uniform(1 - spread, 1 + spread, size=3))


def gain(image: Image.Image, factors: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray((np.asarray(image, float) * factors).clip(0, 255).round().astype(np.uint8))


def _split(drawing: Image.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pixels = np.asarray(drawing.convert("RGBA"), float) / 255
    return pixels[..., :3], pixels[..., 3]


def _join(rgb: NDArray[np.float64], alpha: NDArray[np.float64]) -> Image.Image:
    pixels = np.concatenate([rgb, alpha[..., None]], axis=2)
    return Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8), "RGBA")
