"""Schedulers by name: which ones a model takes, and a dry run of one without the denoiser.

A name is a class of diffusers, with or without `Scheduler` at its end, and `+karras`, `+exponential` or `+beta` behind
it for other noise levels; or the name of a sampler in web interfaces, such as `Euler a` or `DPM++ 2M SDE Karras`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch

from equinoise.errors import EquinoiseError, reason_of
from equinoise.models.families import Family
from equinoise.quiet import quiet_libraries

LEVELS = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}
"""Noise levels of which a scheduler takes at most one kind, with the setting of each."""

WEB_NAMES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "euler": ("EulerDiscrete", {}),
    "eulera": ("EulerAncestralDiscrete", {}),
    "heun": ("HeunDiscrete", {}),
    "lms": ("LMSDiscrete", {}),
    "plms": ("PNDM", {}),
    "dpm2": ("KDPM2Discrete", {}),
    "dpm2a": ("KDPM2AncestralDiscrete", {}),
    "dpm++2m": ("DPMSolverMultistep", {"algorithm_type": "dpmsolver++"}),
    "dpm++2msde": ("DPMSolverMultistep", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++sde": ("DPMSolverSDE", {}),
    "unipc": ("UniPCMultistep", {}),
    "deis": ("DEISMultistep", {}),
}
"""Samplers of web interfaces, without case, spaces and underscores: class of diffusers and settings."""

FLOW_WEB_NAMES = {
    "euler": "FlowMatchEulerDiscrete",
    "heun": "FlowMatchHeunDiscrete",
    "lcm": "FlowMatchLCM",
}
"""What the same names mean for a model made for flow matching."""

FEW_STEPS = frozenset({"LCMScheduler", "TCDScheduler"})
"""What distilled weights and adapters need, which no scheduler lists among its compatible ones."""
FLOW = frozenset(f"{name}Scheduler" for name in FLOW_WEB_NAMES.values())
UNSEEDED = frozenset({"DPMSolverSDEScheduler"})
"""Schedulers whose own noise comes from a generator of their own, so that no seed gives the image again."""

DRY_STEPS = 4
"""Of the dry run where a scheduler is chosen; the number of steps is not known there."""

RECORDED = (
    "algorithm_type",
    "solver_order",
    "solver_type",
    "timestep_spacing",
    "final_sigmas_type",
    "use_lu_lambdas",
    "euler_at_final",
    "rescale_betas_zero_snr",
    *LEVELS.values(),
)
"""Settings that two runs of one scheduler class may differ in; what the model was trained with is not among them."""


@dataclass(frozen=True)
class _Asked:
    """The class name and settings that a scheduler's name stands for."""

    class_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def make_scheduler(name: str, current: Any, family: Family) -> Any:
    """The scheduler of a name, with what the model's current scheduler says of its training.

    Raises:
        EquinoiseError: there is none of that name, the model takes none of its kind, or a package that it needs is not
            installed.
    """
    with quiet_libraries():
        import diffusers

        classes = {found.casefold(): found for found in dir(diffusers) if found.endswith("Scheduler")}
        taken = _taken(current)
        use = partial(_use, taken, current, family)
        asked = _parse(name, classes, flow=type(current).__name__ in FLOW)
        if asked is None:
            raise EquinoiseError(f"there is no scheduler '{name}'; {use()}")
        if asked.class_name in UNSEEDED:
            raise EquinoiseError(
                f"--scheduler {name}: {asked.class_name}, which needs the package torchsde, draws noise that goes by "
                f"no seed; {use()}"
            )
        cls = getattr(diffusers, asked.class_name)
        _require_packages(cls)
        if asked.class_name not in taken:
            raise EquinoiseError(
                f"--scheduler {name}: a model made for {type(current).__name__} does not take it; {use()}"
            )
        settings = _require_settings(name, cls, asked.settings)
        if current.config.get("use_flow_sigmas") and any(settings.get(level) for level in LEVELS.values()):
            raise EquinoiseError(f"--scheduler {name}: this model has noise levels of its own; {use()}")
        try:
            made = cls.from_config(current.config, **settings)
            dry_run(made, family, DRY_STEPS)
        except Exception as error:  # classes of diffusers raise whatever comes where a model's settings do not suit
            raise EquinoiseError(
                f"--scheduler {name} does not run with the settings of this model ({reason_of(error)}); {use()}"
            ) from error
    return made


