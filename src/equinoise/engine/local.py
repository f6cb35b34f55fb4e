"""The local engine: batches over one-thread processes on a CPU, or one after another on an accelerator."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from threading import Lock
from types import TracebackType
from weakref import finalize

from equinoise.engine import worker
from equinoise.engine.jobs import Job, JobResult, Request
from equinoise.errors import EquinoiseError
from equinoise.models import TextToImage
from equinoise.models.worlds import MIXTURE

AHEAD = 2
"""Batches a worker that are under way or queued: enough that no worker waits, few enough that an exit is quick."""

_STARTING = Lock()


class Engine:
    """Runs jobs in batches of a fixed size, on worker processes that later runs share.

    On a CPU every worker is a process of one thread, whatever their number, so that one worker, several, and a run
    that was resumed give the same bits. The processes start with the first run. They end with `close`, at the end of
    a `with` block, or when nothing refers to the engine any more.

    >>> engine = Engine(workers=2)
    >>> engine.workers
    2

    A script needs no `if __name__ == "__main__":`, since workers never import it. Classes that jobs refer to must
    therefore come from a module, not from the script itself.
    """

    def __init__(self, workers: int | None = None, device: str = "cpu", model: TextToImage | None = None) -> None:
        """`workers` processes on a CPU (default: one for each core); an accelerator is driven from this process.

        A given `model` is run in this process too, wherever it is: a live pipeline cannot be sent to another process.
        On a CPU it then runs on as many threads as torch has in this process.

        Raises:
            EquinoiseError: fewer than one worker.
        """
        if workers is not None and workers < 1:
            raise EquinoiseError(f"--workers {workers}: at least one is needed")
        self.workers = (workers or cores()) if device.startswith("cpu") and model is None else 0
        self._model = model
        self._pool: ProcessPoolExecutor | None = None
        self._finalizer: finalize[..., Engine] | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(wait=kind is None)

    def close(self) -> None:
        """End the worker processes; a later run starts new ones."""
        self._end(wait=True)

    def _end(self, wait: bool) -> None:
        if self._pool and self._finalizer:
            self._finalizer.detach()
            self._pool.shutdown(wait=wait, cancel_futures=True)
        self._pool = self._finalizer = None

    def run(self, request: Request, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Results as batches finish, in no particular order.

        Raises:
            EquinoiseError: a batch size below one, a job of a class that workers cannot import, or a worker that the
                system killed.
        """
        size = request.batch_size
        if size < 1:
            raise EquinoiseError(f"--batch-size {size}: at least one image makes a batch")
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        if self.workers:
            _require_importable(request, jobs)
            yield from self._on_workers(request, batches)
        else:
            for batch in batches:
                yield from worker.work(request, batch, self._model)

    def _on_workers(self, request: Request, batches: Sequence[Sequence[Job]]) -> Iterator[JobResult]:
        queue, running = iter(batches), set[Future[list[JobResult]]]()
        try:
            while True:
                free = AHEAD * self.workers - len(running)
                running |= {self._submit(request, batch) for batch in islice(queue, free)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        except (BrokenExecutor, ConnectionError, EOFError) as error:
            self._end(wait=False)
            raise EquinoiseError(
                "a worker process was killed, most likely for memory; use fewer --workers or a smaller --batch-size"
            ) from error
        finally:
            for future in running:
                future.cancel()

    def _submit(self, request: Request, batch: Sequence[Job]) -> Future[list[JobResult]]:
        with _main_module_left_alone():
            return self._started(request).submit(worker.work, request, batch)

    def _started(self, request: Request) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            plain = request.model.name == MIXTURE
            context.set_forkserver_preload(["equinoise.engine.worker" if plain else "equinoise.engine.warm"])
            with _interrupts_held():
                forkserver.ensure_running()
            self._pool = ProcessPoolExecutor(self.workers, context, worker.start, (1,))
            # also at exit: a pool that is never shut down complains while the interpreter is taken apart
            self._finalizer = finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        return self._pool


@contextmanager
def _main_module_left_alone() -> Iterator[None]:
    """Start processes that do not import the main module again.

    A new process of `multiprocessing` imports the script that is running, by its `__spec__` or its `__file__`
    (`multiprocessing.spawn.get_preparation_data`). A script without `if __name__ == "__main__":` would then run again
    in every worker, and start workers of its own. Workers need nothing of it, so both are hidden meanwhile.
    """
    main = sys.modules["__main__"]
    with _STARTING:
        names: dict[str, object] = {name: vars(main)[name] for name in ("__spec__", "__file__") if name in vars(main)}
        main.__spec__ = None
        vars(main).pop("__file__", None)
        try:
            yield
        finally:
            vars(main).update(names)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process that never sees Ctrl-C, which a terminal sends to every process: this one stops the others.

    The process inherits that the signal is blocked, from its first instruction on. Here the signal waits meanwhile.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would lift the block while it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _require_importable(request: Request, jobs: Sequence[Job]) -> None:
    for kind in {type(request.early_classifier), type(request.change), *(type(job.change) for job in jobs)}:
        if kind.__module__ == "__main__":
            raise EquinoiseError(
                f"worker processes cannot import {kind.__name__}, which the running script defines; move the class to "
                "a module, or give Engine a model, which then runs in this process"
            )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
