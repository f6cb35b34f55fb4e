"""Whether a direction and a model belong together: precision, rounding, adapters, and files of earlier versions."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import load_folder
from factories import direction
from hypothesis import given
from hypothesis import strategies as st
from tiny_pipelines import TINY, save_lora

from equinoise import EquinoiseError, Intervention, Sampling, Shift
from equinoise.models.identity import HALVES, hash_weights, identity, likeness
from equinoise.steering.compatibility import check_fit, check_plan
from equinoise.steering.plan import Part, Plan

ASKED = Sampling(4, 3.0)


@pytest.fixture(scope="module", params=["sd1", "sd3"])
def precisions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Models of one folder, without an adapter and with one, by precision."""
    home = tmp_path_factory.mktemp(request.param)
    folder = TINY[request.param].save(home / "model")
    lora = (str(save_lora(load_folder(folder).pipeline, home / "lora")),)
    dtypes = ("float32", "bfloat16", "float16")
    return {
        name + more: load_folder(folder, dtype=name, adapters=a)
        for name in dtypes
        for more, a in (("", ()), ("+", lora))
    }


def found_on(model: Any, without: Sequence[str] = ()) -> Intervention:
    """A direction that was found on a model, without some of what is recorded of it."""
    sampling = {"steps": ASKED.steps, "guidance_scale": ASKED.guidance_scale}
    origin = {key: value for key, value in model.provenance.items() if key not in without}
    return Intervention((Shift(direction(shape=model.latent_shape, model=origin, sampling=sampling), 1.0),))


@pytest.mark.parametrize("more", ["", "+"])
@pytest.mark.parametrize(("found", "used"), [("float32", "bfloat16"), ("bfloat16", "float32"), ("float16", "float32")])
def test_a_direction_serves_the_same_weights_in_another_precision(
    found: str, used: str, more: str, precisions: dict[str, Any]
) -> None:
    (warning,) = check_fit(found_on(precisions[found + more]), precisions[used + more], ASKED)
    assert f"was found in {found}, and is used in {used}: the weights are the same but for rounding" in warning
    assert check_fit(found_on(precisions[found + more]), precisions[found + more], ASKED) == []
    with pytest.raises(EquinoiseError, match="was found on another model"):
        check_fit(found_on(precisions[found + more]), precisions[used + ("" if more else "+")], ASKED)


def test_a_plan_serves_the_same_weights_in_another_precision(precisions: dict[str, Any]) -> None:
    model = precisions["float32"].provenance
    made = {"model": model, "sampling": {"steps": ASKED.steps, "guidance_scale": ASKED.guidance_scale}}
    plan = Plan("a cat", {"gender": {"woman": 0.5, "man": 0.5}}, (Part(Intervention(), 1.0),), provenance=made)
    assert check_plan(plan, precisions["float32"], ASKED) == []
    (warning,) = check_plan(plan, precisions["bfloat16"], ASKED)
    assert "the plan was made in float32, and is used in bfloat16" in warning
    with pytest.raises(EquinoiseError, match="the plan was made on another model"):
        check_plan(plan, precisions["float32+"], ASKED)


def test_what_cannot_be_told_is_refused_with_a_hint(precisions: dict[str, Any]) -> None:
    with pytest.raises(EquinoiseError, match="or on this one in float16, which cannot be told from bfloat16"):
        check_fit(found_on(precisions["float16"]), precisions["bfloat16"], ASKED)


def test_files_of_before_are_compared_by_the_exact_hash(precisions: dict[str, Any]) -> None:
    before = ("weights_rounded", "scheduler_options")
    old = found_on(precisions["float32"], before)
    assert check_fit(old, precisions["float32"], ASKED) == []
    with pytest.raises(EquinoiseError, match="or on this one in float32, which cannot be told from bfloat16"):
        check_fit(old, precisions["bfloat16"], ASKED)
    half = found_on(precisions["bfloat16"], before)
    assert "found in bfloat16, and is used in float32" in check_fit(half, precisions["float32"], ASKED)[0]


def test_settings_of_the_scheduler_are_compared(precisions: dict[str, Any]) -> None:
    model = precisions["float32"]
    change, karras = found_on(model), {**model.provenance, "scheduler_options": {"use_karras_sigmas": True}}
    used = SimpleNamespace(latent_shape=model.latent_shape, provenance=karras)
    (warning,) = check_fit(change, used, ASKED)
    assert "(use_karras_sigmas=True): its effect may differ" in warning
    assert check_fit(found_on(model, ["scheduler_options"]), used, ASKED) == []  # they were not recorded before


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32, allow_subnormal=False)] * 2), min_size=1, max_size=6))
def test_models_are_alike_if_rounding_makes_them_so(pairs: list[tuple[float, float]]) -> None:
    one, other = (torch.tensor([1.0, *numbers]) for numbers in zip(*pairs, strict=True))

    def described(numbers: torch.Tensor) -> dict[str, Any]:
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(numbers)
        rounded = {name: hash_weights(module, half) for name, half in HALVES.items()}
        found = {"weights": identity(hash_weights(module), []), "dtype": str(numbers.dtype).removeprefix("torch.")}
        return found | ({"weights_rounded": rounded} if numbers.dtype == torch.float32 else {})

    for half in HALVES.values():
        same = torch.equal(one.to(half).view(torch.int16), other.to(half).view(torch.int16))
        pair = described(one), described(other.to(half))
        assert likeness(*pair) == likeness(*reversed(pair)) == ("rounded" if same else "other")
    assert likeness(described(one), described(one)) == "same"
