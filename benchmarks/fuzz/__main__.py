"""Changed files of every kind, read by the commands that read such files: what ends badly.

    python -m benchmarks.fuzz [--inputs 200] [--seed 0] [--only KIND] [--first 0] [--workers 1] [--keep FOLDER]

Every input is determined by its kind, the seed and its number, so what is found can be made again: the line that is
printed with a finding says how. A command ends badly where it ends with 70 or another status than 0, 1 and 2; takes
more than 20 seconds, or 2 GB of memory; changes a file outside the folder that it works in; prints something else than
one JSON object under `--json`; or says what is wrong in more than one line, or with characters that control a terminal.
Exit status 1 where something is found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import keep
from benchmarks.fuzz.fixtures import make_fixtures
from benchmarks.fuzz.kinds import KINDS
from benchmarks.fuzz.pool import try_all
from benchmarks.fuzz.running import Found, Input
from emoji_world.tables import Row, show

WRONG = ("exit 70", "hang", "memory", "outside", "stdout", "stderr")
SHOWN = 3
"""Findings of a kind that are listed."""


def row(kind: str, found: Sequence[Found]) -> Row:
    """A line of the table."""
    wrong = Counter(what for one in found for what in one.wrong)
    other = {"other": sum(n for what, n in wrong.items() if what not in WRONG)}
    return {
        "kind": kind,
        "inputs": len(found),
        "read": sum(one.code == 0 for one in found),
        "refused": sum(one.code == 2 for one in found),
        **{what: wrong[what] for what in WRONG},
        **other,
        "longest, s": max((one.seconds for one in found), default=0.0),
        "most, MB": max((one.bytes for one in found), default=0) // 2**20,
    }


def listed(tried: Sequence[tuple[Input, Found]], most: int | None = SHOWN) -> list[str]:
    """Findings of a kind, a line each; those that say the same are told once."""
    seen: dict[tuple[object, ...], str] = {}
    for asked, found in tried:
        if found.wrong:
            words = " ".join(found.command)
            line = f"{', '.join(found.wrong)} [exit {found.code}]: {words}: {found.said} ({asked})"
            seen.setdefault((found.wrong, found.said[:90]), line)
    lines = list(seen.values())
    return lines[:most]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200, help="of every kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a kind; may be repeated")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of every kind")
    parser.add_argument("--workers", type=int, default=1, help="processes that try inputs")
    parser.add_argument("--keep", type=Path, help="a folder for the files that end badly")
    given = parser.parse_args(arguments)
    names = [kind.name for kind in KINDS if not given.only or kind.name in given.only]
    if not names:
        parser.error(f"--only: choose from {', '.join(kind.name for kind in KINDS)}")
    numbers = range(given.first, given.first + given.inputs)
    asked = [Input(name, given.seed, number) for name in names for number in numbers]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        fixtures = make_fixtures(Path(temporary) / "fixtures")
        tried = try_all(asked, fixtures, Path(temporary), given.workers, given.keep)
    rows = [row(name, [found for one, found in tried if one.kind == name]) for name in names]
    show(rows, f"seed {given.seed}")
    found = {name: listed([pair for pair in tried if pair[0].kind == name]) for name in names}
    for name, lines in found.items():
        print("\n".join([f"{name}:", *(f"  {line}" for line in lines)]) if lines else "", end="\n" if lines else "")
    seconds = time.perf_counter() - started
    wrong = sum(bool(one.wrong) for _, one in tried)
    print(f"{len(tried)} inputs in {seconds:.0f} s, {wrong} ended badly")
    if not given.only:
        about = {"seed": given.seed, "inputs": len(tried), "seconds": round(seconds), "badly": wrong}
        keep({**about, "kinds": rows, "found": {name: lines for name, lines in found.items() if lines}}, "fuzz")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
