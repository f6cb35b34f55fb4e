"""Inputs made after public bug reports, read by `equinoise audit`: what came out before, what comes out now.

    python -m benchmarks.cases FOLDER [--before CHECKOUT]

FOLDER holds a folder for each case, by the names in `cases`; the commands run in a copy of it. CHECKOUT is another
state of this repository. Exit status 1 unless every case is right.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases.expected import Ended
from benchmarks.cases.listed import Case, cases
from benchmarks.common import tell
from emoji_world.tables import Row

ROOT = Path(__file__).parents[2]

DRIVER = """
import contextlib, importlib, io, json, sys
if __name__ == "__main__":
    entry, commands = json.loads(sys.argv[1])
    module, _, name = entry.partition(":")
    main = getattr(importlib.import_module(module), name)
    for place, arguments in commands:
        sys.argv, status, out, err = ["equinoise", *arguments], 0, io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                status = end.code or 0
        with open(place, "w") as file:
            json.dump({"code": status, "out": out.getvalue(), "err": err.getvalue()}, file)
"""
"""Runs in the process of a tree, one command after another: packages are imported once."""


def run_tree(tree: Path, folder: Path, asked: Sequence[Case], work: Path) -> list[Ended]:
    """Every command of a tree; `work` is a new folder for what they write."""
    work.mkdir(parents=True)
    kept = [work / f"kept-{index}" for index in range(len(asked))]
    ended = [work / f"{index}.json" for index in range(len(asked))]
    commands: list[tuple[str, list[str]]] = [
        (str(end), ["audit", *(str(new) if word == "NEW" else word for word in one.arguments), "--json"])
        for one, end, new in zip(asked, ended, kept, strict=True)
    ]
    scripts = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve() / "src"), "TOKENIZERS_PARALLELISM": "false"}
    words = [sys.executable, "-c", DRIVER, json.dumps([scripts["equinoise"], commands])]
    subprocess.run(words, cwd=folder, env=environment, check=True)
    return [Ended.read(end, new, one.arguments) for one, end, new in zip(asked, ended, kept, strict=True)]


def copy_cases(folder: Path, new: Path) -> Path:
    """A copy of the cases that can be written to, for commands to run in.

    A copy or an archive may have turned a link into a small file that holds the name of its target; it becomes a link
    again.
    """
    shutil.copytree(folder, new, symlinks=True, copy_function=shutil.copyfile)
    for place in (new, *(path for path in new.rglob("*") if path.is_dir())):
        place.chmod(0o755)
    for file in list(new.rglob("*.png")):
        target = file.read_bytes() if file.stat().st_size < 100 else b""
        if target and (file.parent / target.decode("ascii", "ignore").replace("\0", "")).is_file():
            file.unlink()
            file.symlink_to(target.decode())
    return new


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of the cases")
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = copy_cases(given.folder, work / "cases")
        asked = cases(folder)
        now = run_tree(ROOT, folder, asked, work / "now")
        before = run_tree(given.before, folder, asked, work / "before") if given.before else None
        right = [one.is_right(ended) for one, ended in zip(asked, now, strict=True)]
        rows: list[Row] = [
            {
                "case": one.name,
                **({"before": str(before[index])} if before else {}),
                "now": str(now[index]),
                "right?": "yes" if right[index] else "NO",
            }
            for index, one in enumerate(asked)
        ]
    tell(rows, "cases")
    print(f"{sum(right)} of {len(right)} right")
    return int(not all(right))


if __name__ == "__main__":
    sys.exit(main())
