"""What every command shares: one-line errors and warnings on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, Protocol

from rich.console import Console
from typer import Abort, Exit
from typer.exceptions import TyperException

from equinoise.cli.stopping import CLOSED_PIPE, INTERRUPTED, LINE, Stopping, discard_stdout
from equinoise.display import plain, plain_json, plain_lines
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.results.base import Result

INTERNAL = 70
"""As the system calls an error inside a program (EX_SOFTWARE)."""


def run_app(app: Callable[..., Any], arguments: list[str] | None = None) -> int:
    """Run a typer app; the exit code. Whatever a user can mend is one line on stderr and a 2."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", EquinoiseWarning)  # each once a place, and anew with each call of this function
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show must not cost the work
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with Stopping() as stopping:
        code = _run(app, arguments, stopping)
        if stopping.code is not None or code == INTERRUPTED:  # typer turns Ctrl-C into an exit with this code
            stopping.end_workers()
            _fail(LINE)
            code = stopping.code or INTERRUPTED
    return code


def _run(app: Callable[..., Any], arguments: list[str] | None, stopping: Stopping) -> int:
    try:
        code = int(app(args=arguments, standalone_mode=False) or 0)
        sys.stdout.flush()
    except Exit as stop:
        code = stop.exit_code
    except (SystemExit, BrokenPipeError):  # typer exits for one reason only: nobody reads what it prints
        discard_stdout()
        code = CLOSED_PIPE
    except TyperException as error:
        code = _fail(error.format_message())
    except EquinoiseError as error:
        code = _fail(str(error))
    except OSError as error:
        discard_stdout()
        code = _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except Exception as error:  # a mistake of ours must not look like a check that failed, which is a 1
        if os.environ.get("EQUINOISE_TRACEBACK"):
            raise
        code = INTERNAL
        if stopping.code is None:  # an import that is interrupted may raise anything
            what = f"{type(error).__name__}: {error}"
            _fail(f"this should not happen: {what} (please report it; EQUINOISE_TRACEBACK=1 shows where)")
    return code


def _fail(message: str) -> int:
    _say(f"error: {message}")
    return 2


def note(message: str) -> None:
    """A line on stderr about what a command does."""
    _say(message)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")


def _say(message: str) -> None:
    """One line on stderr; without anybody who reads it, none."""
    with suppress(OSError):
        print(f"equinoise: {plain(' '.join(message.split()))}", file=sys.stderr, flush=True)


class Shown(Protocol):
    """What a command prints."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""


def show(found: Shown, as_json: bool) -> None:
    """The result on stdout: one JSON object, or a table for people (names and values where there is no table)."""
    if as_json:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(plain_json(json.dumps(found.to_json(), allow_nan=False, ensure_ascii=not unicode)))
    elif isinstance(found, Result):
        console = Console(highlight=False)
        console.print(found.table().to_rich(console.width))
    else:
        print(_plain(found))


def _plain(found: Shown) -> str:
    """Names and values; of lists their length."""
    if type(found).__str__ is not object.__str__ and getattr(found, "dry_run", False):
        return plain_lines(str(found))
    rows = found.to_json().items()
    return "\n".join(plain(f"{key}: {len(value) if isinstance(value, list) else value}") for key, value in rows)
