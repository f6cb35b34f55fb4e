"""Shared fixtures: a tiny Stable Diffusion of the real classes, the emoji model, the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tiny_pipelines import TINY, Tiny

from equinoise.cli.app import app
from equinoise.cli.console import run_app
from equinoise.engine import local
from equinoise.models import ModelSpec, load_model
from equinoise.models.pipeline import PipelineModel

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("steady")
torch.set_num_threads(1)
# workers of all tests are forked from one process: it imports diffusers even if the mixture's were asked for first
local.MIXTURE = ""


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


def load_folder(folder: Path, **settings: Any) -> PipelineModel:
    """The model in a folder, with settings of `ModelSpec`."""
    model = load_model(replace(ModelSpec(str(folder)), **settings))
    assert isinstance(model, PipelineModel)
    return model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Stable Diffusion pipeline of the real classes with random weights: 8×8 latents, a KL autoencoder."""
    return TINY["sd1"].save(tmp_path_factory.mktemp("tiny-sd"))


@pytest.fixture(scope="session", params=list(TINY))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A tiny pipeline of each family in turn, saved and loaded again."""
    tiny = TINY[request.param]
    folder = tiny.save(tmp_path_factory.mktemp(request.param))
    return Saved(tiny, folder, load_folder(folder, **tiny.options))


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny `SiglipModel` with random weights, and the emoji detector's tokenizer."""
    from transformers import AutoTokenizer, SiglipConfig, SiglipImageProcessor, SiglipModel

    from equinoise.models.worlds import EMOJI

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": 929, "max_position_embeddings": 32, "projection_size": 16}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config={**sizes, "image_size": 32, "patch_size": 16}))
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-1.0)
    folder = tmp_path_factory.mktemp("siglip")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(EMOJI / "clip").save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def faces_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny `ViTForImageClassification` with random weights and labels like those of a model of faces."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    labels = {0: "Female", 1: "Male", 2: "a mask"}
    ids = {label: index for index, label in labels.items()}
    config = ViTConfig(**sizes, image_size=32, patch_size=16, id2label=labels, label2id=ids)
    model = ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(40)  # so that it is sure of something
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
