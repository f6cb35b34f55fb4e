"""One changed file, read by one command in this process: how it ended, and what was wrong with that."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.fuzz.kinds import KINDS, Command, Kind
from benchmarks.fuzz.text import ABSOLUTE
from equinoise.cli.app import app
from equinoise.cli.console import INTERNAL, run_app

ALLOWED = (0, 1, 2)
MOST_SECONDS = 20.0
MOST_BYTES = 2 * 2**30
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e]")
"""What a terminal may take as a command, or that turns the direction of a text."""
KIND_OF = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Input:
    """One changed file, which its kind, the seed and its number determine.

    Attributes:
        kind: name of the kind.
        seed, number: of the run of all inputs, and of this one in its kind.
    """

    kind: str
    seed: int
    number: int

    def __str__(self) -> str:
        return f"--only '{self.kind}' --seed {self.seed} --first {self.number} --inputs 1"


@dataclass(frozen=True)
class Found:
    """How a command ended.

    Attributes:
        wrong: `exit 70`, `hang`, `memory`, `outside`, `stdout` or `stderr`; empty where all is well.
        code: the exit status; None for a hang.
        said: the last line on stderr.
        command: what was run.
        seconds: that it took.
        bytes: of memory, at the most.
    """

    wrong: tuple[str, ...]
    code: int | None
    said: str
    command: Command
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Box:
    """Folders for inputs: `work` for the copy that is changed, `outside` and `home` that nothing may touch."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Box:
        """New folders, with something in those that nothing may touch."""
        for name in ("work", "outside/below", "home"):
            (root / name).mkdir(parents=True)
        for place in ("outside/secret.png", "outside/below/notes.txt", "secret.png", "home/.profile"):
            (root / place).write_bytes(b"nobody may read or write this")
        return cls(root)

    @property
    def work(self) -> Path:
        """Where commands run."""
        return self.root / "work"

    def outside(self) -> dict[str, tuple[int, int, int]]:
        """Every file that is not in `work`, with its size and when it was written."""
        others = (path for path in self.root.rglob("*") if not path.is_relative_to(self.work))
        return {str(path): (s.st_size, s.st_mtime_ns, s.st_ino) for path in others for s in [path.lstat()]}


def try_input(asked: Input, fixtures: Path, box: Box, keep: Path | None = None) -> Found:
    """Change a file, run a command on it, and say how that ended. `keep` is a folder for inputs that end badly."""
    kind, rng = KIND_OF[asked.kind], Random(f"{asked.seed}/{asked.kind}/{asked.number}")
    shutil.rmtree(box.work, ignore_errors=True)
    shutil.copytree(fixtures / kind.fixture, box.work)
    changed = _change(kind, rng, box)
    command = _command(kind, rng)
    before, started = box.outside(), time.perf_counter()
    code, out, err = _run(box.work, command, rng)
    seconds, size = time.perf_counter() - started, peak_bytes()
    wrong = [
        *(["exit 70"] if code == INTERNAL else [f"exit {code}"] if code not in ALLOWED else []),
        *(["hang"] if seconds > MOST_SECONDS else []),
        *(["memory"] if size > MOST_BYTES else []),
        *(["outside"] if box.outside() != before else []),
        *_badly_said(code, out, err, command),
    ]
    if wrong and keep:
        place = keep / f"{asked.kind}-{asked.seed}-{asked.number}".replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(changed, place) if changed.is_file() else None
        (place / "command.txt").write_text(f"{' '.join(command)}\n{err}\n", errors="backslashreplace")
    lines = err.strip().splitlines() or [""]
    return Found(tuple(wrong), code, lines[-1][:300], command, seconds, size)


def _change(kind: Kind, rng: Random, box: Box) -> Path:
    files = sorted(file for pattern in kind.files for file in box.work.glob(pattern))
    file = rng.choice(files)
    content = kind.mutate(file.read_bytes(), rng)
    secret = (box.root / "outside" / "secret.png").as_posix().encode()
    file.write_bytes(content.replace(ABSOLUTE.encode(), secret))
    return file


def _command(kind: Kind, rng: Random) -> Command:
    command = rng.choice(list(kind.commands))
    return (*command, "--json") if rng.random() < 0.7 else command


def _run(work: Path, command: Command, rng: Random) -> tuple[int, str, str]:
    """Exit status, stdout, stderr of a command; stdout can take ASCII only now and then, as on some machines."""
    encoding = "ascii" if rng.random() < 0.2 else "utf-8"
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    err = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    with _same_afterwards(), contextlib.chdir(work), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run_app(app, list(command))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode(encoding, "replace"))
    return code, texts[0], texts[1]


@contextlib.contextmanager
def _same_afterwards() -> Iterator[None]:
    """What a command changes of its process is put back; numbers that overflow say nothing meanwhile."""
    level = logging.root.level
    with warnings.catch_warnings():
        reset_peak()
        yield
    logging.root.setLevel(level)


def _badly_said(code: int, out: str, err: str, command: Command) -> list[str]:
    """Whether stdout holds anything but one JSON object, or stderr anything but one line a message."""
    found = []
    if "--json" in command and code in (0, 1) and not _is_json(out):
        found.append("stdout")
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.strip()]
    errors = [line for line in lines if "equinoise: error:" in line]
    silent = code == 2 and len(errors) != 1
    if silent or "Traceback" in err or CONTROL.search(err.replace("\r", "")) or (code == 2 and lines[-1] != errors[-1]):
        found.append("stderr")
    if "--json" not in command and CONTROL.search(out):
        found.append("stdout")
    return found


def _is_json(text: str) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(text, parse_constant=refuse), dict)
    except ValueError:
        return False


def reset_peak() -> None:
    """Count the peak of this process's memory anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most memory that this process held since `reset_peak`; 0 where the system does not tell."""
    return memory_of(os.getpid()).get("VmHWM", 0)


def memory_of(process: int) -> Mapping[str, int]:
    """What Linux says of a process's memory, in bytes; empty elsewhere, or where the process has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return {}
    return {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"^(Vm\w+):\s+(\d+) kB", text, re.MULTILINE)}
