"""Does a change leave every number as it was? `python -m tools.same_numbers --before COMMIT_OR_DIR [--after DIR]`.

Runs the command line of both trees on this machine, one after the other, with every prompt, pair and seed given: an
audit, a sweep (collect, fit, sweep), plans of the mixture and of the emoji model, `understand`, audits of labels, of
images and of labelled folders, and what the demo makes besides the paper's recipe. `--seeds N` is the number of seeds
of each, `--estimator` that of the sweep (a tree whose `svm` is another is compared by `paired`). Compared are the
SHA-256 of every PNG by file name, every tensor in a safetensors file, and every value of the JSON that the commands
print: what was there before must be there after, floats equal to the last bit. Keys that came and texts that were
reworded are listed and are no difference. Exit status 1 on any difference.

A commit is checked out into a temporary folder; a folder is taken as it is. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

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
REFERENCE = """concept,axis,class,share
a photo of a doctor,gender,woman,0.4
a photo of a doctor,gender,man,0.6
a photo of a nurse,gender,woman,0.86
a photo of a nurse,gender,man,0.14
"""
CONFUSION = "true,predicted,count\nwoman,woman,180\nwoman,man,16\nwoman,unclear,4\nman,man,195\nman,woman,5\n"
ROWS = [(f"{index}.png", "a nurse" if index % 2 else "a pilot", "woman" if index % 3 else "man") for index in range(8)]
FILES = {
    "attributes.txt": ATTRIBUTES,
    "labels.csv": LABELS,
    "reference.csv": REFERENCE,
    "confusion.csv": CONFUSION,
    "rows/metadata.csv": "\n".join(["file_name,prompt,gender", *(",".join(row) for row in ROWS)]) + "\n",
    "lines/metadata.jsonl": "".join(
        f'{{"file_name": "{file}", "prompt": "{prompt}", "gender": "{label}"}}\n' for file, prompt, label in ROWS
    ),
}
"""Written into the folder that the commands run in."""
PICTURES = [
    *(f"{folder}/{file}" for folder in ("rows", "lines") for file, _, _ in ROWS),
    *(f"sorted/{prompt}/{file}" for file, prompt, _ in ROWS),
]
"""Pictures of noise, each another, written there too."""

AXES = ["--axis", "gender", "--axis", "tone"]
PROMPTS = ["--prompt", WOMAN, "--prompt", MAN]
PLAN = ["--concept", DOCTOR, "--target", "gender=uniform", *PROMPTS]
TONES = [
    word
    for tone in ("light", "medium-light", "medium", "medium-dark", "dark")
    for word in ("--prompt", f"{tone}=a photo of a {tone}-skinned doctor")
]
Commands = Mapping[str, Sequence[str]]
"""By the name of what a command leaves."""


@dataclass(frozen=True)
class Asked:
    """How large the runs are.

    Attributes:
        seeds: of every command; 0: each has its own, as few as tell something.
        estimator: of the directions of the sweep.
    """

    seeds: int = 0
    estimator: str = "svm"

    def n(self, own: int) -> list[str]:
        """`-n`, with the number of seeds of a command."""
        return ["-n", str(self.seeds or own)]

    def budget(self, directions_and_pilots: int, verify: int) -> list[str]:
        """`--budget` and `--verify` of a plan."""
        checked = self.seeds or verify
        return ["--budget", str(directions_and_pilots + checked), "--verify", str(checked)]


def audits(asked: Asked) -> Commands:
    """One audit of a model, of two axes and their intersection."""
    axes = [*AXES, "--cross", "gender,tone", "--target", "gender=woman:0.4,man:0.6"]
    return {"audit": ["audit", "emoji", "--concept", DOCTOR, *axes, *asked.n(16), "--seed", "0", "-o", "audit", *MODEL]}


def sweeps(asked: Asked) -> Commands:
    """Traces, directions and a sweep of them."""
    captured = ["--seed", "1000000", "--capture", "0,2", "-o", "collect"]
    fitted = ["--estimator", asked.estimator, "--permutations", "9"]
    swept = ["--steps-from", "0,2", "--weights", "1,4", "--seed", "3000000", "-o", "sweep"]
    return {
        "collect": ["collect", "emoji", "--axis", "gender", *PROMPTS, *asked.n(8), *captured, *MODEL],
        "fit": ["fit", "collect", "-o", "fit.safetensors", *fitted],
        "sweep": [
            *["sweep", "emoji", "--concept", DOCTOR, "--direction", "fit.safetensors:woman", *asked.n(4)],
            *[*swept, *MODEL],
        ],
    }


def plans(asked: Asked) -> Commands:
    """A plan of the mixture and one of the emoji model."""
    mixture, emoji = asked.budget(192, 64), asked.budget(40, 16)
    return {
        "plan-mixture": ["plan", "mixture", *PLAN, "--pairs", "8", *mixture, "-o", "plan-mixture.safetensors", *MODEL],
        "plan-emoji": ["plan", "emoji", *PLAN, "--pairs", "4", *emoji, "-o", "plan-emoji.safetensors", *MODEL],
    }


def demos(asked: Asked) -> Commands:
    """What the demo makes besides the paper's recipe: untouched images, and a plan for both axes on the same seeds."""
    targets = [*PLAN, "--target", "tone=uniform", *TONES, "--pairs", "8"]
    before = ["--seed", "4000000", "-o", "demo-before"]
    return {
        "demo-before": ["audit", "emoji", "--concept", DOCTOR, *AXES, *asked.n(16), *before, *MODEL],
        "demo-plan": ["plan", "emoji", *targets, *asked.budget(96, 16), "-o", "demo-plan.safetensors", *MODEL],
    }


