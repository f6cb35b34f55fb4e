"""Does a change leave every number as it was? `python -m tools.same_numbers --before COMMIT_OR_DIR [--after DIR]`.

Runs the command line of both trees on this machine, one after the other, with every prompt, pair and seed given: an
audit, a sweep (collect, fit, sweep), plans of the mixture and of the emoji model, `understand`, an audit of labels and
one of images. Compared are the SHA-256 of every PNG by file name, every tensor in a safetensors file, and every value
of the JSON that the commands print: what was there before must be there after, floats equal to the last bit. Keys that
came and texts that were reworded are listed and are no difference. Exit status 1 on any difference.

A commit is checked out into a temporary folder; a folder is taken as it is. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.outputs import Compared, compare, pictures, tensors

ROOT = Path(__file__).parents[1]
DOCTOR = "a photo of a doctor"
WOMAN, MAN = "woman=a photo of a woman doctor", "man=a photo of a man doctor"
MODEL = ["--steps", "10", "--dtype", "float32", "--device", "cpu", "--workers", "2", "--batch-size", "8"]

ATTRIBUTES = (
    "stethoscope = a photo of a stethoscope\nwoman = a photo of a woman doctor\nman = a photo of a man doctor\n"
)
LABELS = """concept,axis,class,count
a photo of a doctor,gender,woman,23
a photo of a doctor,gender,man,101
a photo of a doctor,gender,unclear,4
a photo of a nurse,gender,woman,90
a photo of a nurse,gender,man,38
a photo of a doctor,hair,long,31
a photo of a doctor,hair,short,97
"""
CONFUSION = "true,predicted,count\nwoman,woman,180\nwoman,man,16\nwoman,unclear,4\nman,man,195\nman,woman,5\n"
FILES = {"attributes.txt": ATTRIBUTES, "labels.csv": LABELS, "confusion.csv": CONFUSION}
"""Written into the folder that the commands run in."""

AXES = ["--axis", "gender", "--axis", "tone"]
PROMPTS = ["--prompt", WOMAN, "--prompt", MAN]
PLAN = ["--concept", DOCTOR, "--target", "gender=uniform", *PROMPTS]

RUNS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "audit": {
        "audit": [
            *[
                "audit",
                "emoji",
                "--concept",
                DOCTOR,
                *AXES,
                "--cross",
                "gender,tone",
                "--target",
                "gender=woman:0.4,man:0.6",
            ],
            *["-n", "16", "--seed", "0", "-o", "audit", *MODEL],
        ],
    },
    "sweep": {
        "collect": [
            *["collect", "emoji", "--axis", "gender", *PROMPTS, "-n", "8", "--seed", "1000000", "--capture", "0,2"],
            *["-o", "collect", *MODEL],
        ],
        "fit": ["fit", "collect", "-o", "fit.safetensors", "--estimator", "svm", "--permutations", "9"],
        "sweep": [
            *["sweep", "emoji", "--concept", DOCTOR, "--direction", "fit.safetensors:woman", "--steps-from", "0,2"],
            *["--weights", "1,4", "-n", "4", "--seed", "3000000", "-o", "sweep", *MODEL],
        ],
    },
    "plan": {
        "plan-mixture": [
            *["plan", "mixture", *PLAN, "--pairs", "8", "--budget", "256", "--verify", "64"],
            *["-o", "plan-mixture.safetensors", *MODEL],
        ],
        "plan-emoji": [
            *["plan", "emoji", *PLAN, "--pairs", "4", "--budget", "56", "--verify", "16"],
            *["-o", "plan-emoji.safetensors", *MODEL],
        ],
    },
    "understand": {
        "understand": [
            *[
                "understand",
                "emoji",
                "--concept",
                DOCTOR,
                "--attributes",
                "attributes.txt",
                *AXES,
                "--objects",
                "emoji",
            ],
            *["-n", "8", "--each", "2", "--seed", "0", "-o", "understand", *MODEL],
        ],
    },
    "labels": {
        "labels": [
            *["audit", "labels.csv", "--axis", "gender", "--axis", "hair", "--classes", "long,short"],
            *["--confusion", "confusion.csv", "--target", "gender=woman:0.4,man:0.6", "-o", "labels"],
        ],
    },
    "images": {
        "generate": [
            *["generate", "emoji", "--concept", DOCTOR, "-n", "8", "--seed", "7", "-o", "generate", *MODEL],
        ],
        "images": ["audit", "generate/images", *AXES, "--detector", "emoji", "--device", "cpu", "-o", "images"],
    },
}
"""By run the commands with the names of what they leave."""

MOST_LISTED = 20
"""Changed values of a command that are shown."""

DRIVER = """
import contextlib, importlib, json, sys, traceback
if __name__ == "__main__":
    entry, *commands = json.loads(sys.argv[1])
    module, _, name = entry.partition(":")
    for label, arguments in commands:
        sys.argv = ["equinoise", *arguments, "--json"]
        status = 0
        with open(f"{label}.json", "w") as out, contextlib.redirect_stdout(out):
            try:
                getattr(importlib.import_module(module), name)()
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                status = traceback.print_exc() or 70
        with open("status.txt", "a") as out:
            print(label, status, file=out)
