"""What is known of a model whose skew was planted: its roles, and the shares in its training data.

The packaged emoji model keeps this in `world.json`, and so does any pipeline folder with such a file; the mixture
keeps it in tables. A model from the hub has no such world.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from equinoise.files import read_json, typed
from equinoise.models.mixture import world as tables

EMOJI = Path(__file__).parent / "emoji"
"""The folder of the packaged emoji model."""
MIXTURE = "mixture"
"""The name of the model whose distribution is known exactly."""

Shares = Mapping[str, float]
"""Class, or phrase, → share in 0–1."""


class Role(BaseModel):
    """A kind of picture that the model can show, such as a doctor.

    Attributes:
        names: the words by which a prompt asks for the role.
        detect: the prompts that a zero-shot detector compares an image with.
    """

    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...]
    detect: tuple[str, ...]


class World(BaseModel):
    """What a model with a planted skew says of itself. What it does not say is None or empty.

    Attributes:
        note: what the model is for, and what it says nothing about.
        guidance_scale: the guidance scale that is used when none is given.
        roles: role → its names and detector prompts.
        planted: role → axis → class → share in the training data.
        scenes: prompt → axis → class → share in the training data.
        objects: prompt → object → share of the training images that show it.
    """

    model_config = ConfigDict(frozen=True)

    note: str | None = None
    guidance_scale: float | None = None
    roles: Mapping[str, Role] = Field(default_factory=dict)
    planted: Mapping[str, Mapping[str, Shares]] = Field(default_factory=dict)
    scenes: Mapping[str, Mapping[str, Shares]] = Field(default_factory=dict)
    objects: Mapping[str, Shares] = Field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The keys that the model states, as in `world.json`."""
        return self.model_dump(mode="json", exclude_unset=True)


def world(name: str) -> World | None:
    """What a model says of itself: `emoji`, `mixture`, or a pipeline folder with a `world.json`; None for others.

    Raises:
        EquinoiseError: the file cannot be read, or does not hold such a table.
    """
    if name == MIXTURE:
        return _mixture()
    path = (EMOJI if name == "emoji" else Path(name)) / "world.json"
    if not path.is_file():
        return None
    return typed(World, read_json(path), str(path))


@cache
def _mixture() -> World:
    return World(
        note=tables.NOTE,
        guidance_scale=tables.GUIDANCE,
        roles={name: _role(subject.names) for name, subject in tables.SUBJECTS.items()},
        planted={
            name: {axis: tables.marginal(name, axis) for axis in subject.axes}
            for name, subject in tables.SUBJECTS.items()
        },
    )


def _role(names: tuple[str, ...]) -> Role:
    articles = ["an" if name[0] in "aeiou" else "a" for name in names]
    return Role(names=names, detect=tuple(f"a photo of {a} {name}" for a, name in zip(articles, names, strict=True)))


@cache
def emoji_size() -> tuple[int, int]:
    """Width and height in pixels of the images of the packaged emoji model."""
    denoiser, autoencoder = (read_json(EMOJI / part / "config.json") for part in ("unet", "vae"))
    side = int(denoiser["sample_size"]) * 2 ** (len(autoencoder["block_out_channels"]) - 1)
    return side, side
