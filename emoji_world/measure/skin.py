"""Skin tone by colour on the drawings themselves: what ITA reads each of the five tones as, in every style.

python -m emoji_world.measure.skin
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from PIL import Image

from emoji_world.drawing.art import drawing
from emoji_world.tables import RESULTS, Row, show, write_rows
from emoji_world.world import tones
from equinoise.detectors.skin_colour import skin_colour, tone_class

DRAWINGS = tuple(f"{gender}-{role}" for role in ("health-worker", "farmer", "teacher") for gender in ("man", "woman"))


def skin(styles: tuple[str, ...] = ("google", "twitter", "fluent")) -> list[Row]:
    """Per style and tone: the median ITA, what it is read as, and how often it is unclear."""
    rows: list[Row] = []
    for style in styles:
        for tone in tones():
            found = [skin_colour(_on_white(drawing(style, name, tone))) for name in DRAWINGS]
            clear = [colour for colour in found if colour]
            angles = sorted(colour.ita for colour in clear)
            read = Counter(tone_class(colour.ita) for colour in clear)
            rows.append(
                {
                    "style": style, "tone": tone, "drawings": len(found), "unclear": len(found) - len(clear),
                    "ita": round(angles[len(angles) // 2], 1) if angles else None,
                    "read as": ", ".join(f"{name} {times}" for name, times in read.most_common()),
                    "monk": ", ".join(map(str, sorted({colour.monk for colour in clear}))),
                }
            )  # fmt: skip
    return rows


def _on_white(sprite: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", sprite.size, "white"), sprite).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=RESULTS / "skin_colour.json")
    rows = skin()
    show(rows)
    write_rows(rows, parser.parse_args().out)


if __name__ == "__main__":
    main()
