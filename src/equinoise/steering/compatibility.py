"""Whether a direction or a plan fits the model and the settings that it is used with."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

from equinoise.directions.direction import Direction, Origin
from equinoise.errors import EquinoiseError
from equinoise.models.base import NOISE, Provenance, Sampling, Step, step_at
from equinoise.models.identity import likeness
from equinoise.steering.intervention import Intervention
from equinoise.steering.plan import Plan


class DescribedModel(Protocol):
    """What must be known of a model: every `TextToImage` and every `PipelineInfo` says it."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latents of one image."""

    @property
    def provenance(self) -> Provenance:
        """As of `TextToImage`: at least `weights` and `scheduler`."""


def check_fit(intervention: Intervention, model: DescribedModel, sampling: Sampling) -> list[str]:
    """Warnings about directions that were found with another scheduler, number of steps or guidance scale.

    Raises:
        EquinoiseError: a direction of another shape, or of a model with other weights.
    """
    warnings: list[str] = []
    for shift in intervention.shifts:
        _require_shape(shift.direction, model)
        for term in shift.direction.terms:
            warnings += _check_weights(term.origin, model.provenance)
            warnings += _compare_settings(term.origin, model.provenance, sampling)
    return list(dict.fromkeys(warnings))


def check_plan(plan: Plan, model: DescribedModel, sampling: Sampling) -> list[str]:
    """Warnings about a plan that was made with another scheduler, number of steps or guidance scale.

    Raises:
        EquinoiseError: a plan of a model with other weights.
    """
    made, ours = plan.provenance.get("model", {}), model.provenance
    alike = likeness(made, ours) if made.get("weights") is not None else "same"
    if alike == "other":
        raise EquinoiseError(
            f"the plan was made on another model ({made.get('name')}){_perhaps(made, ours)}; make one on this model"
        )
    found = {**_scheduler(made, ours), **plan.provenance.get("sampling", {})}
    rounded = [_rounded("the plan was made", made, ours, "its shares may differ")] if alike == "rounded" else []
    return rounded + settings_differ("the plan was made", found, _used(ours, sampling), "its shares may differ")


def settings_differ(
    made: str,
    found: Mapping[str, Any],
    used: Mapping[str, Any],
    consequence: str,
    notes: Mapping[str, str] | None = None,
) -> list[str]:
    """A warning for each setting that is known on both sides and differs; `notes` are added by setting."""
    return [
        f"{made} at {key} {found[key]}, and is used at {value}: {consequence}{(notes or {}).get(key, '')}"
        for key, value in used.items()
        if found.get(key) not in (None, value)
    ]


def _used(model: Mapping[str, Any], sampling: Sampling) -> dict[str, Any]:
    return {**_scheduler(model, model), "steps": sampling.steps, "guidance_scale": sampling.guidance_scale}


def _scheduler(found: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    """The scheduler's class, with its settings where they are recorded; else with those of the one it is held against.

    Files that were made before the settings were recorded are compared by the class alone.
    """
    name = found.get("scheduler")
    options = found.get("scheduler_options", used.get("scheduler_options") if used.get("scheduler") == name else None)
    settings = ", ".join(f"{key}={value}" for key, value in sorted((options or {}).items()))
    return {"scheduler": f"{name} ({settings})" if name and settings else name}


def _rounded(made: str, found: Mapping[str, Any], used: Mapping[str, Any], consequence: str) -> str:
    return (
        f"{made} in {found.get('dtype')}, and is used in {used.get('dtype')}: the weights are the same but for "
        f"rounding, {consequence}"
    )


def _perhaps(found: Mapping[str, Any], used: Mapping[str, Any]) -> str:
    """A hint where the weights may differ in precision alone, which their hashes cannot tell."""
    precisions = found.get("dtype"), used.get("dtype")
    told = any(model.get("dtype") == "float32" and "weights_rounded" in model for model in (found, used))
    if None in precisions or len(set(precisions)) == 1 or told:
        return ""
    return f", or on this one in {precisions[0]}, which cannot be told from {precisions[1]}: see --dtype"


def _require_shape(direction: Direction, model: DescribedModel) -> None:
    if direction.vector.shape != model.latent_shape:
        raise EquinoiseError(
            f"{direction.name} has shape {direction.vector.shape}, the model's latents {model.latent_shape}; fit a "
            "direction on this model"
        )


def _check_weights(origin: Origin, model: Mapping[str, Any]) -> list[str]:
    """A warning where the weights are not recorded; an error where they are others."""
    weights = origin.model.get("weights")
    if weights is None:
        return [f"{origin.name} does not say on which model it was found: whether it fits is not known"]
    alike = likeness(origin.model, model)
    if alike == "other":
        raise EquinoiseError(
            f"{origin.name} was found on another model ({origin.model.get('name')}, weights "
            f"{weights}{_adapters(origin.model)}){_perhaps(origin.model, model)}; fit a direction on this model"
            f"{_adapters(model)}"
        )
    rounded = alike == "rounded"
    return [_rounded(f"{origin.name} was found", origin.model, model, "its effect may differ")] if rounded else []


def _compare_settings(origin: Origin, model: Mapping[str, Any], sampling: Sampling) -> list[str]:
    found = {**_scheduler(origin.model, model), **origin.sampling}
    notes = {"steps": _same_fraction(origin.step, found.get("steps"), sampling.steps)}
    used = _used(model, sampling)
    return settings_differ(f"{origin.name} was found", found, used, "its effect may differ", notes)


def _same_fraction(step: Step, found: Any, used: int) -> str:
    """The step that lies at the same fraction of a run of another length; nothing for the noise itself."""
    if step == NOISE or not isinstance(found, int) or int(step) >= found:
        return ""
    return f" (step {step} of {found} stands for step {step_at(Fraction(int(step), found), used)} of {used})"


def _adapters(model: Mapping[str, Any]) -> str:
    names = ", ".join(adapter["name"] for adapter in model.get("adapters", []))
    return f" with adapter {names}" if names else ""
