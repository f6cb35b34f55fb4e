"""Processes that try inputs one after another: one that hangs, or takes too much memory, is ended and replaced."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, Queue
from tempfile import mkdtemp

from benchmarks.fuzz.running import MOST_BYTES, MOST_SECONDS, Box, Found, Input, memory_of, try_input

GRACE = 10.0
"""Seconds beyond the most that a command may take: a process that has not answered then never will."""
TOO_MUCH = 2 * MOST_BYTES
"""Memory at which a process is ended at once, before the machine suffers."""
START = 600.0
"""Seconds in which a new process must be ready, on a machine however busy."""
IMPORTED = (
    "equinoise.engine.warm",
    "equinoise.page.assembly",
    "sklearn.svm",
    "sklearn.model_selection",
    "peft",
    "plotly",
)
"""What commands import when they first need it, which takes seconds: not to be counted for one of the inputs."""
TURN = 500
"""Inputs after which a process is replaced: what is cached must not add up."""


@dataclass
class Worker:
    """A process that answers each line with a line.

    Attributes:
        fixtures: what `make_fixtures` made.
        place: a new folder for what the process writes.
        keep: a folder for inputs that end badly.
    """

    fixtures: Path
    place: Path
    keep: Path | None
    _process: subprocess.Popen[str] | None = None
    _answers: Queue[str] = field(default_factory=Queue)
    _tried: int = 0

    def ask(self, asked: Input) -> Found:
        """How an input ended; what hangs is tried twice, since the machine may have been busy."""
        found = self._ask(asked)
        return self._ask(asked) if "hang" in found.wrong else found

    def _ask(self, asked: Input) -> Found:
        """As `ask`, once; a death is an ending too."""
        if self._process is None or self._tried >= TURN:
            self.end()
            self._begin()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        self._tried += 1
        started, most = time.perf_counter(), 0
        with suppress(OSError):
            process.stdin.write(json.dumps(asdict(asked)) + "\n")
            process.stdin.flush()
        while True:
            with suppress(Empty):
                return _parsed(self._answers.get(timeout=0.1))
            seconds = time.perf_counter() - started
            most = max(most, memory_of(process.pid).get("VmRSS", 0))
            dead = process.poll() is not None
            if dead or seconds > MOST_SECONDS + GRACE or most > TOO_MUCH:
                wrong = "memory" if most > TOO_MUCH else f"died of {process.returncode}" if dead else "hang"
                self.end()
                return Found((wrong,), None, "", (), seconds, most)

    def _begin(self) -> None:
        environment = {
            **os.environ,
            "HOME": str(self.place / "home"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
            "TOKENIZERS_PARALLELISM": "false",
        }
        words = [sys.executable, "-m", "benchmarks.fuzz.pool", *map(str, (self.fixtures, self.place, self.keep or ""))]
        self._answers, self._tried = Queue(), 0
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment, start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=_forward, args=(self._process, self._answers), daemon=True).start()
        self._answers.get(timeout=START)

    def end(self) -> None:
        """End the process and everything that it started."""
        if self._process is not None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


def _forward(process: subprocess.Popen[str], answers: Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line)


def _parsed(line: str) -> Found:
    row = json.loads(line)
    return Found(**{**row, "wrong": tuple(row["wrong"]), "command": tuple(row["command"])})


def try_all(
    asked: Sequence[Input], fixtures: Path, place: Path, workers: int, keep: Path | None
) -> list[tuple[Input, Found]]:
    """How every input ended, in their order; progress on stderr."""
    queue: Iterator[tuple[int, Input]] = iter(list(enumerate(asked)))
    found: dict[int, Found] = {}
    lock = threading.Lock()

    def work() -> None:
        worker = Worker(fixtures, Path(mkdtemp(dir=place)), keep)
        try:
            while True:
                with lock:
                    index, one = next(queue, (-1, None))
                if one is None:
                    return
                found[index] = worker.ask(one)
                _tell(len(found), len(asked), one, found[index])
        finally:
            worker.end()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [(one, found[index]) for index, one in enumerate(asked)]


def _tell(done: int, total: int, asked: Input, found: Found) -> None:
    """How far it is, and what ended badly, at once."""
    terminal = sys.stderr.isatty()
    if found.wrong:
        print(f"{', '.join(found.wrong)} at {asked}: {found.said[:120]}", file=sys.stderr, flush=True)
    elif terminal or done % 200 == 0:
        print(f"{done}/{total} {asked.kind:<30}", end="\r" if terminal else "\n", file=sys.stderr, flush=True)


def serve(fixtures: Path, place: Path, keep: Path | None) -> None:
    """Answer on stdout, which nothing else may write to."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    box = Box.make(Path(mkdtemp(dir=place)))
    for name in IMPORTED:
        importlib.import_module(name)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        found = try_input(Input(**json.loads(line)), fixtures, box, keep)
        print(json.dumps(asdict(found)), file=answers, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3] else None)
