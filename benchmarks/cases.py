"""Inputs made after public bug reports, read by `equinoise audit`: what came out before, what comes out now.

    python -m benchmarks.cases FOLDER [--before CHECKOUT]

FOLDER holds a folder for each case, by the names in `cases`; the commands run in a copy of it. CHECKOUT is another
state of this repository. Exit status 1 unless every case is right.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image
from pydantic import JsonValue

from benchmarks.common import tell
from emoji_world.tables import Row

ROOT = Path(__file__).parents[1]
GENDER = ("--axis", "gender")
EMOJI = ("--detector", "emoji")
SHOWN = 72
"""Letters of an error that the table shows."""

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


@dataclass(frozen=True)
class Case:
    """A command, and what may come out of it.

    Attributes:
        name: of the case, for the table.
        arguments: after `audit`; `NEW` stands for a folder that does not exist yet.
        right: one of these is to hold.
    """

    name: str
    arguments: tuple[str, ...]
    right: tuple[Expected, ...]

    def is_right(self, ended: Ended) -> bool:
        """Whether one of them does."""
        return any(expected.holds(ended) for expected in self.right)


def case(name: str, *right: Expected, more: Sequence[str] = (), axis: str = "gender") -> Case:
    """A case whose source is its name."""
    return Case(name, (name, "--axis", axis, *more), right)


def refused(*patterns: str) -> Refused:
    """Exit 2 with a line in which each of the patterns is found."""
    return Refused(patterns)


def women_men(concept: str, women: int, men: int, *warned: str) -> Counted:
    """A concept's counts on the axis gender."""
    counts = {name: n for name, n in (("woman", women), ("man", men)) if n}
    return Counted({(concept, "gender"): counts}, warned)


NURSES = women_men("nurse", 40, 10)
ONE_EACH = women_men("a nurse", 1, 1)
KEPT = ("-o", "NEW")


def cases(root: Path) -> list[Case]:
    """Every case; `root` is the folder they lie in."""
    return [*_tables(), *_metadata(), *_images(root)]


def _tables() -> list[Case]:
    excel = [case(f"csv_excel/{name}.csv", NURSES) for name in ("utf16", "sepline")]
    tails = [case(f"csv_excel_tail/{name}.csv", NURSES) for name in ("cr", "commas", "caps")]
    # a file without a mark may be in any code page: read, or refused with what to do
    cp1252 = (women_men("Krankenpfläger", 40, 10), refused("UTF-8", "save|export|convert"))
    race = Counted({("x", "fairface-race"): {"latino-hispanic": 4, "east-asian": 10, "white": 10}})
    age = Counted({("x", "fairface-age"): {"over-69": 4, "20-29": 10}})
    return [
        case("csv_unquoted_comma/labels.csv", refused(r"line 4\b")),
        case("csv_axis_case/labels.csv", women_men("nurse", 45, 55), refused("Gender")),
        case("csv_excel/cp1252.csv", *cp1252),
        *excel,
        *tails,
        case("csv_numbers/floats.csv", NURSES),
        case("csv_numbers/percent.csv", refused("80%", "percent|per cent|share|without %")),
        case("csv_numbers/thousands.csv", refused("1,240", "thousand|separator|without commas|1240")),
        case("csv_semicolon/labels.csv", NURSES, refused("semicolon|comma|separat")),
        case("no_count/labels.csv", women_men("nurse", 2, 1), refused("count.*(such as|give|add)")),
        case("fairface_wide/test_outputs.csv", _any_concept(1, 2), refused("fairface|such as")),
        Case("fairface_labels/race.csv", ("fairface_labels/race.csv", "--axis", "fairface-race"), (race,)),
        Case("fairface_labels/age.csv", ("fairface_labels/age.csv", "--axis", "fairface-age"), (age,)),
        case("deepface_json/out.json", _any_concept(1, 0), refused("deepface|such as")),
        Case("labels_twice", ("labels_twice/labels.csv",) * 2 + GENDER, (refused("twice|same|copy|copies|identical"),)),
        Case(
            "axis_bom/hat.toml",
            ("labels_twice/labels.csv", "--axis", "axis_bom/hat.toml"),
            (refused("no rows of axis 'hat'"),),  # the axis was read: these labels say nothing of hats
        ),
        Case(
            "model_names",
            ("model_names/civitai/dreamshaper_8.safetensors", "--concept", "a cat", *GENDER),
            (refused("single-file"), refused("cannot (load|read)")),
        ),
    ]


