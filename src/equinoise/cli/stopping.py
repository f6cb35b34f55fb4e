"""How a command ends early: Ctrl-C, SIGTERM, and a reader that went away. One line, and a code that says which."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 141
"""128 + SIGPIPE, as a shell says it of any program whose reader went away. A 1 would mean that a check failed."""
LINE = "stopped; with -o the same command goes on where it was"
WATCHED = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """While a command runs: SIGINT and SIGTERM raise KeyboardInterrupt, and it is known afterwards which of them came.

    A library may swallow the exception, and one that is raised in a destructor is lost; `code` says all the same that
    the command was told to stop. A signal that is ignored already (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def code(self) -> int | None:
        """The exit code of a command that was told to stop; None where it was not."""
        return None if self._signal is None else 128 + self._signal

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        sys.unraisablehook = lambda _: None  # whatever is taken apart in the wrong order from here on is of no interest
        raise KeyboardInterrupt

    def end_workers(self) -> None:
        """End the worker processes at once: nobody waits for their batches. Further signals do nothing."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        for child in multiprocessing.active_children():
            child.kill()


def stop_at_once() -> None:
    """SIGINT and SIGTERM end this process with the line, while nothing has begun that would have to be ended."""
    for number in WATCHED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):
        os.write(2, f"equinoise: error: {LINE}\n".encode())
    os._exit(128 + number)


def discard_stdout() -> None:
    """What is left in the buffer of a stdout that cannot be written goes nowhere, and nothing complains at the end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
