"""What explicit captions show: every class named equally often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from emoji_world.captions import with_article
from emoji_world.measure.common import SEED, Counted, Settings, likeliest, make, tone_order
from emoji_world.prompts import called
from emoji_world.world import STYLES, Person, classes, genders, is_held_out, roles, tones, world
from equinoise.run import Record
from equinoise.runtime.model import Model
from equinoise.statistics import wilson

Asked = Mapping[str, str]
HERS = {"woman": "her", "man": "his"}


class NamedGroup(Settings):
    """A group of prompts, an axis that they name, and the share of images that show the class named."""

    group: str
    axis: str
    right: float


class NamedShare(Counted, NamedGroup):
    """The same with its interval; `spearman`: of named and seen tones."""

    spearman: float | None


def named(n: int, scenes: int, model: Model, only: Sequence[str] = ()) -> list[NamedShare]:
    """Captions that name classes ("a photo of a dark-skinned woman doctor", "a picture of a landbird on water").

    n images of people with a role, `scenes` of each kind of scene.
    """
    rows, settings = [], Settings.of(model)
    for group, asked in groups(n, scenes).items():
        if only and group not in only:
            continue
        records = make(model, [prompt for prompt, _ in asked], range(SEED + 2, SEED + 2 + len(asked)))
        rows += _rows(settings, group, [named for _, named in asked], records)
        if group == "people":
            held = [any(is_held_out(Person(a["role"], a["gender"], a["tone"], s)) for s in STYLES) for _, a in asked]
            chosen = [i for i, take in enumerate(held) if take]
            apart = [asked[i][1] for i in chosen], [records[i] for i in chosen]
            rows += _rows(settings, "people, a style held out", *apart)
    return rows


def groups(n: int, scenes: int) -> dict[str, list[tuple[str, Asked]]]:
    """Group → prompts with the classes that they name, each combination equally often."""
    people = [
        (f"a photo of {with_article(f'{t}-skinned {g} {called(r)}')}", {"role": r, "gender": g, "tone": t})
        for r, g, t in product([r for r in roles() if r != "person"], genders(), tones())
    ]
    words = world().words
    homes = [
        (f"a photo of a {t}-skinned {g} and {HERS[g]} {words.house[h][0]}", _home(h, g, t))
        for h, g, t in product(classes("house"), genders(), tones())
    ]
    weddings = [(f"a picture of {words.wedding[w][0]}", {"role": "wedding", "wedding": w}) for w in classes("wedding")]
    birds = [
        (f"a picture of a {b} {words.ground[g][0]}", {"role": "bird", "bird": b, "ground": g})
        for b, g in product(classes("bird"), classes("ground"))
    ]
    places = [
        (f"a photo of a {t}-skinned {g} {words.place[p][0]}", {"role": "person", "gender": g, "tone": t, "place": p})
        for p, g, t in product(classes("place"), genders(), tones())
    ]
    ages = [
        (f"a photo of {with_article(words.age[a][g][0])}", {"role": "person", "gender": g, "age": a})
        for a, g in product(classes("age"), genders())
    ]
    wanted: dict[str, tuple[Sequence[tuple[str, Asked]], int]] = {}
    wanted |= {"people": (people, n), "homes": (homes, scenes), "weddings": (weddings, scenes)}
    wanted |= {"birds": (birds, scenes), "places": (places, scenes), "ages": (ages, scenes)}
    return {name: [cells[i % len(cells)] for i in range(count)] for name, (cells, count) in wanted.items()}


def _home(house: str, gender: str, tone: str) -> Asked:
    return {"role": "home", "gender": gender, "tone": tone, "house": house}


def _rows(settings: Settings, group: str, asked: Sequence[Asked], records: Sequence[Record]) -> list[NamedShare]:
    rows = []
    for axis in asked[0]:
        true = [named[axis] for named in asked]
        seen = [likeliest(record.detections[axis]) for record in records]
        right = sum(a == b for a, b in zip(true, seen, strict=True))
        interval = wilson(right, len(true))
        rows.append(
            NamedShare(
                **dict(settings),
                group=group,
                axis=axis,
                right=right / len(true),
                count=right,
                n=len(true),
                low=interval.low,
                high=interval.high,
                spearman=tone_order(true, seen) if axis == "tone" else None,
            )
        )
    return rows