@dataclass(frozen=True)
class OneConcept:
    """Counts on the axis gender of a single concept, whatever the concept is called."""

    shares: Shares

    def holds(self, ended: Ended) -> bool:
        """Whether these are the only counts."""
        return ended.code == 0 and list(ended.audits.values()) == [self.shares]


def _any_concept(women: int, men: int) -> OneConcept:
    return OneConcept({name: n for name, n in (("woman", women), ("man", men)) if n})


def _metadata() -> list[Case]:
    smiling = Counted(
        {
            ("a photo of a nurse, smiling", "gender"): {"woman": 2},
            ("a photo of a nurse", "gender"): {"man": 2},
        }
    )
    splits = Counted({("a nurse", "gender"): {"woman": 2}, ("a pilot", "gender"): {"man": 2}})
    numbers = Counted({("a nurse", "g"): {"0": 1, "1": 1}})
    words = [
        case(f"meta_label_words/{folder}", Counted({("a nurse", "gender"): {"man": 1, "unclear": 1}}), refused(said))
        for folder, said in (("Unknown", "Unknown"), ("N_A", "N/A"), ("nan", "nan"))
    ]
    left_out = r"\b2 (images|files)|no row"
    hexadecimal = (Seeds(ONE_EACH, (12, 31)), refused("0x1F"))
    return [
        case("meta_comma/d", refused(r"line 2\b"), smiling),
        case("meta_header_space/d", women_men("a nurse", 3, 1)),
        case("meta_nested/d", splits, refused("metadata", "train|test")),
        case("meta_both/d", refused(r"metadata\.csv", r"metadata\.jsonl")),
        case("meta_int_labels/d", numbers, axis="meta_int_labels/g.toml"),
        case("meta_int_labels/c", numbers, axis="meta_int_labels/g.toml"),
        case("meta_bom/d", ONE_EACH),
        case("meta_label_words/woman_", ONE_EACH),
        case("meta_label_words/Woman", ONE_EACH),
        *words,
        case("meta_extra/d", women_men("a nurse", 1, 1, left_out)),
        case("meta_backslash/d", ONE_EACH),
        case("meta_seed_float/d", *hexadecimal, more=KEPT),
        case("csv_excel_tail/d", ONE_EACH),
    ]


def _images(root: Path) -> list[Case]:
    twice = Images({"d": 2})
    ending = (Images({"d": 3}), Images({"d": 1}, (r"1\.jfif|\.jfif", r"2\.avif|\.avif")))
    flat = Images({"woman": 4, "man": 4}, ("class",))
    broken = NothingKept(refused(r"img9\.png"))
    return [
        case("img_16bit/d", Pictures(root / "img_16bit" / "twin" / "a8.png"), axis="tone", more=(*EMOJI, *KEPT)),
        case("img_missing_ext/d", *ending, more=EMOJI),
        case("img_hidden/d", twice, more=EMOJI),
        case("img_appledouble/d", twice, more=EMOJI),
        case("img_dup/d", twice, more=EMOJI),
        case("img_lastbroken/d", broken, more=(*EMOJI, *KEPT)),
        case("img_huge/d", refused("too large", r"limit|at most|more than|up to"), more=EMOJI),
        case("img_flat/d", flat, more=EMOJI),
    ]


def run_tree(tree: Path, folder: Path, asked: Sequence[Case], work: Path) -> list[Ended]:
    """Every command of a tree; `work` is a new folder for what they write."""
    work.mkdir(parents=True)
    kept = [work / f"kept-{index}" for index in range(len(asked))]
    ended = [work / f"{index}.json" for index in range(len(asked))]
    commands: list[tuple[str, list[str]]] = [
        (str(end), ["audit", *(str(new) if word == "NEW" else word for word in one.arguments), "--json"])
        for one, end, new in zip(asked, ended, kept, strict=True)
    ]
    scripts: Mapping[str, JsonValue] = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]
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
