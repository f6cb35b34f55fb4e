"""Pictures in a grid, each with a line of text under it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from equinoise.charts.style import figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIDE, COLUMNS, CAPTION = 160, 6, 24
"""Pixels of a picture's side, pictures in a row, and pixels of the text under one."""


def picture_grid(images: Sequence[Image.Image], captions: Sequence[str]) -> go.Figure:
    """The images, made small, row by row, each above its caption."""
    rows = -(-len(images) // COLUMNS)
    step = 1 + CAPTION / SIDE
    spots = [(place % COLUMNS, rows * step - place // COLUMNS * step) for place in range(len(images))]
    shown = [
        {"source": _address(image), "xref": "x", "yref": "y", "x": x + 0.02, "y": y, "sizex": 0.96, "sizey": 0.96,
         "sizing": "contain"}
        for image, (x, y) in zip(images, spots, strict=True)
    ]  # fmt: skip
    texts = [
        {"text": plain(caption), "x": x + 0.5, "y": y - 1.06, "showarrow": False, "font": {"size": 12}}
        for caption, (x, y) in zip(captions, spots, strict=True)
    ]
    hidden = {"visible": False, "fixedrange": True}
    return figure(
        [],
        max(SIDE, round(rows * (SIDE + CAPTION))) + 16,
        images=shown,
        annotations=texts,
        xaxis={**hidden, "range": [0, COLUMNS]},
        yaxis={**hidden, "range": [0, max(1.0, rows * step)], "scaleanchor": "x"},
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
    )


def _address(image: Image.Image) -> str:
    small = image.convert("RGB")
    small.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
