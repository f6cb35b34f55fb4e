"""A figure as the page holds it: JSON that the page's script draws in the colours of the page's theme."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from equinoise.charts.style import NOTHING

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Chart:
    """One figure: its id in the page, and what a screen reader says of it."""

    id: str
    label: str
    figure: go.Figure

    @property
    def height(self) -> int:
        """In pixels; the width is the page's."""
        return int(self.figure.layout.height)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What plotly draws: on the page's ground, as wide as its place."""
        found: dict[str, Any] = self.figure.to_dict()
        layout = {key: value for key, value in found["layout"].items() if key not in {"template", "height"}}
        return {"data": found["data"], "layout": {**layout, "paper_bgcolor": NOTHING, "plot_bgcolor": NOTHING}}

    @property
    def json(self) -> Markup:
        """The figure for a script element: nothing in it can end that element or start another."""
        text = json.dumps(self.content, allow_nan=False, sort_keys=True)
        return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
