"""A contact sheet of finished runs: a row for each, the images of the first seeds side by side.

python -m emoji_world.sheet runs/doctors runs/teachers -o docs/emoji-sheet.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from equinoise import read_records


def sheet(runs: Sequence[Path], columns: int, enlarged: int) -> Image.Image:
    """One row a run; images enlarged smoothly."""
    rows = []
    for run in runs:
        records = sorted(read_records(run), key=lambda record: record.seed)[:columns]
        rows.append(np.concatenate([np.asarray(Image.open(run / record.file)) for record in records], axis=1))
    picture = Image.fromarray(np.concatenate(rows))
    return picture.resize((picture.width * enlarged, picture.height * enlarged), Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--enlarged", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    sheet(args.runs, args.columns, args.enlarged).save(args.out)


if __name__ == "__main__":
    main()
