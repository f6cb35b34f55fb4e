"""Plain values for tests."""

from __future__ import annotations

import numpy as np

from equinoise.directions.direction import Direction, Origin
from equinoise.directions.traces import Traces

MODEL = {"name": "m", "weights": "abc", "scheduler": "DDIMScheduler"}
SAMPLING = {"steps": 50, "guidance_scale": 2.0}


def origin(label: str = "woman", step: int | str = 10, **fields: object) -> Origin:
    known = {
        "axis": "gender",
        "label": label,
        "against": "man",
        "kind": "two_class",
        "step": step,
        "estimator": "svm",
        "accuracy": 0.9,
        "low": 0.8,
        "high": 0.95,
        "p": 0.01,
        "model": MODEL,
        "sampling": SAMPLING,
        "prompts": {"woman": "a photo of a woman", "man": "a photo of a man"},
        "seeds": (1, 2, 3),
    }
    return Origin(**{**known, **fields})  # type: ignore[arg-type]


def direction(seed: int = 0, shape: tuple[int, ...] = (4, 3, 3), **fields: object) -> Direction:
    return Direction.unit(np.random.default_rng(seed).standard_normal(shape), origin(**fields))  # type: ignore[arg-type]


def traces(
    n: int = 50,
    dimensions: int = 200,
    effect: float = 5.0,
    seed: int = 0,
    classes: tuple[str, ...] = ("woman", "man"),
    ordered: bool = False,
    detected: bool = False,
) -> tuple[Traces, np.ndarray]:
    """n seeds × classes in a space where the classes differ along one known unit direction, and share their noise."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(dimensions)
    truth /= np.linalg.norm(truth)
    noise = rng.standard_normal((n, dimensions)) * 2
    scale = np.linspace(1, -1, len(classes)) * (-1 if ordered else 1)
    latents = np.concatenate(
        [noise + s * effect / 2 * truth + 0.3 * rng.standard_normal((n, dimensions)) for s in scale]
    )
    made = Traces(
        axis="tone" if ordered else "gender",
        classes=classes,
        ordered=ordered,
        prompts={c: f"a photo of a {c}" for c in classes},
        labels=np.repeat(np.arange(len(classes)), n),
        seeds=np.tile(np.arange(n), len(classes)),
        latents={"T": np.tile(noise, (len(classes), 1)).astype(np.float16), 10: latents.astype(np.float16)},
        detected=detected,
        model=MODEL,
        sampling=SAMPLING,
    )
    return made, truth
