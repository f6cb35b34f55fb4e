"""Schedulers by name: every one of diffusers either runs or is refused in one line, before any image is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from conftest import Ran, load_folder
from tiny_pipelines import TINY

from equinoise import EquinoiseError, Sampling, load
from equinoise.models.base import draw
from equinoise.models.families import Family
from equinoise.models.pipeline import PipelineModel
from equinoise.models.schedulers import make_scheduler

NAMES = [name for name in dir(diffusers) if "Scheduler" in name and name != "SchedulerMixin"]
SPOKEN = ["Euler a", "DPM++ 2M SDE", "LMS Karras", "Euler Karras", "DDIM+karras", "nonsense", "", "+"]

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__")  # KDPM2 of diffusers and NumPy


def attempt(name: str, current: Any, family: Family) -> Any:
    """The scheduler, or what the refusal says."""
    try:
        return make_scheduler(name, current, family)
    except EquinoiseError as error:
        return str(error)


@pytest.mark.parametrize(
    ("family", "some"),
    [
        ("sd1", {"DDIM", "DPMSolverMultistep", "EulerAncestralDiscrete", "LCM", "LMSDiscrete", "UniPCMultistep"}),
        ("sd3", {"FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete", "FlowMatchLCM"}),
        ("flux-dev", {"FlowMatchEulerDiscrete", "FlowMatchLCM"}),
        ("sana", {"DPMSolverMultistep", "UniPCMultistep"}),
        ("lcm", {"LCM"}),
    ],
)
def test_every_scheduler_runs_or_is_refused_in_one_line(
    family: str, some: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    pipeline, runs = TINY[family].build(), set()
    model = PipelineModel(pipeline, family, size=TINY[family].options.get("size"))
    current = pipeline.scheduler
    monkeypatch.setattr("equinoise.models.schedulers._use", lambda *_: "use another")  # seconds, for all of them
    for name in NAMES + SPOKEN:
        made = attempt(name, current, model.family)
        if isinstance(made, str):
            assert "\n" not in made
            assert re.search("; use |pip install|leave it out of the name", made)
            continue
        pipeline.scheduler = made
        if name not in SPOKEN:
            runs.add(name.removesuffix("Scheduler"))
        noise, generators = draw([1], model.latent_shape)
        ran = model.generate(["a cat"], noise, Sampling(4, 3.0), (0, 3), decode=False, generators=generators)
        assert torch.isfinite(ran.captured[3]).all(), name
    assert some <= runs
    assert not {name for name in runs if re.search("EDM|Inverse|SDEScheduler|RePaint|CogVideo", name)}
    monkeypatch.undo()
    offered = attempt("nonsense", current, model.family).partition("; use ")[2].split(", ")
    assert some <= set(offered) <= runs


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("Euler a", "EulerAncestralDiscreteScheduler", {}),
        ("euler_ancestral", "EulerAncestralDiscreteScheduler", {}),
        ("DPM++ 2M Karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("DPMSolverMultistep+karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("dpmsolvermultistepscheduler+Beta", "DPMSolverMultistepScheduler", {"use_beta_sigmas": True}),
        (
            "DPM++ 2M SDE Karras",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
        ),
        ("LMS Karras", "LMSDiscreteScheduler", {"use_karras_sigmas": True}),
        ("DPM2 a", "KDPM2AncestralDiscreteScheduler", {}),
        ("UniPC", "UniPCMultistepScheduler", {}),
        ("Euler SGM Uniform", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
        ("ddim", "DDIMScheduler", {"timestep_spacing": "linspace"}),
    ],
)
def test_names_of_web_interfaces(name: str, kind: str, options: dict[str, Any], tiny: Path) -> None:
    provenance = load_folder(tiny, scheduler=name).provenance
    assert (provenance["scheduler"], provenance["scheduler_options"]) == (kind, options)


def test_a_name_without_karras_switches_karras_off() -> None:
    current = diffusers.EulerDiscreteScheduler(use_karras_sigmas=True)
    family = Family.named("StableDiffusionPipeline")
    assert make_scheduler("DPM++ 2M", current, family).config.use_karras_sigmas is False
    assert make_scheduler("DPMSolverMultistep", current, family).config.use_karras_sigmas is True  # as diffusers does
    assert make_scheduler("DPM++ 2M exponential", current, family).config.use_exponential_sigmas is True


def test_what_is_refused_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    current, family = diffusers.EulerDiscreteScheduler(), Family.named("StableDiffusionPipeline")

    def refused(name: str) -> str:
        return str(attempt(name, current, family))

    assert "a model made for EulerDiscreteScheduler does not take it; use DDIM, DDPM" in refused("EDMEuler")
    assert "draws noise that goes by no seed" in refused("DPM++ SDE Karras")
    assert "pip install torchsde" in refused("CosineDPMSolverMultistep")
    assert "EulerAncestralDiscreteScheduler has no use_karras_sigmas" in refused("Euler a Karras")
    from diffusers.utils.dummy_torch_and_scipy_objects import LMSDiscreteScheduler

    monkeypatch.setattr(diffusers, "LMSDiscreteScheduler", LMSDiscreteScheduler)  # what a machine without SciPy has
    monkeypatch.setattr("equinoise.models.schedulers.find_spec", lambda name: None if name == "scipy" else name)
    assert "LMSDiscreteScheduler needs a package that is not installed; pip install scipy" in refused("LMS")


def test_a_command_refuses_in_one_line(tiny: Path, cli: Callable[..., Ran]) -> None:
    ran = cli("audit", tiny, "--concept", "a cat", "--axis", "gender", "--scheduler", "EDMEuler")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert line.startswith("equinoise: error: --scheduler EDMEuler: a model made for EulerDiscreteScheduler")


def test_a_live_pipeline_whose_scheduler_does_not_run() -> None:
    pipeline = TINY["flux-dev"].build()
    pipeline.scheduler = diffusers.DDIMScheduler()
    with pytest.raises(EquinoiseError, match="--steps 4: DDIMScheduler takes others"):
        load(pipeline, size=(16, 16), steps=4, detector="emoji")