"""
"""Runs in the process of a tree, all its commands one after another: a model is loaded once."""


@dataclass(frozen=True)
class Outcome:
    """One command of both trees."""

    name: str
    status: tuple[str, str]
    values: Compared
    pictures: tuple[int, int]
    tensors: tuple[int, int]

    @property
    def same(self) -> bool:
        """Whether both succeeded and nothing that was there before is gone or changed."""
        counts = (self.pictures, self.tensors)
        return self.status == ("0", "0") and self.values.same and all(found == total for found, total in counts)

    @classmethod
    def read(cls, name: str, before: Path, after: Path) -> Outcome:
        """What a command left in the two folders; of pictures and tensors, how many there are again, of how many."""
        return cls(
            name,
            (_status(before, name), _status(after, name)),
            compare(_json(before / f"{name}.json"), _json(after / f"{name}.json")),
            _again(pictures(before / name), pictures(after / name)),
            _again(tensors(before / name), tensors(after / name)),
        )


def _again(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]) -> tuple[int, int]:
    return (before & after).total(), before.total()


def _json(path: Path) -> Any:
    text = path.read_text() if path.is_file() else ""
    return json.loads(text) if text.strip() else {}


def _status(folder: Path, name: str) -> str:
    lines = (folder / "status.txt").read_text().splitlines() if (folder / "status.txt").is_file() else []
    return dict(line.split() for line in lines).get(name, "none")


def run_tree(tree: Path, folder: Path, runs: Sequence[str]) -> float:
    """The commands of a tree in a folder; the seconds it took. Stderr goes to `log.txt` there."""
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    commands = [command for run in runs for command in RUNS[run].items()]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree.resolve() / "src"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "EQUINOISE_TRACEBACK": "1",
    }
    asked = json.dumps([project["scripts"]["equinoise"], *commands])
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        subprocess.run([sys.executable, "-c", DRIVER, asked], cwd=folder, env=environment, stderr=log, check=True)
    return time.perf_counter() - started


@contextmanager
def checkout(name: str, folder: Path) -> Iterator[Path]:
    """A folder as it is, or a commit in a work tree of its own, which is removed at the end."""
    if Path(name).is_dir():
        yield Path(name)
        return
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), name], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def table(outcomes: Sequence[Outcome]) -> str:
    """A line a command, and below it what differs, came or was reworded."""
    rows = [f"{'command':<14}{'exit':>8}{'pictures':>12}{'tensors':>10}{'values':>9}  largest difference"]
    for o in outcomes:
        shown = f"{o.values.largest:.3g}" if o.values.changed else "none"
        exits = "/".join(o.status)
        counts = "".join(
            f"{f'{found}/{total}':>{width}}" for (found, total), width in ((o.pictures, 12), (o.tensors, 10))
        )
        rows.append(f"{o.name:<14}{exits:>8}{counts}{o.values.values:>9}  {shown}{'' if o.same else '  DIFFERS'}")
        rows += _listed(o.values) if o.status == ("0", "0") else []
    return "\n".join(rows)


def _listed(values: Compared) -> list[str]:
    keys = {"missing": values.missing, "came": values.extra, "reworded": values.texts}
    more = [f"… and {len(values.changed) - MOST_LISTED} more"] if len(values.changed) > MOST_LISTED else []
    lines = [*(f"changed: {line}" for line in values.changed[:MOST_LISTED]), *more]
    return [f"      {line}" for line in (*lines, *(f"{what}: {', '.join(k)}" for what, k in keys.items() if k))]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.same_numbers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", required=True, help="a commit of this repository, or the folder of a checkout")
    parser.add_argument("--after", default=str(ROOT), help="the same; default: this checkout as it is")
    parser.add_argument("--runs", default=",".join(RUNS), help=f"comma-separated; default: {','.join(RUNS)}")
    parser.add_argument("--keep", type=Path, help="a new folder for what the commands write; default: a temporary one")
    given = parser.parse_args(arguments)
    runs = given.runs.split(",")
    if unknown := [run for run in runs if run not in RUNS]:
        parser.error(f"--runs {unknown[0]}: choose from {', '.join(RUNS)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary) / "work"
        for label in ("before", "after"):
            with checkout(getattr(given, label), Path(temporary) / f"tree-{label}") as tree:
                print(f"{label}: {run_tree(tree, work / label, runs):.0f} s", file=sys.stderr)
        names = [name for run in runs for name in RUNS[run]]
        outcomes = [Outcome.read(name, work / "before", work / "after") for name in names]
        logs = [f"{label}: {_failed(work / label)}" for label in ("before", "after") if _failed(work / label)]
    print("\n".join([table(outcomes), *logs]))
    same = all(outcome.same for outcome in outcomes)
    print("all equal" if same else "not equal")
    return int(not same)


def _failed(folder: Path) -> str:
    """The last line of the log where a command failed."""
    lines = (folder / "log.txt").read_text().splitlines()
    failed = any(not line.endswith(" 0") for line in (folder / "status.txt").read_text().splitlines())
    return lines[-1] if failed and lines else ""


if __name__ == "__main__":
    sys.exit(main())
