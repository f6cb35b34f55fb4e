"""How a command ended, and what is right: counts, refusals, warnings, pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

SHOWN = 72
"""Letters of an error that the table shows."""

Shares = Mapping[str, int]


@dataclass(frozen=True)
class Ended:
    """What a command did.

    Attributes:
        code: its exit status.
        audits: (concept, axis) → class → count; empty classes are left out, `unclear` stands among the others.
        error: the line after `error:`; empty where there is none.
        said: the same without the names of the files that were asked for, so that no pattern is found in them.
        warnings: the lines after `warning:`.
        kept: the folder that `-o` named.
    """

    code: int
    audits: Mapping[tuple[str, str], Shares]
    error: str
    said: str
    warnings: tuple[str, ...]
    kept: Path

    @classmethod
    def read(cls, file: Path, kept: Path, asked: Sequence[str]) -> Ended:
        """What the driver wrote."""
        found = json.loads(file.read_text())
        audits = json.loads(found["out"])["audits"] if found["code"] == 0 else []
        counts = {
            (a["concept"], a["axis"]): {
                **{name: c["count"] for name, c in a["classes"].items() if c["count"]},
                **({"unclear": a["unclear"]} if a["unclear"] else {}),
            }
            for a in audits
        }
        lines = found["err"].replace(str(kept), "NEW").splitlines()
        errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
        warnings = tuple(line.partition("warning: ")[2] for line in lines if "warning: " in line)
        error = " / ".join(errors)
        said = error
        for name in asked:
            said = said.replace(name, "…") if "/" in name else said
        return cls(found["code"], counts, error, said, warnings, kept)

    def __str__(self) -> str:
        if self.code:
            return f"exit {self.code}: {self.error[:SHOWN]}"
        counts = [
            f"{concept} {axis}: {', '.join(f'{name} {n}' for name, n in shares.items())}"
            for (concept, axis), shares in self.audits.items()
        ]
        warned = [f"warned: {line[:SHOWN]}" for line in self.warnings]
        return "; ".join([*counts, *warned])


class Expected(Protocol):
    """What may come out of a case."""

    def holds(self, ended: Ended) -> bool:
        """Whether it did."""


@dataclass(frozen=True)
class Refused:
    """Exit 2, with one line in which each of the patterns is found."""

    patterns: tuple[str, ...]

    def holds(self, ended: Ended) -> bool:
        """Whether the command was refused so."""
        return ended.code == 2 and all(re.search(pattern, ended.said, re.I) for pattern in self.patterns)


@dataclass(frozen=True)
class Counted:
    """Exit 0 with exactly these counts, (concept, axis) → class → count, and a warning for each of the patterns."""

    audits: Mapping[tuple[str, str], Shares]
    warned: tuple[str, ...] = ()

    def holds(self, ended: Ended) -> bool:
        """Whether the command counted so."""
        said = all(any(re.search(pattern, line, re.I) for line in ended.warnings) for pattern in self.warned)
        return ended.code == 0 and dict(ended.audits) == dict(self.audits) and said


@dataclass(frozen=True)
class Images:
    """Exit 0 with so many images of each concept on every axis, whatever was read off them, and these warnings."""

    concepts: Mapping[str, int]
    warned: tuple[str, ...] = ()

    def holds(self, ended: Ended) -> bool:
        """Whether the command read so many images."""
        found = {concept: sum(shares.values()) for (concept, _), shares in ended.audits.items()}
        said = all(any(re.search(pattern, line, re.I) for line in ended.warnings) for pattern in self.warned)
        return ended.code == 0 and found == dict(self.concepts) and said


@dataclass(frozen=True)
class Seeds:
    """Counted so, and these are the seeds in the run that was kept."""

    counted: Counted
    seeds: tuple[int, ...]

    def holds(self, ended: Ended) -> bool:
        """Whether they were recorded so."""
        table = ended.kept / "images" / "metadata.jsonl"
        rows = [json.loads(line) for line in table.read_text().splitlines()] if table.is_file() else []
        return self.counted.holds(ended) and tuple(row["seed"] for row in rows) == self.seeds


@dataclass(frozen=True)
class Pictures:
    """Every picture in the run that was kept is like a twin: no value is off by more than one of 255.

    How many there are does not matter: pictures that are alike may count once.
    """

    twin: Path

    def holds(self, ended: Ended) -> bool:
        """Whether all are."""
        wanted = np.asarray(Image.open(self.twin).convert("RGB"), dtype=int)
        found = [np.asarray(Image.open(file).convert("RGB"), int) for file in ended.kept.glob("images/*.png")]
        return bool(found) and all(int(np.abs(picture - wanted).max()) <= 1 for picture in found)


@dataclass(frozen=True)
class NothingKept:
    """Refused so, and nothing was written."""

    refused: Refused

    def holds(self, ended: Ended) -> bool:
        """Whether it was refused before anything was read."""
        return self.refused.holds(ended) and not any(ended.kept.rglob("*"))
