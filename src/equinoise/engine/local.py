"""The local engine: batches over one-thread processes on a CPU, or one after another on an accelerator."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from types import TracebackType

from equinoise.engine import worker
from equinoise.engine.jobs import Job, Request, Result
from equinoise.errors import EquinoiseError
from equinoise.models import TextToImage


class Engine:
    """Runs jobs in batches of a fixed size. A context manager: the processes live as long as the block.

    On a CPU every worker is a process of one thread, whatever their number, so that one worker, several, and a run
    that was resumed give the same bits.
    """

    def __init__(self, workers: int | None = None, device: str = "cpu", model: TextToImage | None = None) -> None:
        """`workers` processes on a CPU (default: one a core); an accelerator is driven from this process.

        So is a given `model`, wherever it is: a live pipeline cannot be sent to another process. On a CPU it then runs
        on as many threads as torch has in this process.

        Raises:
            EquinoiseError: fewer than one worker.
        """
        if workers is not None and workers < 1:
            raise EquinoiseError(f"--workers {workers}: at least one is needed")
        self.workers = (workers or cores()) if device.startswith("cpu") and model is None else 0
        self._model = model
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Engine:
        if self.workers:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["equinoise.engine.worker"])
            self._pool = ProcessPoolExecutor(self.workers, context, worker.start, (1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def run(self, request: Request, jobs: Sequence[Job]) -> Iterator[Result]:
        """Results as batches finish, in no particular order."""
        size = request.batch_size
        if size < 1:
            raise EquinoiseError(f"--batch-size {size}: at least one image makes a batch")
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        if self._pool is None:
            for batch in batches:
                yield from worker.work(request, batch, self._model)
            return
        pending: set[Future[list[Result]]] = {self._pool.submit(worker.work, request, batch) for batch in batches}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        except BrokenExecutor as error:
            raise EquinoiseError(
                "a worker process was killed, most likely for memory; use fewer --workers or a smaller --batch-size"
            ) from error
        finally:
            for future in pending:
                future.cancel()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
