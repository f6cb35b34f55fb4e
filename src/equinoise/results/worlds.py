"""What was planted in the world of a test fixture, as a run's file records it."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from equinoise.results.base import Value

Shares = dict[str, float]
"""Class, or object, → share in 0–1."""


class PlantedWorld(Value):
    """The part of a model's `world.json` that a report speaks of; other keys are left aside.

    Attributes:
        note: what the model is for, and what it says nothing about.
        planted: role → axis → class → share in the training data.
        scenes: prompt → axis → class → share in the training data.
        objects: prompt → object → share of the training images that show it.
    """

    model_config = ConfigDict(extra="ignore")

    note: str = ""
    planted: dict[str, dict[str, Shares]] = Field(default_factory=dict)
    scenes: dict[str, dict[str, Shares]] = Field(default_factory=dict)
    objects: dict[str, Shares] = Field(default_factory=dict)
