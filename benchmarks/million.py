"""Large tables: how long audits of a million labels, of many concepts, and the reading of many attributes take.

    python -m benchmarks.million

A CSV file with a count of 1 in each row, over 200 concepts, is audited by the command line; the same labels as records
in memory are counted in this process. Beside it tables of more and more concepts with two rows each, and files of more
and more attributes: twice as many should take twice as long.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.common import tell
from emoji_world.tables import Row
from equinoise import Record, audit_counts, load_axis
from equinoise.axes import UNCLEAR
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.wordings import read_attributes

N, CONCEPTS, RUNS = 1_000_000, 200, 3


def measure(axis_name: str) -> Row:
    """Seconds of both ways for one axis, the least of three runs."""
    axis, rng = load_axis(axis_name), np.random.default_rng(0)
    names = [*axis.classes, UNCLEAR]
    labels = [names[i] for i in rng.integers(len(names), size=N)]
    concepts = [f"a photo of a person {i}" for i in rng.integers(CONCEPTS, size=N)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.csv"
        with file.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["concept", "axis", "class", "count"])
            rows.writerows((concept, axis_name, label, 1) for concept, label in zip(concepts, labels, strict=True))
        command = [sys.executable, "-m", "equinoise.cli.app", "audit", str(file), "--axis", axis_name, "--json"]
        process = min(_seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(RUNS))
    pairs = enumerate(zip(concepts, labels, strict=True))
    records = [Record(str(i), concept, i, labels={axis_name: label}) for i, (concept, label) in pairs]
    memory = min(_seconds(lambda: Measures().audit(tally(records, [axis])).to_json()) for _ in range(RUNS))
    return {"axis": axis_name, "labels": N, "concepts": CONCEPTS, "whole process, s": process, "in memory, s": memory}


def measure_concepts(n: int) -> Row:
    """Seconds of an audit of n concepts with two rows each, the least of three runs."""
    rows = [
        f"concept {i},gender,{label},{(i * k) % 50 + 1}" for i in range(n) for k, label in ((3, "woman"), (7, "man"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.csv"
        file.write_text("\n".join(["concept,axis,class,count", *rows]))
        return {"what": "concepts", "n": n, "seconds": min(_seconds(lambda: audit_counts(file)) for _ in range(RUNS))}


def measure_attributes(n: int) -> Row:
    """Seconds of reading n attributes, the least of three runs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "attributes.txt"
        file.write_text("\n".join(f"attribute {i}" for i in range(n)))
        seconds = min(_seconds(lambda: read_attributes(file, "a photo of a doctor")) for _ in range(RUNS))
    return {"what": "attributes", "n": n, "seconds": seconds}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    tell([measure(axis) for axis in ("gender", "tone")], "million")
    many = [measure_concepts(n) for n in (5_000, 10_000, 20_000)]
    tell([*many, *(measure_attributes(n) for n in (10_000, 20_000, 40_000))], "many")
