"""Which women and men are one drawing? python -m emoji_world.drawing.alike

For every style and role the share of pixels in which a composed woman and man differ, from the same random numbers, the
smallest first. Those with none show no gender: `alike` in `world.toml` keeps them out of the world. Exit 1 where the
drawings and that list disagree. (`hidden` was judged by eye: the pixels that differ may lie where nobody notices them.)
"""

from __future__ import annotations

import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from emoji_world.drawing.compose import compose
from emoji_world.scenes import Scene
from emoji_world.world import STYLES, genders, is_one_drawing, roles, styles_of, tones


def difference(style: str, role: str, tone: str) -> float:
    """Share of the pixels that differ."""
    shows = [{"role": role, "gender": gender, "tone": tone} for gender in genders()]
    made = [compose(np.random.default_rng(0), Scene("person", style, s, frozenset(s))).image for s in shows]
    first, second = (np.asarray(image) for image in made)
    return float((first != second).any(axis=2).mean())


def main() -> None:
    found = sorted(
        (max(difference(style, role, tone) for tone in tones()), style, role) for style in STYLES for role in roles()
    )
    table = Table("style", "role", "pixels that differ", "drawn")
    for share, style, role in found[:8]:
        table.add_row(style, role, f"{share:.1%}", "yes" if style in styles_of(role) else "no")
    table.caption = f"{len(found)} pairs"
    Console().print(table)
    sys.exit(any((share == 0) != is_one_drawing(style, role) for share, style, role in found))


if __name__ == "__main__":
    main()
