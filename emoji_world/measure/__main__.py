"""What the emoji model and its detectors can do, measured: the figures of the model card.

    python -m emoji_world.measure detector    the detector's error on fresh compositions
    python -m emoji_world.measure objects     the object detector's average precision
    python -m emoji_world.measure counts      objects, and gender × tone, as counted on 500 compositions and as they are
    python -m emoji_world.measure colour      skin colour after the autoencoder, in CIEDE2000
    python -m emoji_world.measure named       what explicit captions show, held-out cells apart
    python -m emoji_world.measure relations   whether cosines of texts follow what the captions were planted with
    python -m emoji_world.measure neutral     what neutral prompts show, against the planted shares, by guidance

Each prints a table and, with -o, writes JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from emoji_world.measure.colour import colour
from emoji_world.measure.counts import counts
from emoji_world.measure.counts import summary as summary_of_counts
from emoji_world.measure.detector import detector
from emoji_world.measure.named import named
from emoji_world.measure.neutral import NeutralShare, neutral, neutral_models
from emoji_world.measure.neutral import summary as summary_of_neutral
from emoji_world.measure.objects import objects
from emoji_world.measure.relations import relations
from emoji_world.tables import read_rows, show, write_rows
from equinoise.results.base import Value

WIDTH = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["detector", "objects", "counts", "colour", "named", "relations", "neutral"])
    parser.add_argument("-n", type=int, default=0, help="pictures, or images a prompt")
    parser.add_argument("--scenes", type=int, default=200, help="named: images of each kind of scene")
    parser.add_argument("--guidance", default="", help="comma-separated; default the model's own")
    parser.add_argument("--only", default="", help="named: groups; neutral: parts of prompts; comma-separated")
    parser.add_argument("--steps", type=int, default=50, help="denoising steps")
    parser.add_argument("--dtype", help="bfloat16 is twice as fast where the processor has it")
    parser.add_argument("--hard", action="store_true", help="objects: colours jittered by a quarter")
    parser.add_argument("--device", default="cpu", help="counts: where the detectors run")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    scales = [float(g) for g in args.guidance.split(",") if g]
    only = [part for part in args.only.split(",") if part]
    if args.what == "neutral":
        tell_neutral(neutral(args.n or 256, neutral_models(scales, args.steps, args.dtype), only), args.out)
        return
    rows: Sequence[Value]
    if args.what == "detector":
        rows = detector(args.n or 2000)
    elif args.what == "objects":
        rows = objects(args.n or 1000, args.hard)
    elif args.what == "counts":
        rows = counted = counts(args.n or 500, args.device)
    elif args.what == "colour":
        rows = colour(args.n or 100)
    elif args.what == "named":
        rows = named(args.n or 720, args.scenes, neutral_models(scales[:1], args.steps, args.dtype)[0], only)
    else:
        rows = relations()
    show(rows, width=WIDTH)
    if args.what == "counts":
        show(summary_of_counts(counted), width=WIDTH)
    if args.out:
        write_rows(rows, args.out)


def tell_neutral(shares: Sequence[NeutralShare], out: Path | None) -> None:
    """Print what neutral prompts show, and add it to what the file has of other settings."""
    rows = [share.to_json() for share in shares]
    show([{name: value for name, value in row.items() if "corrected_" not in name} for row in rows], width=WIDTH)
    show(summary_of_neutral(shares), width=WIDTH)
    if out:
        write_rows([*others(out, shares), *shares], out)


def others(path: Path, rows: Sequence[NeutralShare]) -> list[NeutralShare]:
    """What the file has of the same weights at other guidance scales and prompts, which may take hours to measure."""
    known = read_rows(path, NeutralShare)
    measured = {(row.guidance, row.prompt) for row in rows}
    return [row for row in known if row.weights == rows[0].weights and (row.guidance, row.prompt) not in measured]


if __name__ == "__main__":
    main()
