"""The command line: one thin function a command.

What a command needs is imported by the command, so that labels are audited, checked and helped with in no time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from equinoise.cli import auditing, comparing, mitigating, understanding
from equinoise.cli.console import run_app, show
from equinoise.cli.options import Json, Out
from equinoise.results.base import Value

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure social bias in text-to-image models and mitigate it by shifting the initial noise.",
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


class Written(Value):
    """A page that was written."""

    report: str


class Figures(Value):
    """Charts that were written."""

    figures: tuple[str, ...]


@app.command()
def demo(
    out: Out,
    n: Annotated[int, typer.Option("-n", help="fresh seeds: untouched, under the recipe, under the plan")] = 128,
    pilots: Annotated[int, typer.Option("--pilots", help="the plan is chosen on ten times as many images")] = 24,
    pairs: Annotated[int, typer.Option("--pairs", help="seeds that the recipe's direction is fitted on")] = 50,
    workers: Annotated[int | None, typer.Option("--workers", help="one-thread processes")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="fixed compute batch; part of the result")] = 16,
    json: Json = False,
) -> None:
    """Audit, the paper's recipe, a plan and its report on the emoji model. Minutes on a CPU, offline."""
    from equinoise.engine import Engine
    from equinoise.workflows.demo import demo as run_demo

    with Engine(workers) as engine:
        show(run_demo(out, n=n, pilots=pilots, pairs=pairs, batch_size=batch_size, engine=engine), json)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders")],
    out: Out,
    json: Json = False,
) -> None:
    """One self-contained HTML file from finished runs."""
    from equinoise.workflows.reporting import report as write

    show(Written(report=str(write(runs, out))), json)


@app.command()
def figures(
    run: Annotated[Path, typer.Argument(help="a finished run")],
    out: Out,
    kinds: Annotated[str, typer.Option("--formats", help="svg, png or both, comma-separated")] = "svg,png",
    json: Json = False,
) -> None:
    """The charts of a run as SVG and PNG files, without a browser; needs equinoise[figures]."""
    from equinoise.workflows.reporting import figures as draw

    formats = [kind.strip() for kind in kinds.split(",") if kind.strip()]
    show(Figures(figures=tuple(str(path) for path in draw(run, out, formats=formats))), json)


for part in (auditing.app, mitigating.app, comparing.app, understanding.app):
    app.add_typer(part)


def main() -> None:
    """Run the command line; see `cli.start`."""
    sys.exit(run_app(app))


if __name__ == "__main__":
    main()
