"""Other methods of mitigation: their formulas against a few lines of numpy, and what they do to a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equinoise import Engine, Model, load, load_axis
from equinoise.engine import Job
from equinoise.engine.jobs import PipelineChange
from equinoise.methods import METHODS, Brief, NoFormError, Setup
from equinoise.methods.denoiser import Place, denoiser, embeddings, first_prediction, rows_of
from equinoise.methods.equisteer import choose_gate, span, steer, steering_vectors
from equinoise.methods.guidance_interval import GuidedPart, noise_level
from equinoise.methods.noise_guidance import LONGEST, refine
from equinoise.methods.projection import calibration_matrix
from equinoise.methods.prompt import naming_shares
from equinoise.methods.text import EVERY, TextEdit, class_differences, encode
from equinoise.methods.uce import PRESERVED, edited_text
from equinoise.models.base import Sampling, draw_noise
from equinoise.models.pipeline import require_pipeline
from equinoise.run import MemoryRun, Record
from equinoise.runtime.making import Maker

DOCTOR, WOMAN = "a photo of a doctor", "a photo of a woman"
UNIFORM = {"woman": 0.5, "man": 0.5}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Model:
    return load("emoji", steps=4, device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def maker(model: Model) -> Iterator[Maker]:
    with Engine(model=model.backend) as engine:
        yield Maker(model, engine, False)


@pytest.fixture(scope="module")
def brief(model: Model, maker: Maker) -> Brief:
    return a_brief(model, maker, "gender")


def a_brief(model: Model, maker: Maker, axis: str, concept: str = DOCTOR) -> Brief:
    loaded = load_axis(axis)
    target = dict.fromkeys(loaded.classes, 1 / len(loaded.classes))

    def untouched(seeds: object) -> list[Record]:
        jobs = [Job(str(seed), concept, seed) for seed in seeds]  # type: ignore[attr-defined]
        return maker.make("untouched", jobs, [loaded], MemoryRun({}, 0))

    return Brief(model, concept, loaded, target, untouched)


def latents(model: Model, change: PipelineChange | None, jobs: list[Job]) -> torch.Tensor:
    """Of the last step."""
    noise, prompts = draw_noise([job.seed for job in jobs], model.backend.latent_shape), [job.prompt for job in jobs]
    last = model.calls - 1
    with change.during(model.backend, jobs, noise, model.sampling) if change else nullcontext(noise) as started:
        made = model.backend.generate(prompts, started, model.sampling, capture=(last,), decode=False)
    return made.captured[last]


# ---- formulas


@given(st.integers(1, 6), st.floats(0, 1000, allow_subnormal=False))
@settings(deadline=None, max_examples=30)
def test_text_projection_is_the_closed_form(m: int, strength: float) -> None:
    rows = RNG.standard_normal((m, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = sum(np.outer(row, row) for row in rows) / m
    assert calibration_matrix(rows, strength) @ (strength * mean + np.eye(5)) == pytest.approx(np.eye(5), abs=1e-8)
    assert calibration_matrix(rows, 0.0) == pytest.approx(np.eye(5))


def test_uce_edits_every_key_and_value_as_the_text_is_mapped(model: Model) -> None:
    """W′ = (λW + v*cᵀ)(λI + ccᵀ)⁻¹ on the model's own weights is W on the mapped text, for every layer."""
    concept, moved = RNG.standard_normal((2, 128))
    tokens, found = RNG.standard_normal((7, 128)), edited_text(concept, moved)
    linear = [m for name, m in denoiser(model.backend).named_modules() if name.endswith(("attn2.to_k", "attn2.to_v"))]
    assert len(linear) == 14
    for module in linear:
        weight = module.weight.detach().double().numpy()
        value = weight @ moved
        inverse = np.linalg.inv(PRESERVED * np.eye(128) + np.outer(concept, concept))
        edited = (PRESERVED * weight + np.outer(value, concept)) @ inverse
        assert edited @ tokens.T == pytest.approx(weight @ (found @ tokens.T), abs=1e-9)
    assert edited_text(concept, concept) == pytest.approx(np.eye(128))


