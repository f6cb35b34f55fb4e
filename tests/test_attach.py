"""Attached to pipelines of the real classes: the user's call stays as it was, and only what should change does."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from factories import direction

from equinoise.directions.direction import Direction, DirectionSet
from equinoise.encoders import TextEncoder
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.models import load_model
from equinoise.models.base import Sampling
from equinoise.models.pipeline import PipelineModel
from equinoise.steering.attach import attach
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.numbering import number_images
from equinoise.steering.pipeline_info import pipeline_info
from equinoise.steering.plan import Part, Plan
from equinoise.steering.prompt_filter import PromptFilter

STEPS, GUIDANCE = 2, 3.0
SHAPE = (4, 8, 8)
CONCEPT = "a doctor"


@pytest.fixture(scope="module")
def sd(tiny: Path) -> Any:
    """Stable Diffusion with a scheduler whose noise is scaled (`init_noise_sigma` is not 1)."""
    return load_model(str(tiny)).pipeline


@pytest.fixture(scope="module")
def xl(sd: Any) -> Any:
    """SDXL of the real classes around the parts of the other: two text encoders, pooled embeddings, sizes."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    config = copy.deepcopy(sd.text_encoder.config)
    config.projection_dim = 8
    pipe = StableDiffusionXLPipeline(
        vae=sd.vae,
        text_encoder=sd.text_encoder,
        text_encoder_2=CLIPTextModelWithProjection(config).eval(),
        tokenizer=sd.tokenizer,
        tokenizer_2=sd.tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            cross_attention_dim=32,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=8 + 6 * 4,
        ),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(params=["sd", "xl"])
def pipe(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def of(pipe: Any, seed: int = 0, **fields: object) -> Direction:
    """A random direction that says it was found on this pipeline as these tests call it."""
    known = {
        "sampling": {"steps": STEPS, "guidance_scale": GUIDANCE},
        "model": pipeline_info(pipe).provenance,
        **fields,
    }
    return direction(seed, SHAPE, **known)


def draw(pipe: Any, prompt: Any = CONCEPT, **given: Any) -> np.ndarray:
    settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "output_type": "np", **given}
    if prompt is not None:
        settings["prompt"] = prompt
    return np.asarray(pipe(**settings).images)


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def noise(*seeds: int) -> torch.Tensor:
    return torch.stack([torch.randn(SHAPE, generator=g) for g in seeded(*seeds)])


def calls() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "a generator an image", lambda: {"generator": seeded(3, 4)}
    yield "one generator for the batch", lambda: {"generator": seeded(3)[0]}
    yield "the global generator", lambda: {"generator": (torch.manual_seed(3), None)[1]}
    yield "given latents", lambda: {"latents": noise(3, 4)}


@pytest.mark.parametrize(("how", "given"), list(calls()))
def test_weight_zero_is_the_bare_image_bit_for_bit(pipe: Any, how: str, given: Callable[[], dict[str, Any]]) -> None:
    bare = draw(pipe, num_images_per_prompt=2, **given())
    d = of(pipe)
    for nothing in (Intervention((Shift(d, 0.0),)), Intervention((Shift(d, 2.0), Shift(-d, 2.0))), Intervention()):
        with attach(pipe, nothing) as attached:
            assert np.array_equal(draw(pipe, num_images_per_prompt=2, **given()), bare)
        assert [(entry.touched, entry.intervention) for entry in attached.log] == [(False, "none")] * 2
    with attach(pipe, d, weight=3):
        assert not np.array_equal(draw(pipe, num_images_per_prompt=2, **given()), bare)


def test_a_shift_is_the_shift_of_the_noise(pipe: Any) -> None:
    d = of(pipe)
    for intervention in (Intervention((Shift(d, 3.0),)), Intervention((Shift(d, 1.0, "truncate"),))):
        moved = torch.stack([intervention.apply(z[None])[0] for z in noise(5, 6)])
        expected = draw(pipe, latents=moved, num_images_per_prompt=2)
        with attach(pipe, intervention):
            by_generators = draw(pipe, generator=seeded(5, 6), num_images_per_prompt=2)
            by_latents = draw(pipe, latents=noise(5, 6), num_images_per_prompt=2)
        exact = float(pipe.scheduler.init_noise_sigma) == 1  # else the noise is scaled back and forth: the last bits
        assert np.allclose(by_generators, expected, atol=0 if exact else 1e-3)
        assert np.allclose(by_latents, expected, atol=0 if exact else 1e-3)


