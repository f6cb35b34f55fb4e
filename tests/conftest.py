"""Shared fixtures: a tiny Stable Diffusion of the real classes, the emoji model, the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tiny_pipelines import TINY, Tiny

from equinoise import load
from equinoise.cli import app
from equinoise.console import run_app
from equinoise.models.pipeline import PipelineModel

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("steady")
torch.set_num_threads(1)


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command in this process: `cli("audit", "emoji", …)`."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = run_app(app, [str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@dataclass(frozen=True)
class Saved:
    """A tiny pipeline of a family: how it is used, where it lies, and the model loaded from there."""

    tiny: Tiny
    folder: Path
    model: PipelineModel


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Stable Diffusion pipeline of the real classes with random weights: 8×8 latents, a KL autoencoder."""
    return TINY["sd1"].save(tmp_path_factory.mktemp("tiny-sd"))


@pytest.fixture(scope="session", params=list(TINY))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A tiny pipeline of each family in turn, saved and loaded again through `equinoise.load`."""
    tiny = TINY[request.param]
    folder = tiny.save(tmp_path_factory.mktemp(request.param))
    return Saved(tiny, folder, load(folder, **tiny.options))
