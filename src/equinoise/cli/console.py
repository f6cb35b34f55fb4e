"""What every command shares: one-line errors and warnings on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console
from typer import Abort, Exit
from typer.exceptions import TyperException

from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.results.base import Result

INTERRUPTED = 130
INTERNAL = 70
"""As the system calls an error inside a program (EX_SOFTWARE)."""


def run_app(app: Callable[..., Any], arguments: list[str] | None = None) -> int:
    """Run a typer app; the exit code. Whatever a user can mend is one line on stderr and a 2."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", EquinoiseWarning)  # each once a place, and anew with each call of this function
    try:
        code = int(app(args=arguments, standalone_mode=False) or 0)
    except Exit as stop:
        code = stop.exit_code
    except TyperException as error:
        return _fail(error.format_message())
    except EquinoiseError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED
    except Exception as error:  # a mistake of ours must not look like a check that failed, which is a 1
        if os.environ.get("EQUINOISE_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}"
        _fail(f"this should not happen: {what} (please report it; EQUINOISE_TRACEBACK=1 shows where)")
        return INTERNAL
    if code == INTERRUPTED:  # typer turns Ctrl-C into an exit with this code
        _fail("stopped; with -o the same command goes on where it was")
    return code


def _fail(message: str) -> int:
    one_line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    print(f"equinoise: error: {one_line}", file=sys.stderr)
    return 2


def note(message: str) -> None:
    """A line on stderr about what a command does."""
    print(f"equinoise: {message}", file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"equinoise: warning: {' '.join(str(message).split())}", file=sys.stderr)


class Shown(Protocol):
    """What a command prints."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""


def show(found: Shown, as_json: bool) -> None:
    """The result on stdout: one JSON object, or a table for people (names and values where there is no table)."""
    if as_json:
        print(json.dumps(found.to_json(), allow_nan=False, ensure_ascii=False))
    elif isinstance(found, Result):
        Console(highlight=False).print(found.table().to_rich())
    else:
        print(_plain(found))


def _plain(found: Shown) -> str:
    """Names and values; of lists their length."""
    if type(found).__str__ is not object.__str__ and getattr(found, "dry_run", False):
        return str(found)
    rows = found.to_json().items()
    return "\n".join(f"{key}: {len(value) if isinstance(value, list) else value}" for key, value in rows)