def test_generate_of_ours_is_shifted_as_well(sd: Any) -> None:
    model, d = PipelineModel(sd, "tiny"), of(sd)
    settings = Sampling(STEPS, GUIDANCE)
    expected = model.generate([CONCEPT], Intervention((Shift(d, 3.0),)).apply(noise(1)), settings).images
    with attach(model, d, weight=3):
        made = model.generate([CONCEPT], noise(1), settings).images
    assert expected is not None
    assert made is not None
    assert np.abs(np.asarray(made[0], int) - np.asarray(expected[0], int)).max() <= 1


def test_what_the_prompt_filter_leaves_alone_is_byte_identical_in_any_company(pipe: Any) -> None:
    prompts = [CONCEPT, "a woman doctor", CONCEPT]
    bare = draw(pipe, prompts, generator=seeded(1, 2, 3))
    with attach(pipe, of(pipe), weight=3) as attached:
        made = draw(pipe, prompts, generator=seeded(1, 2, 3))
    same = [np.array_equal(a, b) for a, b in zip(made, bare, strict=True)]
    assert same == [False, True, False]
    assert [(e.prompt, e.seed, e.touched) for e in attached.log] == list(
        zip(prompts, (1, 2, 3), (True, False, True), strict=True)
    )
    assert attached.log[1].reason == "'woman' names gender 'woman'"
    assert attached.log[0].intervention == "woman@10=3"


def test_a_scheduler_that_draws_goes_on_as_it_would_have(sd: Any) -> None:
    from diffusers import EulerAncestralDiscreteScheduler

    kept, sd.scheduler = sd.scheduler, EulerAncestralDiscreteScheduler.from_config(sd.scheduler.config)
    try:
        for given in (lambda: {"generator": seeded(3, 4)}, lambda: {"generator": seeded(3)[0]}):
            bare = draw(sd, [CONCEPT, "a man"], **given())
            with attach(sd, of(sd), weight=3):
                made = draw(sd, [CONCEPT, "a man"], **given())
            assert np.array_equal(made[1], bare[1])
            assert not np.array_equal(made[0], bare[0])
    finally:
        sd.scheduler = kept


def test_the_pipeline_is_given_back_as_it_was(pipe: Any) -> None:
    draw(pipe)  # a call sets attributes of its own
    cls, before = type(pipe), dict(vars(pipe))

    def is_as_before() -> bool:
        return type(pipe) is cls and vars(pipe) == before and all(vars(pipe)[k] is v for k, v in before.items())

    with attach(pipe, of(pipe), weight=3) as attached:
        assert isinstance(pipe, cls)
        assert type(pipe).__name__ == cls.__name__
        assert vars(pipe) == before
    assert is_as_before()
    attached.detach()

    def stop(*_: object) -> None:
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="own"), attach(pipe, of(pipe), weight=3):
        draw(pipe, callback_on_step_end=stop)
    assert type(pipe) is cls
    handle = attach(pipe, of(pipe), weight=3)
    draw(pipe, height=16, width=16)
    handle.detach()
    assert type(pipe) is cls
    assert len(handle.log) == 1


def test_a_handle_does_not_keep_a_pipeline_alive(sd: Any) -> None:
    twin = copy.copy(sd)
    handle, gone = attach(twin, of(sd), weight=1), weakref.ref(twin)
    handle.detach()
    del twin
    gc.collect()
    assert gone() is None
    assert handle.log == ()