@pytest.mark.parametrize("classes", [2, 3])
def test_steering_takes_out_the_span_and_puts_the_drawn_class_back(classes: int) -> None:
    outputs, vectors = RNG.standard_normal((3, 5, 8)).astype(np.float32), RNG.standard_normal((classes, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    if classes == 2:
        vectors[1] = -vectors[0]
    towards = 2.0 * vectors[[0, 1, 0]]
    basis = span(dict(enumerate(vectors)))  # type: ignore[arg-type]
    assert basis.shape == (1 if classes == 2 else 3, 8)
    made = steer(torch.from_numpy(outputs), basis, towards, 1.0).numpy()
    for image in range(3):
        for place in range(5):
            c = outputs[image, place].astype(np.float64)
            coefficients, *_ = np.linalg.lstsq(vectors.T.astype(np.float64), c, rcond=None)
            wanted = c - vectors.T @ coefficients + towards[image]
            wanted *= np.linalg.norm(c) / np.linalg.norm(wanted)
            assert made[image, place] == pytest.approx(wanted, abs=1e-5)
    assert steer(torch.from_numpy(outputs), basis, towards, 0.0).numpy() == pytest.approx(outputs, abs=1e-6)


def test_steering_vectors_of_two_classes_are_opposite_and_of_more_each_against_neutral() -> None:
    place = Place(0, "layer")
    means = {name: {place: RNG.standard_normal(4)} for name in "abc"}
    two = steering_vectors({name: means[name] for name in "ab"}, None)[place]
    gap = means["a"][place] - means["b"][place]
    assert two["a"] == pytest.approx(gap / np.linalg.norm(gap), abs=1e-6)
    assert two["b"] == pytest.approx(-two["a"])
    more = steering_vectors(means, {place: np.zeros(4)})[place]
    assert all(more[name] == pytest.approx(means[name][place] / np.linalg.norm(means[name][place])) for name in "abc")


def test_the_gate_is_the_layer_that_tells_named_from_neutral_best() -> None:
    near, far = Place(0, "near"), Place(0, "far")
    neutral = {place: {"a": RNG.standard_normal(50)} for place in (near, far, Place(1, "far"))}
    named = {"a": {near: {"a": neutral[near]["a"] + 0.1}, far: {"a": neutral[far]["a"] + 5}}}
    gate = choose_gate(named, neutral)
    assert gate.layer == "far"
    assert gate.thresholds["a"] == pytest.approx(neutral[far]["a"].mean() + 2.5)


@given(st.floats(0.01, 3.0))
@settings(deadline=None, max_examples=20)
def test_noise_is_refined_by_a_step_of_at_most_its_longest(size: float) -> None:
    noise, gap = (
        RNG.standard_normal((2, 3, 4, 4)).astype(np.float32),
        RNG.standard_normal((2, 3, 4, 4)).astype(np.float32),
    )
    gap *= size / np.linalg.norm(gap.reshape(2, -1), axis=1)[:, None, None, None]
    made = refine(torch.from_numpy(noise), torch.from_numpy(gap)).numpy()
    for row in range(2):
        moved = noise[row] - gap[row] * min(1.0, LONGEST / np.linalg.norm(gap[row]))
        assert made[row] == pytest.approx(moved * np.sqrt(48) / np.linalg.norm(moved), abs=1e-4)


@given(st.floats(0.55, 1.0), st.floats(0.55, 1.0), st.floats(0.3, 0.7))
@settings(deadline=None)
def test_naming_meets_the_target_where_it_can(a: float, b: float, target: float) -> None:
    """q·a + (1 − q)(1 − b) = target."""
    q = naming_shares(np.array([[a, 1 - a], [1 - b, b]]), np.array([target, 1 - target]))
    exact = min(max((target - (1 - b)) / (a + b - 1), 0.0), 1.0)
    assert q == pytest.approx([exact, 1 - exact], abs=1e-4)


def test_the_noise_level_is_that_of_the_schedule(model: Model) -> None:
    scheduler = model.pipeline.scheduler
    kept = float(scheduler.alphas_cumprod[500])
    assert noise_level(scheduler, 500.0) == pytest.approx(np.sqrt(1 / kept - 1))
    assert noise_level(scheduler, 999.0) > 1e3  # this schedule ends in pure noise


def test_a_text_edit_changes_its_part_alone() -> None:
    text, matrix = torch.randn(4, 3, 5), RNG.standard_normal((5, 5)).astype(np.float32)
    made = TextEdit("", "conditional", matrix).apply(text, ["a", "b"])
    assert torch.equal(made[:2], text[:2])
    assert made[2:].numpy() == pytest.approx(text[2:].numpy() @ matrix.T, abs=1e-5)
    added = {"a": np.ones((3, 5), np.float32), "b": np.zeros((3, 5), np.float32)}
    made = TextEdit("", "conditional", None, added).apply(text, ["b", "a"])
    assert torch.equal(made[:3], text[:3])
    assert torch.equal(made[3], text[3] + 1)
    made = TextEdit("", "unconditional", None, {EVERY: np.ones((3, 5), np.float32)}).apply(text, ["b", "a"])
    assert torch.equal(made, torch.cat([text[:2] + 1, text[2:]]))
    assert rows_of(4, 4, "unconditional") == slice(0, 0)  # without guidance there is no such row


# ---- on a pipeline


def test_embeddings_are_the_pipelines_own_and_cost_no_call(model: Model) -> None:
    pipeline = model.pipeline
    text, _ = pipeline.encode_prompt([DOCTOR, WOMAN], "cpu", 1, False)
    assert torch.equal(embeddings(model.backend, [DOCTOR, WOMAN]), text.float())
    found = encode(model.backend, [DOCTOR, WOMAN])
    ids = pipeline.tokenizer([DOCTOR, WOMAN]).input_ids
    assert found.ends == (len(ids[0]) - 1, len(ids[1]) - 1)
    assert np.array_equal(found.last_word[0], text[0, found.ends[0] - 1].detach().numpy())


def test_the_first_prediction_is_the_denoisers(model: Model) -> None:
    noise = draw_noise([1, 2], model.backend.latent_shape)
    pipeline, found = model.pipeline, first_prediction(model.backend, [DOCTOR, WOMAN], noise, model.sampling.steps)
    pipeline.scheduler.set_timesteps(model.sampling.steps)
    with torch.no_grad():
        text, _ = pipeline.encode_prompt([DOCTOR, WOMAN], "cpu", 1, False)
        made = pipeline.unet(noise, pipeline.scheduler.timesteps[0], encoder_hidden_states=text).sample
    assert torch.equal(found, made)


ADDING = ("noise-guidance", "weak-guidance", "null-offset", "uce")
ZERO = {**dict.fromkeys((*ADDING, "fair-diffusion", "projection", "equisteer"), 0.0), "guidance-interval": inf}


@pytest.mark.parametrize("name", ZERO)
def test_at_strength_zero_the_pipeline_is_untouched_and_afterwards_it_is_as_it_was(
    name: str, model: Model, maker: Maker, brief: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit where a term is added; elsewhere within 10⁻⁴ of the latents."""
    monkeypatch.setattr("equinoise.methods.equisteer.IMAGES", 4)
    monkeypatch.setattr("equinoise.methods.uce.MOST", 1)
    plain = [brief.job(seed) for seed in range(4)]
    before = latents(model, None, plain)
    pipeline = model.pipeline
    prepared = METHODS[name].prepare(brief, Setup(maker, (brief.axis,)), ZERO[name])
    assert prepared.change is not None
    jobs = prepared.jobs(range(4))
    order = [plain.index(next(job for job in plain if job.seed == other.seed)) for other in jobs]
    if name == "fair-diffusion":  # which makes images only
        decoded = _images(model, prepared.change, jobs)
        assert np.abs(decoded - _images(model, None, jobs)).max() <= 1
    else:
        made = latents(model, prepared.change, jobs)
        assert (made - before[order]).abs().max() <= (0 if name in ADDING else 1e-4)
    module = denoiser(model.backend)
    assert model.pipeline is pipeline
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.equal(latents(model, None, plain), before)


def _images(model: Model, change: PipelineChange | None, jobs: list[Job]) -> np.ndarray:
    noise, prompts = draw_noise([job.seed for job in jobs], model.backend.latent_shape), [job.prompt for job in jobs]
    with change.during(model.backend, jobs, noise, model.sampling) if change else nullcontext(noise) as started:
        made = model.backend.generate(prompts, started, model.sampling)
    assert made.images is not None
    return np.stack([np.asarray(image, np.int16) for image in made.images])


def test_after_an_error_the_pipeline_is_as_it_was(model: Model, maker: Maker, brief: Brief) -> None:
    pipeline, noise = model.pipeline, draw_noise(range(4), model.backend.latent_shape)
    for name in ("fair-diffusion", "weak-guidance", "guidance-interval"):
        prepared = METHODS[name].prepare(brief, Setup(maker, (brief.axis,)), 1.0)
        assert prepared.change is not None
        with (
            pytest.raises(RuntimeError, match="on the way"),
            prepared.change.during(model.backend, prepared.jobs(range(4)), noise, model.sampling),
        ):
            raise RuntimeError("on the way")
        assert model.pipeline is pipeline
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in denoiser(model.backend).modules())


def test_without_guidance_in_its_part_a_run_is_that_of_guidance_1(model: Model) -> None:
    jobs = [Job(str(seed), DOCTOR, seed) for seed in range(4)]
    none = latents(model, GuidedPart(inf, inf), jobs)
    alone = replace(model, sampling=Sampling(model.sampling.steps, 1.0))
    assert (none - latents(alone, None, jobs)).abs().max() < 1e-4


def test_a_method_without_a_form_for_an_axis_says_so(model: Model, maker: Maker) -> None:
    tone = a_brief(model, maker, "tone")
    with pytest.raises(NoFormError, match=r"Fair Diffusion \(SEGA\): no form for the 5 classes of tone"):
        METHODS["fair-diffusion"].prepare(tone, Setup(maker, (tone.axis,)), 4.0)
    unguided = replace(model, sampling=Sampling(4, 1.0))
    brief = replace(tone, model=unguided)
    with pytest.raises(NoFormError, match="guidance scale above 1"):
        METHODS["null-offset"].prepare(brief, Setup(maker, (tone.axis,)), 1.0)


def test_text_differences_pair_prompts_that_differ_in_the_class_alone(model: Model, maker: Maker) -> None:
    tone = a_brief(model, maker, "tone")
    assert tone.contrasts[0] == tone.prompts
    assert all(set(prompts) == set(tone.axis.classes) for prompts in tone.contrasts)
    found = class_differences(model.backend, tone.contrasts[:1])
    assert found.shape == (10, 128)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(10))


def test_drawn_classes_come_in_the_targets_shares(brief: Brief) -> None:
    drawn = [brief.wanted(seed) for seed in range(100)]
    assert drawn.count("woman") == 50
    skewed = replace(brief, target={"woman": 0.2, "man": 0.8})
    assert [skewed.wanted(seed) for seed in range(100)].count("woman") == 20


def test_whole_images_are_rejected_until_the_drawn_class_appears(
    model: Model, maker: Maker, brief: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equinoise.methods.rejection.AT_ONCE", 8)
    prepared = METHODS["rejection"].prepare(brief, Setup(maker, (brief.axis,)), None)
    jobs = prepared.jobs(range(4))
    for job in jobs:
        seen = [attempt.seen["gender"] for attempt in job.attempts]
        assert seen[-1] == job.wanted
        assert job.wanted not in seen[:-1]
        assert job.attempts[0].seed == job.seed
    used = [attempt.seed for job in jobs for attempt in job.attempts[1:]]
    assert len(set(used)) == len(used)
    records = maker.make("rejection", jobs, [brief.axis], MemoryRun({}, 0))
    assert [record.labels["gender"] for record in records] == [job.wanted for job in jobs]
    assert prepared.calls is not None
    assert [prepared.calls(record) for record in records] == [len(job.attempts) * model.calls for job in jobs]


def test_semantic_guidance_gives_each_image_that_of_its_own_direction(model: Model, maker: Maker, brief: Brief) -> None:
    """A batch with both directions gives the images of two batches with one each."""
    change = METHODS["fair-diffusion"].prepare(brief, Setup(maker, (brief.axis,)), 8.0).change
    assert change is not None
    jobs = [Job(str(seed), DOCTOR, seed, wanted="woman" if seed % 2 else "man") for seed in range(4)]
    both = _images(model, change, jobs)
    for label in ("woman", "man"):
        alone = _images(model, change, [replace(job, wanted=label) for job in jobs])
        rows = [row for row, job in enumerate(jobs) if job.wanted == label]
        assert np.array_equal(both[rows], alone[rows])
    assert isinstance(require_pipeline(model.backend).pipeline, type(model.pipeline))
