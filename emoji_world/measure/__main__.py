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
import json
from pathlib import Path

from emoji_world.measure.colour import colour
from emoji_world.measure.common import Rows, show
from emoji_world.measure.counts import counts
from emoji_world.measure.counts import summary as summary_of_counts
from emoji_world.measure.detector import detector
from emoji_world.measure.named import named
from emoji_world.measure.neutral import neutral, neutral_sessions
from emoji_world.measure.neutral import summary as summary_of_neutral
from emoji_world.measure.objects import objects
from emoji_world.measure.relations import relations

SUMMARIES = {"neutral": summary_of_neutral, "counts": summary_of_counts}


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
    if args.what == "detector":
        rows = detector(args.n or 2000)
    elif args.what == "objects":
        rows = objects(args.n or 1000, args.hard)
    elif args.what == "counts":
        rows = counts(args.n or 500, args.device)
    elif args.what == "colour":
        rows = colour(args.n or 100)
    elif args.what == "named":
        rows = named(args.n or 720, args.scenes, neutral_sessions(scales[:1], args.steps, args.dtype)[0], only)
    elif args.what == "relations":
        rows = relations()
    else:
        rows = neutral(args.n or 256, neutral_sessions(scales, args.steps, args.dtype), only)
    show([{k: v for k, v in row.items() if "corrected_" not in k} for row in rows])
    if args.what in SUMMARIES:
        show(SUMMARIES[args.what](rows))
    if args.out:
        kept = others(args.out, rows) if args.what == "neutral" else []
        args.out.write_text(json.dumps([*kept, *rows], indent=1) + "\n")


def others(path: Path, rows: Rows) -> Rows:
    """What the file has of the same weights at other guidance scales and prompts, which may take hours to measure."""
    known: Rows = json.loads(path.read_text()) if path.is_file() else []
    measured = {(row["guidance"], row["prompt"]) for row in rows}
    return [
        row
        for row in known
        if row.get("weights") == rows[0]["weights"] and (row["guidance"], row["prompt"]) not in measured
    ]


if __name__ == "__main__":
    main()
