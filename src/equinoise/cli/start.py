"""Entry point of the `equinoise` script. It imports little, so that Ctrl-C is one line from the start."""

from __future__ import annotations

import sys

from equinoise.cli.stopping import stop_at_once


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    stop_at_once()
    from equinoise.cli.app import app
    from equinoise.cli.console import run_app

    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
