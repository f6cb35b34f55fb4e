"""Progress of long work: a bar in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from equinoise.display import plain

Tick = Callable[[int], None]
"""Called with the number of images that have just been finished."""


@contextmanager
def progress(title: str, total: int, show: bool | None = None) -> Iterator[Tick]:
    """A bar for `total` images; yields the function to call with each number of finished images.

    `show`: None shows the bar where stderr is a terminal, and in a notebook; False, in a server, never does.
    """
    console = Console(stderr=True, highlight=False)
    shown = (console.is_terminal or console.is_jupyter) if show is None else show
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(plain(title), total=total)
        yield lambda finished: bar.advance(task, finished)
