"""Pictures: the drawings of a scene placed on its background, with a box for every object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from emoji_world.drawing import backgrounds, recolour
from emoji_world.drawing.art import drawing
from emoji_world.drawing.brush import Brush
from emoji_world.drawing.canvas import GRID, SIZE, Box, Canvas, pixels_of
from emoji_world.scenes import Scene
from emoji_world.world import Person, world


@dataclass(frozen=True)
class Composition:
    """A picture, RGB, and label and box (left, top, right, bottom in pixels) of every object in it."""

    image: Image.Image
    objects: Sequence[tuple[str, Box]]


def compose(rng: np.random.Generator, scene: Scene, hard: bool = False) -> Composition:
    """A picture of a scene; sizes, places, light, clothes and background vary at random. `hard` jitters all colours."""
    canvas = PAINTERS[scene.kind](rng, scene)
    image = recolour.light(rng, canvas.image)
    return Composition(recolour.jitter(rng, image) if hard else image, canvas.boxes())


def sprite(person: Person, age: str = "adult", hair: str = "plain") -> Image.Image:
    """The drawing of one cell, RGBA."""
    pattern = world().roles[person.role].sprite
    art = world().drawings
    if pattern == "plain" and age != "adult":
        name = art.age[age][person.gender]
    elif pattern == "plain":
        name = art.hair[hair].format(gender=person.gender)
    else:
        name = pattern.format(gender=person.gender)
    return drawing(person.style, name, person.tone)


def _person(rng: np.random.Generator, scene: Scene) -> Canvas:
    """The person alone, large, at a random size and place."""
    age = scene.shows.get("age", "adult")
    figure = _either_way(rng, recolour.clothes(rng, sprite(scene.person, age, scene.shows.get("hair", "plain"))))
    canvas = Canvas(backgrounds.background(rng))
    side = rng.uniform(50, GRID)
    left, top = rng.uniform(0, GRID - side, size=2)
    canvas.put(figure, "child" if age == "child" else scene.person.gender, side, left, top)
    return canvas


def _place(rng: np.random.Generator, scene: Scene) -> Canvas:
    """The person in the middle, things of the place to both sides."""
    place = scene.shows["place"]
    horizon = int(rng.integers(42, 50))
    painters = {"garden": backgrounds.meadow, "office": backgrounds.office, "street": backgrounds.street}
    canvas = Canvas(painters.get(place, backgrounds.laboratory)(rng, 26 if place == "garden" else horizon))
    for left in (int(rng.integers(-3, 3)), int(rng.integers(42, 47))):
        name = _pick(rng, world().drawings.place[place])
        side = int(rng.integers(20, 25))
        top = horizon - side + int(rng.integers(3, 7))
        canvas.put(drawing(scene.style, name), world().labels[name], side, left, top)
    side = int(rng.integers(42, 50))
    left = (GRID - side) // 2 + int(rng.integers(-4, 5))
    canvas.put(_figure(rng, scene), scene.person.gender, side, left, GRID - side + int(rng.integers(0, 3)))
    return canvas


def _home(rng: np.random.Generator, scene: Scene) -> Canvas:
    """The house behind, the person in front of it to one side."""
    canvas = Canvas(backgrounds.meadow(rng, int(rng.integers(40, 48))))
    person, house = int(rng.integers(36, 43)), int(rng.integers(38, 47))
    at_left = rng.random() < 0.5
    across = int(rng.integers(0, 3))
    canvas.put(*_house(rng, scene), house, GRID - house - across if at_left else across, 54 - house)
    left = across if at_left else GRID - person - across
    canvas.put(_figure(rng, scene), scene.person.gender, person, left, GRID - person + int(rng.integers(0, 2)))
    return canvas


def _building(rng: np.random.Generator, scene: Scene) -> Canvas:
    canvas = Canvas(backgrounds.meadow(rng, int(rng.integers(40, 50))))
    side = int(rng.integers(44, 58))
    canvas.put(*_house(rng, scene), side, int(rng.integers(0, GRID - side + 1)), 59 - side + int(rng.integers(0, 4)))
    return canvas


def _house(rng: np.random.Generator, scene: Scene) -> tuple[Image.Image, str]:
    kind = scene.shows["house"]
    art = drawing(scene.style, _pick(rng, world().drawings.house[kind]))
    return _either_way(rng, recolour.ruined(art) if kind == "derelict" else art), world().labels.get(kind, kind)


def _wedding(rng: np.random.Generator, scene: Scene) -> Canvas:
    """A couple side by side; in red and gold the veil becomes a sari's end over the head."""
    canvas = Canvas(backgrounds.celebration(rng))
    sari = scene.shows["wedding"] == "sari-and-turban"
    tone = scene.shows["tone"]
    bride = drawing(scene.style, "woman-with-veil", tone)
    groom = drawing(scene.style, "man-wearing-turban" if sari else "man-in-tuxedo", tone)
    if sari:
        bride, groom = recolour.red_and_gold(bride), recolour.red_and_gold(groom)
        if scene.style == "fluent":
            groom = recolour.bust(groom, backgrounds.hsv(0.125, 0.7, 0.93))
    pair = [(bride, "bride"), (groom, "groom")]
    if rng.random() < 0.25:
        pair.reverse()
    side = int(rng.integers(40, 46)) if scene.style == "fluent" else int(rng.integers(38, 44))
    top = int(rng.integers(12, GRID - side + 1))
    places = [int(rng.integers(-2, 1)), GRID - side + int(rng.integers(0, 3))]
    for index in rng.permutation(2):
        figure, label = pair[index]
        canvas.put(figure, label, side, places[index], top)
    return canvas


