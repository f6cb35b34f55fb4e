"""What `attach` costs: python -m benchmarks.attach_overhead

Calls of one pipeline in pairs, bare and attached at weight 3, in turns of order and on the same seeds: the ratio of
their times with a 95% interval (t over the logarithms of the pairs' ratios), images a second, and memory at the peak.
Beside them attached with the latents of every fifth step captured, by the pipeline's own callback. Attaching itself,
which reads the weights, is timed apart: it is done once for as many calls as one likes.

On an accelerator: `--model FOLDER --device cuda --dtype float16`, or `--model sdxl-random` for a pipeline of SDXL's
true size with random weights, made on the spot. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.common import keep
from emoji_world.tables import Row, show
from equinoise import attach
from equinoise.directions.direction import Direction, Origin
from equinoise.models import ModelSpec, load_model
from equinoise.models.pipeline import require_pipeline
from equinoise.steering.pipeline_info import pipeline_info

CONCEPT, GUIDANCE, WEIGHT = "a photo of a doctor", 5.0, 3.0
Tensors = dict[str, torch.Tensor]
BARE, ATTACHED, CAPTURED = KINDS = ("bare", "attached", "attached, captured")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="emoji", help="emoji, a folder, a hub name, or sdxl-random")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default=None, help="float32, float16 or bfloat16")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=8, help="images a call")
    parser.add_argument("--name", default="attach_overhead", help="of the file under benchmarks/results")
    args = parser.parse_args()
    if args.pairs < 2:
        parser.error("an interval needs at least two pairs")
    if args.model == "sdxl-random":
        from benchmarks.random_sdxl import random_sdxl

        pipe = random_sdxl(args.device, args.dtype or "float16")
    else:
        pipe = require_pipeline(load_model(ModelSpec(args.model, args.device, args.dtype))).pipeline
    direction = random_direction(pipe, args.steps)
    memory = {kind: peak(pipe, direction, kind, args.steps, args.batch) for kind in KINDS}  # warms up, too
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for pair in range(args.pairs):
        for kind in KINDS if pair % 2 == 0 else KINDS[::-1]:
            seconds[kind].append(timed(pipe, direction, kind, args.steps, args.batch, pair))
    rows: list[Row] = [
        {
            "call": kind,
            "pairs": args.pairs,
            "images a second": args.batch / float(np.median(found)),
            "peak memory, MiB": memory[kind],
            **ratio(seconds[BARE], found),
        }
        for kind, found in seconds.items()
    ]
    started = time.perf_counter()
    attach(pipe, direction, weight=WEIGHT).detach()
    attaching = time.perf_counter() - started
    show(rows)
    print(f"attaching and detaching, where the weights are known already: {attaching:.4f} s")
    asked = {key: value for key, value in vars(args).items() if key not in ("pairs", "name")}
    hardware = torch.cuda.get_device_name() if args.device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    about = {**asked, "guidance_scale": GUIDANCE, "hardware": hardware, "torch": torch.__version__}
    keep({**about, "attaching, s": attaching, "rows": rows, "seconds": seconds}, args.name)


def timed(pipe: Any, direction: Direction, kind: str, steps: int, batch: int, pair: int) -> float:
    """Seconds of one call, decoding included, on seeds that are the pair's own."""
    generators = [torch.Generator().manual_seed(batch * pair + i) for i in range(batch)]
    given: dict[str, Any] = {"num_images_per_prompt": batch, "num_inference_steps": steps, "output_type": "np"}
    if kind == CAPTURED:
        given["callback_on_step_end"] = capturing()

    def call() -> float:
        wait(pipe)
        started = time.perf_counter()
        pipe(CONCEPT, generator=generators, guidance_scale=GUIDANCE, **given)
        wait(pipe)
        return time.perf_counter() - started

    if kind == BARE:
        return call()
    with attach(pipe, direction, weight=WEIGHT):
        return call()


def capturing() -> Callable[..., Tensors]:
    """A callback that takes the latents of every fifth step to the CPU, as `collect` does."""
    taken: dict[int, torch.Tensor] = {}

    def on_step_end(pipe: Any, step: int, timestep: Any, tensors: Tensors) -> Tensors:
        if step % 5 == 0:
            taken[step] = tensors["latents"].detach().float().cpu().clone()
        return {}

    return on_step_end


def peak(pipe: Any, direction: Direction, kind: str, steps: int, batch: int) -> float:
    """MiB: of the accelerator's memory during one call; on a CPU of the whole process so far."""
    cuda = pipe.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    timed(pipe, direction, kind, steps, batch, -1 - batch)
    used = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return used / 2**20


def ratio(bare: list[float], other: list[float]) -> dict[str, float]:
    """Geometric mean of other/bare over pairs, with a t interval of its logarithm."""
    logs = np.log(np.array(other) / np.array(bare))
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
    return {"ratio": float(middle), "low": float(low), "high": float(high)}


def random_direction(pipe: Any, steps: int) -> Direction:
    """A unit direction of the pipeline's latents: where it points makes no difference to the time."""
    known = pipeline_info(pipe)
    origin = Origin(
        axis="gender",
        kind="two_class",
        label="woman",
        against="man",
        step=10,
        estimator="random",
        model=known.provenance,
        sampling={"steps": steps, "guidance_scale": GUIDANCE},
    )
    return Direction.unit(np.random.default_rng(0).standard_normal(known.latent_shape), origin)


def wait(pipe: Any) -> None:
    """Until the accelerator has done what it was given."""
    if pipe.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