def test_the_users_call_is_passed_on(pipe: Any) -> None:
    seen: list[tuple[Any, int]] = []

    def callback(which: Any, step: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append((which, step))
        assert tensors["latents"].shape == (4, *SHAPE)
        return {}

    with attach(pipe, of(pipe), weight=3) as attached:
        made = pipe(
            ["a cat", CONCEPT],
            num_images_per_prompt=2,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=seeded(1, 2, 3, 4),
            callback_on_step_end=callback,
            output_type="latent",
            return_dict=False,
        )
    assert made[0].shape == (4, *SHAPE)
    assert seen == [(pipe, 0), (pipe, 1)]
    assert [entry.prompt for entry in attached.log] == ["a cat", "a cat", CONCEPT, CONCEPT]
    assert [entry.seed for entry in attached.log] == [1, 2, 3, 4]


def test_prompts_as_embeddings_cannot_be_read(sd: Any) -> None:
    positive, negative = sd.encode_prompt(CONCEPT, "cpu", 1, True)
    given = {"prompt_embeds": positive, "negative_prompt_embeds": negative, "generator": seeded(1)[0]}
    bare = draw(sd, None, **given)
    with attach(sd, of(sd), weight=3, prompt_filter=PromptFilter(CONCEPT, "exact")) as strict:
        assert np.array_equal(draw(sd, None, **{**given, "generator": seeded(1)[0]}), bare)
    with attach(sd, of(sd), weight=3) as lenient:
        assert not np.array_equal(draw(sd, None, **{**given, "generator": seeded(1)[0]}), bare)
    assert "embeddings" in strict.log[0].reason
    assert (lenient.log[0].prompt, lenient.log[0].touched) == (None, True)


def test_further_prompts_are_read_too(xl: Any) -> None:
    bare = draw(xl, CONCEPT, prompt_2="a woman", generator=seeded(1))
    with attach(xl, of(xl), weight=3):
        assert np.array_equal(draw(xl, CONCEPT, prompt_2="a woman", generator=seeded(1)), bare)


def test_an_encoder_of_the_pipelines_own_decides_what_is_similar(pipe: Any) -> None:
    vectors = TextEncoder.of(pipe)[0].texts([CONCEPT, "a cat"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    least = (1 + float(vectors[0] @ vectors[1])) / 2
    with attach(pipe, of(pipe), weight=3, prompt_filter=PromptFilter(CONCEPT, "similar", threshold=least)) as attached:
        draw(pipe, [CONCEPT, "a cat"])
    assert [entry.touched for entry in attached.log] == [True, False]


def plan_of(pipe: Any, *shares: float) -> Plan:
    interventions = (Intervention(), Intervention((Shift(of(pipe), 3.0),)), Intervention((Shift(of(pipe, 1), 2.0),)))
    parts = tuple(Part(i, share) for i, share in zip(interventions, shares, strict=False))
    return Plan(CONCEPT, {"gender": {"woman": 0.5, "man": 0.5}}, parts)


def test_a_plan_goes_by_the_seeds(sd: Any) -> None:
    plan = plan_of(sd, 0.5, 0.5)
    bare = draw(sd, num_images_per_prompt=10, generator=seeded(*range(7, 17)))
    with attach(sd, plan) as attached:
        made = draw(sd, num_images_per_prompt=10, generator=seeded(*range(7, 17)))
        draw(sd, ["a cat", "A  Doctor"])
    same = [np.array_equal(a, b) for a, b in zip(made, bare, strict=True)]
    assert sum(same) == 5
    assert [not entry.touched for entry in attached.log[:10]] == same
    assert [entry.intervention for entry in attached.log[:10]] == [
        plan.intervention(seed).name for seed in range(7, 17)
    ]
    assert attached.log[10].reason == f"the prompt is not '{CONCEPT}'"
    assert (attached.log[11].seed, attached.log[11].counted, attached.log[11].touched) == (1, True, True)


@dataclass(frozen=True)
class Planned:
    """What a verb that makes plans returns, as far as `attach` looks at it."""

    plan: Plan


@dataclass(frozen=True)
class Loaded:
    """A model that has a pipeline, as far as `attach` looks at it."""

    pipeline: Any


def test_a_result_with_a_plan_and_a_model_with_a_pipeline_do_as_well(sd: Any) -> None:
    plan, seeds = plan_of(sd, 0.5, 0.5), range(7, 17)
    with attach(sd, plan) as attached:
        expected = draw(sd, num_images_per_prompt=10, generator=seeded(*seeds))
    with attach(Loaded(sd), Planned(plan)) as again:
        made = draw(sd, num_images_per_prompt=10, generator=seeded(*seeds))
    assert np.array_equal(made, expected)
    assert again.log == attached.log
    assert again.prompt_filter == plan.prompt_filter()


def test_a_plan_that_uses_rejection_sampling_is_refused(sd: Any) -> None:
    plan = Plan.load(Path(__file__).parent / "data" / "plan-0.1.safetensors")
    for what in (plan, Planned(plan)):
        with pytest.raises(EquinoiseError, match=r"rejection sampling.* generate --plan.* --no-selection") as refused:
            attach(sd, what)
        assert "\n" not in str(refused.value)
    assert not hasattr(type(sd), "attachments")


def test_numbers_of_images() -> None:
    counter = iter(range(100, 200)).__next__

    def numbers(generators: Any, n: int) -> list[int]:
        return [number.value for number in number_images(generators, n, counter)]

    one = seeded(42)[0]
    assert numbers(seeded(3, 9), 2) == [3, 9]
    assert numbers(one, 3) == [42, 43, 44]
    assert numbers([one, one, *seeded(7)], 3) == [42, 43, 7]
    torch.randn(1, generator=one)
    assert numbers(one, 2) == [100, 101]
    assert numbers(None, 2) == [102, 103]
    assert numbers(one.manual_seed(5), 1) == [5]


def test_what_cannot_be_attached_is_one_line(sd: Any, xl: Any) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline

    d = of(sd)
    for attempt, message in [
        (lambda: attach(sd, d), "needs a weight"),
        (lambda: attach(sd, plan_of(sd, 0.5, 0.5), weight=3), "carries its own"),
        (lambda: attach(sd, Planned(plan_of(sd, 0.5, 0.5)), weight=3), "a Planned carries its own"),
        (lambda: attach(sd, DirectionSet((d,))), "cannot attach a DirectionSet"),
        (lambda: attach(sd, Loaded(sd)), "cannot attach a Loaded"),  # type: ignore[arg-type]
        (lambda: attach(sd, of(sd, model={"name": "other", "weights": "abc"}), weight=1), "found on another model"),
        (lambda: attach(xl, d, weight=1), "found on another model"),
        (lambda: attach(sd, direction(shape=(3, 8, 8), model=pipeline_info(sd).provenance), weight=1), "has shape"),
        (lambda: attach(object(), d, weight=1), "no text-to-image pipeline"),
        (lambda: attach(StableDiffusionImg2ImgPipeline(**sd.components), d, weight=1), "no text-to-image pipeline"),
        (lambda: attach(sd, d, weight=float("nan")), "finite"),
    ]:
        cls = type(sd)
        with pytest.raises(EquinoiseError, match=message) as refused:
            attempt()
        assert "\n" not in str(refused.value)
        assert type(sd) is cls


def test_two_at_once_are_refused(sd: Any) -> None:
    with attach(sd, of(sd), weight=1) as outer:
        with pytest.raises(EquinoiseError, match="attached to this pipeline already"):
            attach(sd, of(sd), weight=1)
        with pytest.raises(EquinoiseError, match="attached to this pipeline already"):
            attach(sd, of(sd), weight=1, every_thread=True)
        assert outer.active
    with attach(sd, of(sd), weight=1):
        pass


def test_other_settings_are_warned_of_once(sd: Any) -> None:
    with attach(sd, of(sd), weight=1):
        with pytest.warns(EquinoiseWarning, match="guidance_scale 3.0, and is used at 5.0"):
            draw(sd, guidance_scale=5.0)
        draw(sd, guidance_scale=5.0)  # warnings are errors here


def test_another_size_is_one_line_where_something_is_to_be_shifted(sd: Any) -> None:
    with attach(sd, of(sd), weight=1):
        draw(sd, "a man", height=32, width=32)
        with pytest.raises(EquinoiseError, match="leave height and width"):
            draw(sd, height=32, width=32)
        with pytest.raises(EquinoiseError, match="latents for 2 images, and prompts for 1"):
            draw(sd, latents=noise(1, 2))
    assert not hasattr(type(sd), "attachments")


def in_thread(work: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_other_threads_go_through_bare_unless_all_are_meant(sd: Any, caplog: pytest.LogCaptureFixture) -> None:
    bare = draw(sd, generator=seeded(1))
    with attach(sd, of(sd), weight=3):
        with caplog.at_level(logging.WARNING, "equinoise"):
            assert np.array_equal(in_thread(lambda: draw(sd, generator=seeded(1))), bare)
            in_thread(lambda: draw(sd, generator=seeded(1)))
        shifted = draw(sd, generator=seeded(1))
    assert caplog.text.count("every_thread=True") == 1
    assert not np.array_equal(shifted, bare)
    handle = attach(sd, of(sd), weight=3, every_thread=True)
    assert np.array_equal(in_thread(lambda: draw(sd, generator=seeded(1))), shifted)
    in_thread(handle.detach)
    assert np.array_equal(draw(sd, generator=seeded(1)), bare)


def test_threads_that_share_a_pipeline_each_have_their_own(sd: Any) -> None:
    """A pipeline holds its scheduler's state, so calls take turns; attachments overlap."""
    cls, turn, all_attached = type(sd), threading.Lock(), threading.Barrier(3)
    directions, made = [of(sd, seed) for seed in range(3)], {}

    def alone(d: Direction) -> np.ndarray:
        with attach(sd, d, weight=3):
            return draw(sd, generator=seeded(1))

    def work(index: int) -> None:
        with attach(sd, directions[index], weight=3):
            all_attached.wait()
            with turn:
                made[index] = draw(sd, generator=seeded(1))
            all_attached.wait()

    expected = [alone(d) for d in directions]
    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, d in enumerate(expected):
        assert np.array_equal(made[index], d)
    assert type(sd) is cls


def test_tasks_of_one_loop_have_their_own_and_hand_it_to_threads(sd: Any) -> None:
    bare = draw(sd, generator=seeded(1))

    async def steered() -> np.ndarray:
        with attach(sd, of(sd), weight=3):
            await asyncio.sleep(0)
            return await asyncio.to_thread(draw, sd, generator=seeded(1))

    async def plain() -> np.ndarray:
        return draw(sd, generator=seeded(1))

    async def both() -> list[np.ndarray]:
        return await asyncio.gather(steered(), plain())

    shifted, untouched = asyncio.run(both())
    assert np.array_equal(untouched, bare)
    assert not np.array_equal(shifted, bare)


def test_compiled_and_offloaded_pipelines_are_known(sd: Any) -> None:
    from accelerate import cpu_offload
    from accelerate.hooks import remove_hook_from_submodules

    known = pipeline_info(sd)
    twin = copy.copy(sd)
    twin.unet = torch.compile(sd.unet, backend="eager")
    assert pipeline_info(twin) == known
    expected = draw(sd, generator=seeded(1))
    cpu_offload(sd.unet, torch.device("cpu"))
    try:
        assert next(sd.unet.parameters()).is_meta
        assert pipeline_info(sd) == known
        with attach(sd, of(sd), weight=3):
            made = draw(sd, generator=seeded(1))
    finally:
        remove_hook_from_submodules(sd.unet)
    with attach(sd, of(sd), weight=3):
        assert np.array_equal(draw(sd, generator=seeded(1)), made)
    assert not np.array_equal(made, expected)


def test_weights_that_were_changed_in_place_are_another_model(sd: Any) -> None:
    before = pipeline_info(sd).provenance["weights"]
    weight = sd.unet.conv_in.weight
    kept = weight.data.clone()
    weight.data += 0.5  # as fusing an adapter does, which no version counter sees
    try:
        assert pipeline_info(sd).provenance["weights"] != before
        sd.scheduler.config["prediction_type"]
    finally:
        weight.data.copy_(kept)
    assert pipeline_info(sd).provenance["weights"] == before
