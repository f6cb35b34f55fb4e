"""A sheet of compositions, two rows for each kind of scene: what the model is trained on.

python -m emoji_world.drawing.compositions -o docs/emoji-compositions.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from emoji_world.drawing.compose import compose
from emoji_world.scenes import sample_scene
from emoji_world.world import kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=14)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = [
        np.concatenate([np.asarray(compose(rng, sample_scene(rng, kind)).image) for _ in range(args.columns)], axis=1)
        for kind in kinds()
        for _ in range(2)
    ]
    Image.fromarray(np.concatenate(rows)).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
