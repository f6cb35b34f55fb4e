"""Images that were made: where each lies, from which seed, and what was done to its noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from equinoise.charts.pictures import picture_grid
from equinoise.no_picture import NoPicture, count_reasons, in_words
from equinoise.results.audits import Attempts, PlanInfo
from equinoise.results.base import Result, Value
from equinoise.results.tables import Row, TextTable, joined

if TYPE_CHECKING:
    import plotly.graph_objects as go


class MadeImage(Value):
    """One image: its file (None in memory), its seed, what was done to its noise, and the attempts it took.

    `no_picture`: why the image is no picture; None for a picture.
    """

    ABSENT: ClassVar[Mapping[str, str]] = {"no_picture": "no_picture"}

    file: str | None
    seed: int
    intervention: str
    draws: int
    early_checks: int
    no_picture: NoPicture | None = None


class ImagesResult(Result):
    """What `generate` made: in JSON, `images` says where each lies; in Python, `.images` are the pictures."""

    ABSENT: ClassVar[Mapping[str, str]] = {"plan": "plan", "drawn": "drawn"}

    made: tuple[MadeImage, ...] = ()
    intrusion_nats: float
    kl_nats: float
    plan: PlanInfo | None = None
    drawn: Attempts | None = None
    _pictures: tuple[Image.Image, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it with `--json`."""
        found = super().to_json()
        return {"images": found.pop("made"), **found}

    @property
    def images(self) -> list[Image.Image]:
        """The pictures, in the order of the concepts and, of each, of the seeds."""
        folder = self.run.folder
        if folder is None:
            return [self.run.previews[record.id] for record in self.run.records if self.run.shows(record)]
        opened = []
        for record in self.run.records:
            with Image.open(folder / record.file) as image:
                opened.append(image.copy())
        return opened

    def table(self) -> TextTable:
        """One row an image."""
        rows = tuple((one.file or "in memory", str(one.seed), one.intervention) for one in self.made)
        none = in_words(count_reasons(one.no_picture for one in self.made))
        caption = joined([f"{self.kl_nats:.2f} nats from N(0, I) an image", none])
        return TextTable(("image", "seed", "intervention"), rows, caption)

    def rows(self) -> Sequence[Row]:
        """A row an image."""
        return [one.model_dump() for one in self.made]

    def plot(self) -> go.Figure:
        """The pictures in a grid, each under its seed."""
        return picture_grid(self.images, [str(one.seed) for one in self.made])
