"""What a worker does with a batch: noise, change, generate, detect."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Sequence
from threading import Thread

import numpy as np
import torch

from equinoise.detectors import detect, load_detector_once
from equinoise.engine.jobs import Job, Preview, Request, Result
from equinoise.errors import EquinoiseError
from equinoise.models import TextToImage, load_once
from equinoise.models.base import Generated, Held, draw


def start(threads: int) -> None:
    """Set up a worker process: its threads, and no denormal numbers, which are slow on some processors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command itself stops; a worker has nothing to say
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)  # read when a detector that looks for faces imports it
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    Thread(target=_end_with_the_command, daemon=True).start()


def _end_with_the_command() -> None:
    """A command that is killed cannot tell its workers, which would wait for it for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def work(request: Request, jobs: Sequence[Job], model: TextToImage | None = None) -> list[Result]:
    """Do one batch, on the model of the request unless one is given.

    It is padded to the fixed size with its last job, so that its last bits do not depend on it.

    Raises:
        EquinoiseError: the batch does not fit an accelerator's memory.
    """
    padded = [*jobs, *[jobs[-1]] * (request.batch_size - len(jobs))]
    model = model or load_once(request.model)
    noise, generators = draw([job.noise_seed for job in padded], model.latent_shape)
    changed = [job.change.apply(z[None])[0] if job.change else z for job, z in zip(padded, noise, strict=True)]
    try:
        made = model.generate(
            [job.prompt for job in padded],
            torch.stack(changed),
            request.sampling,
            request.capture,
            request.decode,
            generators,
            request.preview.steps if request.preview else (),
            _held(padded) if model.resumable else None,
        )
    except torch.OutOfMemoryError as error:
        raise EquinoiseError(
            f"a batch of {len(padded)} does not fit the accelerator's memory; use a smaller --batch-size, or auto, or "
            "--offload model"
        ) from error
    detections: list[dict[str, dict[str, float]]] = [{} for _ in padded]
    if made.images and request.detector and request.axes:
        detections = detect(load_detector_once(request.detector), made.images, request.axes)
    previews = _previews(request.preview, model, made) if request.preview else {}
    precision = np.float32 if request.exact else np.float16
    return [
        Result(
            job,
            made.images[index] if made.images else None,
            {step: latents[index].numpy().astype(precision) for step, latents in made.captured.items()},
            detections[index],
            {step: rows[index] for step, rows in previews.items()},
        )
        for index, job in enumerate(jobs)
    ]


def _held(jobs: Sequence[Job]) -> Held | None:
    """What the jobs go on from; they all hold latents of one step, or none does."""
    held = [job.held for job in jobs if job.held is not None]
    return Held(held[0].step, torch.stack([torch.from_numpy(one.latents) for one in held])) if held else None


def _previews(preview: Preview, model: TextToImage, made: Generated) -> dict[int, list[dict[str, dict[str, float]]]]:
    """Step → what the detector reads off the predicted image of each job."""
    detector = load_detector_once(preview.detector)
    return {step: detect(detector, model.decode(latents), preview.axes) for step, latents in made.predicted.items()}