def studies(asked: Asked) -> Commands:
    """`understand`, with objects."""
    what = ["--concept", DOCTOR, "--attributes", "attributes.txt", *AXES, "--objects", "emoji"]
    kept = ["--each", "2", "--seed", "0", "-o", "understand"]
    return {"understand": ["understand", "emoji", *what, *asked.n(8), *kept, *MODEL]}


def labels(asked: Asked) -> Commands:
    """Audits of tables."""
    axes = ["--axis", "gender", "--axis", "hair", "--classes", "long,short"]
    more = ["--confusion", "confusion.csv", "--target", "gender=woman:0.4,man:0.6", "-o", "labels"]
    referred = ["--axis", "gender", "--reference", "reference.csv", "-o", "reference"]
    return {"labels": ["audit", "labels.csv", *axes, *more], "reference": ["audit", "labels.csv", *referred]}


def images(asked: Asked) -> Commands:
    """Images of a model, read as a folder."""
    read = [*AXES, "--detector", "emoji", "--device", "cpu", "-o", "images"]
    return {
        "generate": ["generate", "emoji", "--concept", DOCTOR, *asked.n(8), "--seed", "7", "-o", "generate", *MODEL],
        "images": ["audit", "generate/images", *read],
    }


def folders(asked: Asked) -> Commands:
    """Images from elsewhere, with labels in either kind of metadata and without."""
    return {
        "rows-read": ["audit", "rows", "--axis", "gender", "-o", "rows-read"],
        "lines-read": ["audit", "lines", "--axis", "gender", "-o", "lines-read"],
        "sorted-read": ["audit", "sorted", *AXES, "--detector", "emoji", "--unclear-below", "0", "-o", "sorted-read"],
    }


RUNS: Mapping[str, Callable[[Asked], Commands]] = {
    "audit": audits,
    "sweep": sweeps,
    "plan": plans,
    "understand": studies,
    "labels": labels,
    "images": images,
    "folders": folders,
    "demo": demos,
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


def write_inputs(folder: Path) -> None:
    """`FILES` and `PICTURES`, in a new folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in PICTURES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        colours = hashlib.shake_128(Path(name).name.encode()).digest(8 * 8 * 3)
        Image.frombytes("RGB", (8, 8), colours).resize((64, 64)).save(folder / name)


def run_tree(tree: Path, folder: Path, commands: Commands) -> float:
    """The commands of a tree in a folder; the seconds it took. Stderr goes to `log.txt` there."""
    write_inputs(folder)
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree.resolve() / "src"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "EQUINOISE_TRACEBACK": "1",
    }
    asked = json.dumps([project["scripts"]["equinoise"], *commands.items()])
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
    parser.add_argument("--seeds", type=int, default=0, help="of every command; default: as few as tell something")
    parser.add_argument("--estimator", default="svm", help="of the sweep; paired where one tree has another svm")
    parser.add_argument("--keep", type=Path, help="a new folder for what the commands write; default: a temporary one")
    given = parser.parse_args(arguments)
    runs = given.runs.split(",")
    if unknown := [run for run in runs if run not in RUNS]:
        parser.error(f"--runs {unknown[0]}: choose from {', '.join(RUNS)}")
    asked = Asked(given.seeds, given.estimator)
    commands = {name: words for run in runs for name, words in RUNS[run](asked).items()}
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary) / "work"
        for label in ("before", "after"):
            with checkout(getattr(given, label), Path(temporary) / f"tree-{label}") as tree:
                print(f"{label}: {run_tree(tree, work / label, commands):.0f} s", file=sys.stderr)
        outcomes = [Outcome.read(name, work / "before", work / "after") for name in commands]
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
