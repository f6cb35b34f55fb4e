"""Early in a run: x̂₀ on every family and scheduler that predicts it, decoding, and continuing from held latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Saved

from equinoise import EquinoiseError, ModelSpec, Sampling
from equinoise.models import load_model
from equinoise.models.base import HeldLatents, draw, draw_noise
from equinoise.models.mixture import MixtureModel

PROMPTS = ["a cat", "a dog"]
TELLING = ("DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep")


def test_every_family_predicts_decodes_and_continues(family: Saved) -> None:
    """The last call's x̂₀ is nearly the result; decoding is the pipeline's own; a held run ends in the same pixels."""
    model, sampling = family.model, Sampling(family.tiny.steps, family.tiny.guidance_scale)
    noise, generators = draw([1, 2], model.latent_shape)
    last = model.calls(sampling.steps) - 1
    whole = model.generate(PROMPTS, noise, sampling, (0, last), True, generators, predict=[0, last])
    assert whole.images is not None
    assert set(whole.predicted) == {0, last}
    assert whole.predicted[0].shape == noise.shape
    assert not torch.equal(whole.predicted[0], whole.predicted[last])
    ends = whole.predicted[last] if model.family.name == "latent consistency" else whole.captured[last]
    assert torch.allclose(whole.predicted[last], ends, atol=0.2 * float(ends.std()))
    assert [image.tobytes() for image in model.decode(ends)] == [image.tobytes() for image in whole.images]
    if last and model.resumable:
        _, again = draw([1, 2], model.latent_shape)
        held = model.generate(PROMPTS, noise, sampling, generators=again, held=HeldLatents(0, whole.captured[0]))
        assert [image.tobytes() for image in held.images or []] == [image.tobytes() for image in whole.images]


@pytest.mark.parametrize("scheduler", TELLING)
def test_a_held_run_calls_the_denoiser_only_for_what_is_left(tiny: Path, scheduler: str) -> None:
    model, sampling = load_model(ModelSpec(str(tiny), scheduler=scheduler)), Sampling(6, 3.0)
    noise, generators = draw([1, 2], model.latent_shape)
    calls: list[int] = []
    handle = model.pipeline.unet.register_forward_hook(lambda *_: calls.append(1))
    whole = model.generate(PROMPTS, noise, sampling, (2,), True, generators, predict=[2])
    assert (len(calls), set(whole.predicted)) == (6, {2})
    before, inner = list(calls), model.pipeline.unet
    real = inner.forward
    ran: list[int] = []

    def counted(*args: object, **kwargs: object) -> object:
        ran.append(1)
        return real(*args, **kwargs)

    inner.forward = counted
    held = HeldLatents(2, whole.captured[2])
    if not model.resumable:
        with pytest.raises(EquinoiseError, match="cannot continue from latents alone"):
            model.generate(PROMPTS, noise, sampling, held=held)
        assert scheduler in ("DPMSolverMultistep", "UniPCMultistep")
    else:
        made = model.generate(PROMPTS, noise, sampling, generators=draw([1, 2], model.latent_shape)[1], held=held)
        assert len(ran) == 3
        assert [image.tobytes() for image in made.images or []] == [image.tobytes() for image in whole.images or []]
    assert inner.forward is counted
    handle.remove()
    assert len(before) == 6
    assert "step" not in vars(model.pipeline.scheduler)


def test_a_scheduler_without_a_prediction_leaves_the_step_out(tiny: Path) -> None:
    model = load_model(ModelSpec(str(tiny), scheduler="PNDM"))
    noise = draw_noise([1, 2], model.latent_shape)
    assert not model.generate(PROMPTS, noise, Sampling(6, 3.0), decode=False, predict=[1]).predicted


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_prediction_is_what_both_sides_of_a_ddim_step_say(tiny: Path, prediction: str) -> None:
    ddim = load_model(ModelSpec(str(tiny), scheduler="DDIM"))
    ddim.pipeline.scheduler.register_to_config(prediction_type=prediction, clip_sample=False)
    noise = draw_noise([1, 2], ddim.latent_shape)
    made = ddim.generate(PROMPTS, noise, Sampling(6, 3.0), ("T", 0), False, predict=[0])
    # DDIM without noise: x_t = √ᾱ_t x̂₀ + √(1 − ᾱ_t) ε on both sides of the step, solved for x̂₀ (Song et al. 2021)
    scheduler = ddim.pipeline.scheduler
    t = int(scheduler.timesteps[0])
    s = t - scheduler.config.num_train_timesteps // 6
    here, there = scheduler.alphas_cumprod[t], scheduler.alphas_cumprod[s]
    ratio = ((1 - there) / (1 - here)).sqrt()
    solved = (made.captured[0] - ratio * made.captured["T"]) / (there.sqrt() - ratio * here.sqrt())
    assert torch.allclose(made.predicted[0], solved, atol=1e-3)


def test_the_mixture_predicts_in_closed_form_and_continues() -> None:
    model, sampling = MixtureModel(), Sampling(10, 1.0)
    noise = draw_noise(range(4), model.latent_shape)
    prompts = ["a photo of a doctor"] * 4
    whole = model.generate(prompts, noise, sampling, (3, 9), predict=[0, 4, 9])
    assert set(whole.predicted) == {0, 4, 9}
    ends = whole.captured[9]
    far = [float((whole.predicted[step] - ends).norm()) for step in (0, 4, 9)]
    assert far[0] > far[1] > far[2]
    held = model.generate(prompts, noise, sampling, held=HeldLatents(3, whole.captured[3]))
    for ours, theirs in zip(held.images or [], whole.images or [], strict=True):
        assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 1
    assert [i.tobytes() for i in model.decode(ends)] == [i.tobytes() for i in whole.images or []]


def test_held_latents_of_arrays_and_of_tensors_make_one_batch() -> None:
    images = draw_noise(range(3), (4, 2, 2))
    arrays = [HeldLatents(5, image.numpy()) for image in images]
    batch = HeldLatents.stack([*arrays[:2], HeldLatents(5, images[2])])
    assert batch is not None
    assert batch.step == 5
    assert torch.equal(batch.tensor, images)
    assert HeldLatents.stack([]) is None