def _bird(rng: np.random.Generator, scene: Scene) -> Canvas:
    """A bird on open water, or on grass before trees."""
    water = scene.shows["ground"] == "water"
    horizon = int(rng.integers(24, 34))
    canvas = Canvas((backgrounds.lake if water else backgrounds.meadow)(rng, horizon))
    if not water:
        for left in rng.permutation([int(rng.integers(-8, 8)), int(rng.integers(34, 46))]):
            side = int(rng.integers(24, 34))
            tree = drawing(scene.style, _pick(rng, ["deciduous-tree", "evergreen-tree"]))
            canvas.put(tree, "tree", side, int(left), horizon - side + 5)
    side = int(rng.integers(36, 48))
    left, bottom = int(rng.integers(4, GRID - side - 3)), int(rng.integers(54, 61))
    name = world().drawings.species[scene.shows["species"]][0]
    canvas.put(_either_way(rng, drawing(scene.style, name)), scene.shows["bird"], side, left, bottom - side)
    if water:
        _ripples(rng, canvas, left, bottom, side)
    return canvas


def _ripples(rng: np.random.Generator, canvas: Canvas, left: int, bottom: int, side: int) -> None:
    """Water over the bird's feet, in the lake's own colour."""
    r, g, b = canvas.image.getpixel((1, SIZE - 2))  # type: ignore[misc]
    draw = Brush((r, g, b))
    draw.arc((left + 2, bottom - 7, left + side - 2, bottom + 3), 200, 340, fill=(225, 240, 250))
    water = Image.new("L", (4 * SIZE, 4 * SIZE))
    edge = [4 * pixels_of(unit) for unit in (left + 2, bottom - 7, left + side - 2, bottom + 4)]
    ImageDraw.Draw(water).ellipse(edge, fill=255)
    canvas.image.paste(draw.done(), (0, 0), water.resize((SIZE, SIZE), Image.Resampling.BOX))
    canvas.owner[pixels_of(bottom - 5) :, :] = 0


def _figure(rng: np.random.Generator, scene: Scene) -> Image.Image:
    """A person for a scene: a plain head gets shoulders."""
    figure = recolour.clothes(rng, sprite(scene.person))
    if scene.person.role == "person":
        figure = recolour.bust(figure, recolour.cloth_colour(rng))
    return _either_way(rng, figure)


def _either_way(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


PAINTERS: Mapping[str, Callable[[np.random.Generator, Scene], Canvas]] = {
    "person": _person,
    "place": _place,
    "home": _home,
    "building": _building,
    "wedding": _wedding,
    "bird": _bird,
}
