"""Commands that are killed at any moment and run again: what is lost, and what differs from a run that was not killed.

    python -m benchmarks.kills [--trials 24] [--seed 0]    about ten minutes on a core; Linux only

`audit`, `collect`, `plan`, `sweep`, `understand` and `demo` on the emoji model, small. Each command is run once without
a break. Each trial starts it anew in an empty folder, waits until a random number of files is there, and ends it: by
SIGKILL, SIGTERM, SIGINT (sent to every process of the command, as a terminal does), or by killing one worker. A kill
lands where the command is still running and its run is not finished; one that does not is tried again. Then, in most
trials, the folder is damaged too: a file of an image or of latents is removed, another is emptied, and a line of a
journal is overwritten. The same command is then run again, to the end.

Counted are files that the unbroken run has and the resumed one lacks (lost), files that differ by a byte (different),
and ends that are not as they should be: exit code 130, 143, or 2 for a worker, with one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common import keep
from emoji_world.tables import show

DOCTOR = ("--concept", "a photo of a doctor")
FAST = ("--steps", "4", "--batch-size", "2", "--workers", "1")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "audit": ("audit", "emoji", *DOCTOR, "--axis", "gender", "-n", "12", *FAST),
    "collect": ("collect", "emoji", "--axis", "gender", "-n", "8", "--capture", "0,2", *FAST),
    "plan": ("plan", "emoji", *DOCTOR, "--target", "gender=uniform", "--budget", "64", "--pairs", "4", *FAST),
    "sweep": ("sweep", "emoji", *DOCTOR, "--direction", "d:woman", "--weights", "2,4", "-n", "4", *FAST),
    "understand": (
        *("understand", "emoji", *DOCTOR, "--attributes", "attributes.txt", "--axis", "gender"),
        *("-n", "8", "--each", "4", *FAST),
    ),
    "demo": ("demo", "-n", "6", "--pilots", "4", "--pairs", "4", "--batch-size", "2", "--workers", "1"),
}
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM", "worker")
CODES = {"SIGKILL": -signal.SIGKILL, "SIGINT": 130, "SIGTERM": 143, "worker": 2}
MADE = ("*.png", "parts/*.safetensors", "early/*.safetensors", "traces.safetensors")
PATIENCE = 300.0
"""Seconds after which a command counts as hung."""


@dataclass(frozen=True)
class Trial:
    """One kill: of which command, how, when (files that were there), what was damaged, and what came of it."""

    command: str
    killed_by: str
    files: int
    damaged: int
    code: int
    one_line: bool
    resumed: int
    lost: int
    different: int

    @property
    def as_it_should_be(self) -> bool:
        """Whether it ended as it should, and went on to the same bytes."""
        ended = self.code == CODES[self.killed_by] and self.one_line
        return ended and (self.resumed, self.lost, self.different) == (0, 0, 0)


def main() -> None:
    """Run the trials, print and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="only these")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would ours
    rng, names = random.Random(asked.seed), asked.command or list(COMMANDS)
    print(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory(prefix="equinoise-kills-") as folder:
        home = Path(folder)
        whole = _unbroken(home, names)
        trials = []
        for number in range(asked.trials):
            name = names[number % len(names)]
            # every signal meets every command: the pairs shift by one in each round
            how = SIGNALS[(number + number // len(names)) % len(SIGNALS)]
            trials.append(_landed(home / f"trial-{number}", name, how, whole[name], rng))
            print(trials[-1], flush=True)
    show([{**asdict(trial), "right": trial.as_it_should_be} for trial in trials])
    wrong = sum(not trial.as_it_should_be for trial in trials)
    lost, different = (sum(getattr(trial, kind) for trial in trials) for kind in ("lost", "different"))
    print(f"{len(trials)} kills landed: {lost} files lost, {different} different, {wrong} trials not as they should be")
    keep(
        {
            "seed": asked.seed,
            "kills": len(trials),
            "lost": lost,
            "different": different,
            "wrong": wrong,
            "trials": [asdict(trial) for trial in trials],
        },
        "kills",
    )
    sys.exit(1 if wrong else 0)


def _unbroken(home: Path, names: Sequence[str]) -> dict[str, Path]:
    """Each command run without a break: name → its folder. The direction of the sweep is made first."""
    (home / "attributes.txt").write_text("flask\nmicroscope\n")
    traces = ("collect", "emoji", "--axis", "gender", "-n", "6", "--capture", "1", *FAST, "-o", "t")
    for command in (traces, ("fit", "t", "-o", "d", "--estimator", "paired")):
        Started.of(command, home).finish()
    found = {}
    for name in names:
        place = _prepared(home / f"whole-{name}", home)
        code, said = Started.of((*COMMANDS[name], "-o", "run"), place).finish()
        if code:
            raise SystemExit(f"{name} fails without any kill: {said}")
        found[name] = place
    return found


def _prepared(place: Path, home: Path) -> Path:
    place.mkdir()
    for file in ("attributes.txt", "d"):
        (place / file).write_bytes((home / file).read_bytes())
    return place


def _landed(place: Path, name: str, how: str, whole: Path, rng: random.Random) -> Trial:
    """A trial whose kill landed; the number of files to wait for halves with each that did not."""
    most = sum(1 for _ in _made(whole))
    wanted = rng.randint(1, max(1, most - 2))
    for attempt in range(6):
        here = _prepared(place.with_name(f"{place.name}-{attempt}"), whole.parent)
        started = Started.of((*COMMANDS[name], "-o", "run"), here)
        there = _kill(started.process, here, how, wanted, rng)
        code, said = started.finish()
        if there is not None and code != 0:
            return _resumed(here, name, how, whole, rng, there, (code, said))
        wanted = max(1, wanted // 2)
    raise SystemExit(f"{name}: no kill landed in 6 attempts")


def _kill(process: subprocess.Popen[bytes], here: Path, how: str, wanted: int, rng: random.Random) -> int | None:
    """Wait for so many files and a moment more, then kill; the number of files there, None where it was too late."""
    begun = time.monotonic()
    while process.poll() is None and sum(1 for _ in _made(here)) < wanted and time.monotonic() - begun < PATIENCE:
        time.sleep(0.01)
    time.sleep(rng.random() * 0.3)
    there = sum(1 for _ in _made(here))
    workers = _workers(process.pid) if how == "worker" else []
    if process.poll() is not None or (how == "worker" and not workers):
        return None
    if how == "worker":
        os.kill(rng.choice(workers), signal.SIGKILL)
    elif how == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.Signals[how])
    return there


def _resumed(
    here: Path, name: str, how: str, whole: Path, rng: random.Random, there: int, ended: tuple[int, str]
) -> Trial:
    damaged = _damage(here, rng) if rng.random() < 0.8 else 0
    code, said = Started.of((*COMMANDS[name], "-o", "run"), here).finish()
    if code:
        print(said, file=sys.stderr)
    ours, theirs = _content(whole), _content(here)
    one_line = how == "SIGKILL" or _says_one_error(ended[1])
    lost = sum(file not in theirs for file in ours)
    different = sum(theirs.get(file, content) != content for file, content in ours.items())
    return Trial(name, how, there, damaged, ended[0], one_line, code, lost, different + len(theirs.keys() - ours))


def _says_one_error(said: str) -> bool:
    """Whether stderr holds lines of ours only, notes and warnings among them, and one of these is an error."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("equinoise: error: ")]
    return len(errors) == 1 and all(line.startswith("equinoise: ") for line in lines)


def _damage(here: Path, rng: random.Random) -> int:
    """Remove a file, empty another, and overwrite a line of a journal; how many of these there was something for."""
    files = sorted(_made(here))
    chosen = rng.sample(files, min(2, len(files)))
    for number, file in enumerate(chosen):
        file.unlink() if number == 0 else file.write_bytes(b"")
    journals = sorted(here.rglob("journal.jsonl"))
    for journal in journals[:1]:
        lines = journal.read_bytes().split(b"\n")
        place = rng.randrange(len(lines))
        lines[place] = lines[place][: len(lines[place]) // 2] + b"\x00\xff"
        journal.write_bytes(b"\n".join(lines))
    return len(chosen) + len(journals[:1])


def _made(here: Path) -> list[Path]:
    """Files of images and latents."""
    return [file for pattern in MADE for file in (here / "run").rglob(pattern)]


def _content(here: Path) -> dict[str, bytes]:
    return {str(file.relative_to(here)): file.read_bytes() for file in sorted(here.rglob("*")) if file.is_file()}


@dataclass(frozen=True)
class Started:
    """A command in a process group of its own, and the file that its stderr goes to."""

    process: subprocess.Popen[bytes]
    said: Path

    @classmethod
    def of(cls, command: Sequence[str], here: Path) -> Started:
        """Start a command in a folder."""
        said = here.with_name(f"{here.name}.stderr")
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "equinoise.cli.start", *command],
                cwd=here,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        return cls(process, said)

    def finish(self) -> tuple[int, str]:
        """The exit code, and what was said on stderr."""
        return self.process.wait(PATIENCE), self.said.read_text(errors="backslashreplace")


def _workers(pid: int) -> list[int]:
    """Processes that the fork server of a process has started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):  # it ended meanwhile
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    return [worker for server in parents.get(pid, []) for worker in parents.get(server, [])]


if __name__ == "__main__":
    main()
