"""The flags that every trainer on the bank has."""

from __future__ import annotations

import argparse
from pathlib import Path


def flags(doc: str | None, steps: int, batch: int, learning_rate: float, emphasis: str = "") -> argparse.ArgumentParser:
    """A parser with this trainer's defaults; it adds what only it has."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--bank", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder with vae/; checkpoints and results go there")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seconds", type=float, help="train by the clock, whatever the number of steps")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--emphasis", default=emphasis, help="what to sample more often: bird=2.5, see training.bank")
    parser.add_argument("--device", default="cpu")
    return parser
