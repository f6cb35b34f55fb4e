"""Loading bars and notices of the libraries stay out of our own output; what matters of them we say ourselves."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

LIBRARIES = ("huggingface_hub", "transformers", "diffusers")
"""In the order in which they are silenced: diffusers makes transformers speak while it is imported."""


@contextlib.contextmanager
def quiet_libraries(importing: bool = True) -> Iterator[None]:
    """Silence transformers, diffusers and the hub client in a block; afterwards they are as the user had them.

    Log levels and loading bars belong to the process, so they are silenced for its other threads too. Where blocks of
    several threads overlap, the state of before the first comes back after the last.

    Args:
        importing: whether to import the libraries first, so that they cannot speak while the block imports them;
            otherwise those that were never imported are left alone.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(_SILENCE.end)
        _SILENCE.begin(importing)
        yield


class _Silence:
    """How the libraries were before the first of all blocks that are under way, in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._restore: dict[str, Callable[[], None]] = {}

    def begin(self, importing: bool) -> None:
        with self._lock:
            self._blocks += 1
        for name in LIBRARIES:
            if importing:
                importlib.import_module(name)
            with self._lock:
                if name in sys.modules and name not in self._restore:
                    self._restore[name] = _silence(name)

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            # transformers shows and hides the hub client's bars with its own, so the hub client is restored last
            for name in reversed(LIBRARIES):
                self._restore.pop(name, lambda: None)()


_SILENCE = _Silence()  # of the process, as the levels are


def _silence(name: str) -> Callable[[], None]:
    """Silence one library that is imported; what is returned makes it as it was."""
    if name != "huggingface_hub":
        _settings(name).get_verbosity()  # makes the library set its own level now, and not in the middle of the block
    logger = logging.getLogger(name)
    level, show_bars = logger.level, _hide_bars(name)
    logger.setLevel(logging.CRITICAL)  # errors are raised as well, and said in one line

    def restore() -> None:
        logger.setLevel(level)
        show_bars()

    return restore


def _hide_bars(name: str) -> Callable[[], None]:
    """Hide the loading bars of a library; what is returned shows them again, if they were shown.

    The hub client's environment variable outranks every call and would complain of calls, so nothing is done then.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None:
        return lambda: None
    if name == "huggingface_hub":
        states: dict[str, bool] = importlib.import_module("huggingface_hub.utils.tqdm").progress_bar_states
        before = dict(states)
        states.clear()
        states["_global"] = False

        def show() -> None:
            states.clear()
            states.update(before)

        return show
    library = _settings(name)
    if not library.is_progress_bar_enabled():
        return lambda: None
    library.disable_progress_bar()
    show_again: Callable[[], None] = library.enable_progress_bar
    return show_again


def _settings(name: str) -> Any:
    """The module of transformers or diffusers that sets what it says."""
    return importlib.import_module(f"{name}.utils.logging")
