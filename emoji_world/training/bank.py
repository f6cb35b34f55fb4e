"""A bank of composed pictures in one safetensors file, so that training never waits for drawing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from safetensors.numpy import load_file, save_file

from emoji_world.drawing.art import fetch
from emoji_world.drawing.canvas import Box
from emoji_world.drawing.compose import compose
from emoji_world.prompts import all_prompts, is_asked
from emoji_world.scenes import Scene, sample_held_out, sample_scene
from emoji_world.world import STYLES, all_people, is_held_out, roles

CHUNK = 500
Objects = Sequence[tuple[str, Box]]


class SceneRow(TypedDict):
    """A scene and its objects as the file of a bank has them."""

    kind: str
    style: str
    shows: dict[str, str]
    names: list[str]
    objects: list[tuple[str, Box]]


@dataclass(frozen=True)
class Bank:
    """`images` (n, SIZE, SIZE, 3) uint8, what each of them shows, and label and box of the objects in it."""

    images: NDArray[np.uint8]
    scenes: Sequence[Scene]
    objects: Sequence[Objects]


def make(path: Path, n: int, seed: int, workers: int, which: str = "all", role: str | None = None) -> None:
    """Sample n scenes and compose them; chunk c always uses the generator (seed, c).

    `which`: one of `SCENES`; `role`: of those only the ones that show it.

    Raises:
        SystemExit: none of them does.
    """
    if which == "held-out" and role and not any(p.role == role and is_held_out(p) for p in all_people()):
        raise SystemExit(f"no cell of the role '{role}' is held out; choose another role or --scenes")
    for style in STYLES:
        fetch(style)
    with ProcessPoolExecutor(workers) as pool:
        jobs = pool.map(partial(_chunk, seed=seed, which=which, role=role), range(n // CHUNK))
        chunks = list(track(jobs, total=n // CHUNK, description=f"composing {n} pictures"))
    save(path, np.concatenate([c[0] for c in chunks]), [row for c in chunks for row in c[1]])


def save(path: Path, images: NDArray[np.uint8], rows: Sequence[SceneRow]) -> None:
    """Write a bank, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    table = np.frombuffer(json.dumps(rows).encode(), np.uint8)
    save_file({"images": images, "rows": table}, unfinished)
    unfinished.replace(path)


def load(paths: Sequence[Path]) -> Bank:
    """The pictures of one or more files, one after the other."""
    files = [load_file(path) for path in paths]
    rows = [row for tensors in files for row in json.loads(tensors["rows"].tobytes())]
    images = files[0]["images"] if len(files) == 1 else np.concatenate([tensors["images"] for tensors in files])
    return Bank(images, [decode(row) for row in rows], [[(n, tuple(b)) for n, b in r["objects"]] for r in rows])


def odds(scenes: Sequence[Scene], emphasis: str, factors: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
    """Cumulative odds of sampling each picture; "bird=1.8,person/person=2,person+gender=1.5": some more often.

    A kind, or a role of it, and besides those whose captions name an axis. Pictures with the same captions are all
    sampled alike, so that the planted shares stay what they are, but for a factor of each picture's own.
    """
    table = {name: float(value) for name, value in (part.split("=") for part in emphasis.split(",") if part)}
    weights = [
        table.get(f"{s.kind}/{s.shows.get('role')}", table.get(s.kind, 1.0))
        * float(np.prod([table.get(f"{s.kind}+{axis}", 1.0) for axis in s.names]))
        for s in scenes
    ]
    return cumulative(np.array(weights) * factors)


def cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.cumsum(weights) / np.sum(weights)
    return shares


def sample_rows(rng: np.random.Generator, shares: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """n rows by their cumulative odds."""
    return np.minimum(np.searchsorted(shares, rng.random(n)), len(shares) - 1)


def _sample_asked(rng: np.random.Generator, role: str | None) -> Scene:
    """A scene of a random planted prompt, all prompts alike often; the axes that it leaves open are as planted."""
    prompts = [prompt for prompt in all_prompts() if role in (None, prompt.names.get("role"))]
    prompt = prompts[rng.integers(len(prompts))]
    return _until(lambda: sample_scene(rng, prompt.kind), lambda scene: is_asked(prompt, scene))


def _shows(role: str | None) -> Callable[[Scene], bool]:
    return lambda scene: role in (None, scene.shows.get("role"))


def _until(sample: Callable[[], Scene], wanted: Callable[[Scene], bool]) -> Scene:
    while not wanted(scene := sample()):
        pass
    return scene


SCENES: Mapping[str, Callable[[np.random.Generator, str | None], Scene]] = {
    "all": lambda rng, role: _until(lambda: sample_scene(rng), _shows(role)),
    "asked": _sample_asked,
    "held-out": lambda rng, role: _until(lambda: sample_held_out(rng), _shows(role)),
}


def _chunk(index: int, seed: int, which: str, role: str | None) -> tuple[NDArray[np.uint8], list[SceneRow]]:
    rng = np.random.default_rng((seed, index))
    images, rows = [], []
    for _ in range(CHUNK):
        scene = SCENES[which](rng, role)
        made = compose(rng, scene)
        images.append(np.asarray(made.image))
        rows.append(encode(scene, made.objects))
    return np.stack(images), rows


def encode(scene: Scene, objects: Objects) -> SceneRow:
    """A scene as a row of plain values."""
    return {
        "kind": scene.kind,
        "style": scene.style,
        "shows": dict(scene.shows),
        "names": sorted(scene.names),
        "objects": list(objects),
    }


def decode(row: SceneRow) -> Scene:
    return Scene(row["kind"], row["style"], row["shows"], frozenset(row["names"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--scenes", choices=SCENES, default="all",
        help="all; those that planted prompts ask for; or the cells that the denoiser is not trained on",
    )  # fmt: skip
    parser.add_argument("--role", choices=roles(), help="only those that show this role")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    make(args.out, args.n, args.seed, args.workers, args.scenes, args.role)