def scheduler_options(scheduler: Any) -> dict[str, Any]:
    """The settings by which schedulers of one class differ, where they are not those of the class."""
    defaults = inspect.signature(type(scheduler).__init__).parameters
    return {
        name: scheduler.config[name]
        for name in RECORDED
        if name in defaults and scheduler.config.get(name, defaults[name].default) != defaults[name].default
    }


def dry_run(scheduler: Any, family: Family, steps: int) -> None:
    """Take every step of a run on a few zeros; the scheduler itself is left as it is.

    Raises:
        Exception: whatever the scheduler raises where it does not suit the model.
    """
    twin, sample = deepcopy(scheduler), torch.zeros(1, 4, 2, 2)
    given = {"eta": 0.0, "generator": torch.Generator().manual_seed(0)}
    accepted = inspect.signature(twin.step).parameters
    more = {name: value for name, value in given.items() if name in accepted}
    for time in family.timesteps(twin, steps):
        if hasattr(twin, "scale_model_input"):
            twin.scale_model_input(sample, time)
        sample = twin.step(torch.zeros_like(sample), time, sample, **more, return_dict=False)[0]


def _parse(name: str, classes: Mapping[str, str], flow: bool) -> _Asked | None:
    """What a name stands for; None where nothing is called so. `classes`: by their names in lower case."""

    def called(short: str) -> str | None:
        return classes.get(short) or classes.get(f"{short}scheduler")

    plain, _, level = (given := name.strip().casefold()).rpartition("+")
    if level in LEVELS and (found := called(plain)):
        return _Asked(found, _levels(level))
    if found := called(given):
        return _Asked(found)
    short = re.sub(r"[\s_]+", "", given).replace("dpmpp", "dpm++").replace("ancestral", "a")
    spacing = next((end for end in (*LEVELS, "sgmuniform") if short.endswith(end)), None)
    base = short.removesuffix(spacing or "")
    more = {"timestep_spacing": "trailing"} if spacing == "sgmuniform" else {}
    settings = {**more, **_levels(spacing)}
    if flow and base in FLOW_WEB_NAMES:
        return _Asked(f"{FLOW_WEB_NAMES[base]}Scheduler", settings)
    if base in WEB_NAMES:
        return _Asked(f"{WEB_NAMES[base][0]}Scheduler", {**WEB_NAMES[base][1], **settings})
    return _Asked(found, settings) if spacing and (found := called(base)) else None  # such as DDIM Karras


def _levels(wanted: str | None) -> dict[str, bool]:
    """The settings for one kind of noise levels, all others off; all off for the ordinary ones."""
    return {setting: level == wanted for level, setting in LEVELS.items()}


def _taken(current: Any) -> dict[str, type]:
    """The scheduler classes that suit a model made for the current one, by name."""
    import diffusers

    taken = {cls.__name__ for cls in current.compatibles} | {type(current).__name__}
    if "DDIMScheduler" in taken:
        taken |= FEW_STEPS
    if type(current).__name__ in FLOW:
        taken |= FLOW
    # EDM prepares the denoiser's input and output in another way, though diffusers lists it beside the others
    edm = type(current).__name__.startswith("EDM")
    named = {name: getattr(diffusers, name) for name in sorted(taken) if name.startswith("EDM") == edm}
    return {name: cls for name, cls in named.items() if name not in UNSEEDED}


def _use(taken: Mapping[str, type], current: Any, family: Family) -> str:
    """What to give instead: every class that passes the dry run."""
    fit = [name.removesuffix("Scheduler") for name, cls in taken.items() if _runs(cls, current, family)]
    return f"use {', '.join(fit)}"


def _runs(cls: Any, current: Any, family: Family) -> bool:
    try:
        dry_run(cls.from_config(current.config), family, DRY_STEPS)
    except Exception:  # as in make_scheduler; here whatever is raised is the answer
        return False
    return True


def _missing_packages(cls: Any) -> list[str]:
    """Packages that a class needs and this machine has not; diffusers has a stand-in in place of such a class."""
    return [name for name in getattr(cls, "_backends", ()) if find_spec(name) is None]


def _require_packages(cls: Any) -> None:
    if missing := _missing_packages(cls):
        raise EquinoiseError(f"{cls.__name__} needs a package that is not installed; pip install {' '.join(missing)}")


def _require_settings(name: str, cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the class has; only those that are switched off may be unknown to it."""
    accepted = inspect.signature(cls).parameters
    unknown = [setting for setting, value in settings.items() if value and setting not in accepted]
    if unknown:
        raise EquinoiseError(f"--scheduler {name}: {cls.__name__} has no {unknown[0]}; leave it out of the name")
    return {setting: value for setting, value in settings.items() if setting in accepted}
