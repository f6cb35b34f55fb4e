"""What a worker process does with a batch: draw noise, change it, generate images, detect classes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from threading import RLock, Thread

import numpy as np
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from equinoise.detectors import Reading, detect, load_detector_once, read
from equinoise.engine.jobs import Job, JobResult, Preview, Request
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models import HeldLatents, TextToImage, load_once
from equinoise.models.base import Generated, draw


def start(threads: int) -> None:
    """Set up a worker process: its threads, and no denormal numbers, which are slow on some processors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops the workers
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)  # read when a detector that looks for faces imports it
    warnings.simplefilter("ignore", EquinoiseWarning)  # the main process has said it, once for all workers
    # a lock for processes, as progress bars make one, would be reported as leaked where this process is killed
    tqdm.set_lock(RLock())
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    Thread(target=_end_with_the_main_process, daemon=True).start()


def _end_with_the_main_process() -> None:
    """A main process that is killed cannot end its workers, which would wait for it for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def work(request: Request, jobs: Sequence[Job], model: TextToImage | None = None) -> list[JobResult]:
    """Do one batch, on the model of the request unless another is given.

    A short batch is padded to the fixed size with its last job: the last bits of an image depend on the batch size.

    Raises:
        EquinoiseError: the batch does not fit an accelerator's memory.
    """
    padded = [*jobs, *[jobs[-1]] * (request.batch_size - len(jobs))]
    model = model or load_once(request.model)
    reads = request.detector if request.decode and request.axes else None
    detector = load_detector_once(reads) if reads else None  # first: one that is not there costs no images
    noise, generators = draw([job.noise_seed for job in padded], model.latent_shape)
    started = torch.stack(
        [job.change.apply(z[None])[0] if job.change else z for job, z in zip(padded, noise, strict=True)]
    )
    change, sampling = request.change, request.sampling
    try:
        with change.during(model, padded, started, sampling) if change else nullcontext(started) as latents:
            made = model.generate(
                [job.prompt for job in padded],
                latents,
                sampling,
                capture=request.capture,
                decode=request.decode,
                generators=generators,
                predict=request.preview.steps if request.preview else (),
                held=HeldLatents.stack([job.held for job in padded if job.held]) if model.resumable else None,
            )
    except torch.OutOfMemoryError as error:
        raise EquinoiseError(
            f"a batch of {len(padded)} does not fit the accelerator's memory; use a smaller --batch-size, or auto, or "
            "--offload model"
        ) from error
    readings = [Reading()] * len(padded)
    if made.images:
        readings = read(detector, made.images, request.axes, made.no_picture)
    previews = _previews(request.preview, model, made) if request.preview else {}
    precision = np.float32 if request.exact else np.float16
    return [
        JobResult(
            job,
            made.images[index] if made.images else None,
            {step: latents[index].numpy().astype(precision) for step, latents in made.captured.items()},
            readings[index].detections,
            {step: rows[index] for step, rows in previews.items()},
            readings[index].no_picture,
        )
        for index, job in enumerate(jobs)
    ]


def _previews(preview: Preview, model: TextToImage, made: Generated) -> dict[int, list[dict[str, dict[str, float]]]]:
    """Step → job → axis → class → probability, read off the predicted images."""
    detector = load_detector_once(preview.detector)
    return {step: detect(detector, model.decode(latents), preview.axes) for step, latents in made.predicted.items()}
