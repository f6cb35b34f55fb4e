"""Memory of an audit of large photographs: python -m benchmarks.photographs

Peak memory and seconds of `equinoise audit FOLDER --detector emoji` as a whole process, on 24 JPEG files of 24
megapixels of noise, beside two small images, which is what the detector alone takes. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import tell
from emoji_world.tables import Row

SMALL, LARGE = (128, 128), (6000, 4000)


def measure(name: str, n: int, size: tuple[int, int]) -> Row:
    """Peak memory and time of one audit of n images."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(n):
            coarse = Image.fromarray(rng.integers(256, size=(size[1] // 8, size[0] // 8, 3), dtype=np.uint8))
            coarse.resize(size).save(Path(folder) / f"{index}.jpg", quality=90)
        command = [sys.executable, "-m", "equinoise.cli.start", "audit", folder, "--axis", "tone"]
        started = time.perf_counter()
        process = subprocess.Popen([*command, "--detector", "emoji", "--json"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)  # the peak of this process alone
        if status:
            raise SystemExit(f"the audit of {name} failed")
        seconds = time.perf_counter() - started
    return {"images": name, "n": n, "peak, MB": used.ru_maxrss / 1024, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=24, help="photographs")
    args = parser.parse_args()
    tell([measure("small", 2, SMALL), measure("photographs", args.n, LARGE)], "photographs")


if __name__ == "__main__":
    main()
