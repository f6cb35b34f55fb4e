"""The search for a direction, 50 images a class, against two others in one run: python -m benchmarks.directions.search

    ours       same seeds for both classes, batched over one-thread processes, stopped after step 10, nothing decoded
    fair       loaded once, batched, all 50 steps, one process with all cores; linear SVM in the primal
    authors'   written by us from the description of their procedure: the pipeline loaded for each image, one image at
               a time, 50 steps, decoded, latents pickled; linear SVM in the primal

Each is timed as a whole, from loading to the unit direction at step 10. Prints wall times, denoiser calls (images ×
steps) and ratios.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC

from benchmarks.common import tell
from emoji_world.tables import Row
from equinoise import Sampling, collect, draw_noise, fit, load
from equinoise.engine.local import cores
from equinoise.models import load_model

STEP, STEPS = 10, 50
CAPTURED = tuple(range(0, STEPS, 5))
PROMPTS = {"woman": "a photo of a woman", "man": "a photo of a man"}


def ours(n: int) -> int:
    """The verbs `collect` and `fit`."""
    model = load("emoji", steps=STEPS, device="cpu")
    fit(collect(model, "gender", prompts=PROMPTS, n=n, capture=[STEP]), estimator="paired")
    return 2 * n * (STEP + 1)


def fair(n: int) -> int:
    """The same procedure with one model for all images, in batches."""
    model, sampling = load_model("emoji"), Sampling(STEPS, 2.0)
    latents = []
    for prompt in PROMPTS.values():
        for start in range(0, n, 16):
            seeds = range(start, min(n, start + 16))
            made = model.generate([prompt] * len(seeds), draw_noise(seeds, model.latent_shape), sampling, CAPTURED)
            latents.append(made.captured[STEP].numpy())
    _primal(np.concatenate(latents).reshape(2 * n, -1), n)
    return 2 * n * STEPS


def authors(n: int) -> int:
    """One image at a time, each with a pipeline of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for label, prompt in PROMPTS.items():
            for seed in range(n):
                model = load_model("emoji")
                noise = draw_noise([seed], model.latent_shape)
                made = model.generate([prompt], noise, Sampling(STEPS, 2.0), CAPTURED)
                assert made.images is not None
                made.images[0].save(Path(folder) / f"{label}-{seed}.png")
                kept = Path(folder) / f"{label}-{seed}.pkl"
                kept.write_bytes(pickle.dumps({step: made.captured[step].numpy() for step in CAPTURED}))
                rows.append(pickle.loads(kept.read_bytes())[STEP].ravel())
        _primal(np.stack(rows), n)
    return 2 * n * STEPS


def _primal(x: NDArray[np.float32], n: int) -> NDArray[np.float64]:
    """Unit normal of the linear support vector machine that separates the first n rows from the others."""
    normal: NDArray[np.float64] = SVC(kernel="linear", C=1.0).fit(x, np.repeat([1, 0], n)).coef_
    return normal / float(np.linalg.norm(normal))


PROCEDURES: dict[str, Callable[[int], int]] = {"ours": ours, "fair": fair, "authors": authors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=50, help="images a class")
    parser.add_argument("--only", choices=list(PROCEDURES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        torch.set_num_threads(torch.get_num_threads() if args.only == "ours" else cores())
        print(PROCEDURES[args.only](args.n))
        return
    seconds, calls = dict[str, float](), dict[str, int]()
    for name in PROCEDURES:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.directions.search", "--only", name, "-n", str(args.n)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds[name], calls[name] = time.perf_counter() - started, int(done.stdout.split()[-1])
    rows: list[Row] = [
        {
            "procedure": name,
            "seconds": seconds[name],
            "calls": calls[name],
            "time_ratio": seconds[name] / seconds["ours"],
            "calls_ratio": calls[name] / calls["ours"],
        }
        for name in PROCEDURES
    ]
    tell(rows, "direction_search")


if __name__ == "__main__":
    main()
