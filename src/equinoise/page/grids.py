"""Pictures: the same seeds of every group side by side, or those of one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equinoise.charts.style import THEME, group_style
from equinoise.page import words
from equinoise.page.articles import Article, ImageGroup
from equinoise.page.pictures import Picture, embed
from equinoise.run import Record

SHOWN, MOST, CONCEPTS, FEWEST = 24, 64, 8, 8
"""Cards at once, cards in all, concepts, and cards of a concept at the least."""
TOGETHER = {1: "picture", 2: "pair"}

Shot = tuple[Record, ...]
"""The record of one seed in every group."""


@dataclass(frozen=True)
class Card:
    """One seed: a picture for each group, and what each was perceived as, with whether that is new."""

    seed: int
    pictures: tuple[Picture, ...]
    read: tuple[tuple[tuple[str, bool], ...], ...]


@dataclass(frozen=True)
class Grid:
    """The pictures of one concept: some at once, some behind a fold; `total` counts those that are left out too.

    Attributes:
        groups: name and colour, one for each picture of a card.
        noun: what a card is called.
        kept: where all of them are.
        redrawn: whether rejection sampling gave some images other noise than their seed's.
    """

    concept: str
    groups: tuple[tuple[str, str], ...]
    noun: str
    shown: tuple[Card, ...]
    folded: tuple[Card, ...]
    total: int
    kept: str
    redrawn: bool


def grids(article: Article) -> list[Grid]:
    """The grids of an article, one a concept. A run that only sweeps has none: it has contact sheets."""
    concepts = list(dict.fromkeys(c for group in article.groups for c in group.by_concept))[:CONCEPTS]
    most = max(FEWEST, MOST // max(1, len(concepts)))
    found = [_grid(article, concept, most) for concept in concepts]
    return [grid for grid in found if grid.shown]


def _grid(article: Article, concept: str, most: int) -> Grid:
    groups = [group for group in article.groups if concept in group.by_concept]
    shots = _shots([group.by_concept[concept] for group in groups])
    seen = [shot for shot in shots if all(g.run.shows(r) for g, r in zip(groups, shot, strict=True))][:most]
    cards = tuple(_card(article, groups, shot) for shot in seen)
    colours = tuple(THEME[group_style(index, len(groups))[0]] for index in range(len(groups)))
    names = tuple(group.name for group in groups)
    kept = "the run folder has them all" if article.run.folder else "a run that is kept in memory holds the first 64"
    return Grid(
        concept=concept,
        groups=tuple(zip(names, colours, strict=True)),
        noun=TOGETHER.get(len(groups), "set"),
        shown=cards[:SHOWN],
        folded=cards[SHOWN:],
        total=len(shots),
        kept=kept,
        redrawn=any(len(record.draws or ()) > 1 for shot in shots for record in shot),
    )


def _shots(rows: Sequence[Sequence[Record]]) -> list[Shot]:
    """The seeds that every group has, in the order of the first; of one group every image."""
    if len(rows) == 1:
        return [(record,) for record in rows[0]]
    by_seed = [{record.seed: record for record in group} for group in rows]
    return [tuple(group[seed] for group in by_seed) for seed in by_seed[0] if all(seed in group for group in by_seed)]


def _card(article: Article, groups: Sequence[ImageGroup], shot: Shot) -> Card:
    read = [words.labels(record, article.axes) for record in shot]
    marked = tuple(
        tuple((label, place > 0 and label not in read[0]) for label in labels) for place, labels in enumerate(read)
    )
    pictures = (embed(group.run, record, article.axes) for group, record in zip(groups, shot, strict=True))
    return Card(shot[0].seed, tuple(pictures), marked)
