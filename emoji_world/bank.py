"""A bank of composed pictures in one safetensors file, so that training never waits for drawing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from safetensors.numpy import load_file, save_file

from emoji_world.art import fetch
from emoji_world.captions import Scene, draw_scene
from emoji_world.compose import compose
from emoji_world.world import STYLES, Person, genders, roles, tones

CHUNK = 500


@dataclass(frozen=True)
class Bank:
    """`images` (n, 64, 64, 3) uint8 and what each of them shows."""

    images: NDArray[np.uint8]
    scenes: Sequence[Scene]


def make(path: Path, n: int, seed: int, workers: int) -> None:
    """Draw n captioned people and compose them; chunk c always uses the generator (seed, c)."""
    for style in STYLES:
        fetch(style)
    with ProcessPoolExecutor(workers) as pool:
        jobs = pool.map(_chunk, range(n // CHUNK), [seed] * (n // CHUNK))
        chunks = list(track(jobs, total=n // CHUNK, description=f"composing {n} pictures"))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(
        {"images": np.concatenate([c[0] for c in chunks]), "scenes": np.concatenate([c[1] for c in chunks])}, partial
    )
    partial.replace(path)


def load(path: Path) -> Bank:
    tensors = load_file(path)
    return Bank(tensors["images"], [_decode(row) for row in tensors["scenes"]])


def _chunk(index: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng((seed, index))
    scenes = [draw_scene(rng) for _ in range(CHUNK)]
    images = np.stack([np.asarray(compose(rng, scene.person).image) for scene in scenes])
    return images, np.array([_encode(scene) for scene in scenes], dtype=np.uint8)


def _encode(scene: Scene) -> list[int]:
    p = scene.person
    cell = [roles().index(p.role), genders().index(p.gender), tones().index(p.tone), STYLES.index(p.style)]
    return [*cell, scene.names_gender, scene.names_tone]


def _decode(row: NDArray[np.uint8]) -> Scene:
    role, gender, tone, style, names_gender, names_tone = (int(v) for v in row)
    person = Person(roles()[role], genders()[gender], tones()[tone], STYLES[style])
    return Scene(person, bool(names_gender), bool(names_tone))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=48_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    make(args.out, args.n, args.seed, args.workers)
