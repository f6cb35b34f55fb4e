"""Skin colour after the autoencoder, in CIEDE2000."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from emoji_world.drawing.compose import compose, sprite
from emoji_world.measure.common import SEED
from emoji_world.measure.detector import scene_of
from emoji_world.world import STYLES, Person, genders, roles, tones
from equinoise.models import load_model
from equinoise.models.pipeline import require_pipeline
from equinoise.results.base import Value


class SkinColour(Value):
    """CIEDE2000 of n pictures of a tone: median and 95th percentile."""

    tone: str
    n: int
    median: float
    p95: float


def colour(n: int) -> list[SkinColour]:
    """CIEDE2000 between the mean skin colour of a composition and of its reconstruction, by tone."""
    vae = require_pipeline(load_model("emoji")).pipeline.vae
    rng, rows = np.random.default_rng(SEED + 1), []
    for tone in tones():
        differences = []
        for _ in range(n):
            role = roles()[rng.integers(len(roles()))]
            person = Person(role, genders()[rng.integers(2)], tone, STYLES[rng.integers(len(STYLES))])
            image = np.asarray(compose(rng, scene_of(person)).image)
            skin = np.linalg.norm(image.astype(float) - _skin(person), axis=2) < 15
            if skin.sum() < 20:
                continue
            with torch.no_grad():
                x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
                decoded = vae.decode(vae.encode(x).latents).sample[0].permute(1, 2, 0)
            seen = ((decoded.numpy() + 1) * 127.5).clip(0, 255)
            pair = [rgb2lab(pixels[skin].mean(0) / 255) for pixels in (image, seen)]
            differences.append(float(deltaE_ciede2000(*pair)))  # type: ignore[no-untyped-call]
        values = np.array(differences)
        median, p95 = float(np.median(values)), float(np.quantile(values, 0.95))
        rows.append(SkinColour(tone=tone, n=len(values), median=median, p95=p95))
    return rows


def _skin(person: Person) -> NDArray[np.float64]:
    """The skin colour of a style and tone: the commonest opaque colour of the plain man's face."""
    pixels = np.asarray(sprite(Person("person", "man", person.tone, person.style)))
    face = pixels[24:44, 16:48].reshape(-1, 4)
    colours, counts = np.unique(face[face[:, 3] > 250][:, :3], axis=0, return_counts=True)
    return np.asarray(colours[counts.argmax()], float)
