"""What every family of pipelines must do, on tiny pipelines of the real classes, saved to disk and loaded again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Saved, load_folder
from PIL import Image
from tiny_pipelines import save_lora

from equinoise import (
    DirectionSet,
    Engine,
    EquinoiseError,
    EquinoiseWarning,
    Intervention,
    ModelSpec,
    Sampling,
    Shift,
    attach,
    collect,
    fit,
    load,
)
from equinoise.engine import Job, Request
from equinoise.engine.images import make_images
from equinoise.models.base import draw, draw_noise
from equinoise.models.pipeline import PipelineModel
from equinoise.run import RunFolder
from equinoise.steering.compatibility import check_fit

PROMPTS = ["a cat", "a dog", "a cat and a dog"]
SEEDS = [1, 2, 3]
BATCH = 4


def sampling(family: Saved) -> Sampling:
    return Sampling(family.tiny.steps, family.tiny.guidance_scale)


def jobs() -> list[Job]:
    return [Job(str(i), PROMPTS[i % 3], 100 + i) for i in range(5)]


def request_of(family: Saved, size: int = BATCH) -> Request:
    spec = ModelSpec(str(family.folder), **family.tiny.options)
    return Request(spec, sampling(family), size, capture=("T", 1))


def hashes(family: Saved, wanted: list[Job], size: int = BATCH) -> dict[str, str]:
    """Id → hash of the image, drawn in this process."""
    with Engine(model=family.model) as engine:
        return {r.job.id: sha256(r.image.tobytes()).hexdigest() for r in engine.run(request_of(family, size), wanted)}


@pytest.fixture(scope="module")
def drawn(family: Saved) -> dict[str, str]:
    """Id → hash of each image, drawn in one go."""
    return hashes(family, jobs())


def bare(family: Saved, generators: list[torch.Generator], output_type: str = "pil") -> object:
    """The pipeline's own call as a user writes it, without a word of ours."""
    pipeline, (_, height, width) = family.model.pipeline, family.model.latent_shape
    return pipeline(
        PROMPTS,
        generator=generators,
        num_inference_steps=family.tiny.steps,
        guidance_scale=family.tiny.guidance_scale,
        height=height * pipeline.vae_scale_factor,
        width=width * pipeline.vae_scale_factor,
        output_type=output_type,
        **family.model.family.extra,
    ).images


def generators_of(seeds: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_noise_is_by_seed_as_the_bare_pipeline_draws_it(family: Saved) -> None:
    shape = family.model.latent_shape
    assert shape == family.tiny.latent_shape
    noise, generators = draw(SEEDS, shape)
    stacked = torch.stack([torch.randn(shape, generator=generator) for generator in generators_of(SEEDS)])
    assert torch.equal(noise, stacked)
    ours = family.model.generate(PROMPTS, noise, sampling(family), generators=generators).images
    theirs = bare(family, generators_of(SEEDS))
    assert [a.tobytes() for a in ours] == [b.tobytes() for b in theirs]


def test_same_image_whatever_order_and_companions(family: Saved, drawn: dict[str, str]) -> None:
    assert len(set(drawn.values())) == 5
    assert hashes(family, [jobs()[i] for i in (4, 1, 0)]) == {key: drawn[key] for key in "410"}
    assert hashes(family, jobs()[3:4]) == {"3": drawn["3"]}


def test_batches_of_other_sizes_are_within_one_of_255(family: Saved) -> None:
    with Engine(model=family.model) as engine:
        runs = [{r.job.id: np.asarray(r.image, int) for r in engine.run(request_of(family, n), jobs())} for n in (1, 3)]
    assert max(np.abs(runs[0][key] - runs[1][key]).max() for key in runs[0]) <= 1


def test_captures(family: Saved) -> None:
    last = family.tiny.steps - 1
    noise, generators = draw(SEEDS, family.model.latent_shape)
    made = family.model.generate(PROMPTS, noise, sampling(family), ("T", 0, last), generators=generators)
    assert list(made.captured) == ["T", 0, last]
    assert all(latents.shape == noise.shape for latents in made.captured.values())
    assert torch.equal(made.captured["T"], noise)
    assert list(made.timesteps) == [0, last]
    assert made.timesteps[0] > made.timesteps[last]
    latents = bare(family, generators_of(SEEDS), "latent")
    unpacked = family.model.family.from_pipeline(latents, family.model.latent_shape)
    assert torch.equal(made.captured[last], unpacked.float())


def test_early_stop_is_the_full_run_so_far(family: Saved) -> None:
    noise, ready = draw(SEEDS, family.model.latent_shape)
    calls: list[int] = []
    handle = family.model.family.module(family.model.pipeline).register_forward_hook(lambda *_: calls.append(1))
    full = family.model.generate(PROMPTS, noise, sampling(family), ("T", 0, 1), generators=ready)
    in_full, _ = len(calls), calls.clear()
    early = family.model.generate(PROMPTS, noise, sampling(family), ("T", 0, 1), False, draw(SEEDS, noise.shape[1:])[1])
    handle.remove()
    assert in_full == family.model.calls(family.tiny.steps) == family.tiny.steps
    assert len(calls) == 2
    assert early.images is None
    assert all(torch.equal(early.captured[step], full.captured[step]) for step in ("T", 0, 1))
    assert not torch.equal(full.captured[0], full.captured[1])


@pytest.fixture(scope="module")
def directions(family: Saved) -> DirectionSet:
    """Found on the family itself, half-way."""
    height, width = (side * family.model.pipeline.vae_scale_factor for side in family.model.latent_shape[1:])
    asked = {"steps": family.tiny.steps, "guidance_scale": family.tiny.guidance_scale, "batch_size": BATCH}
    model = load(family.model.pipeline, size=(height, width), **asked)
    prompts = {"woman": "a cat", "man": "a dog"}
    traces = collect(model, "gender", prompts=prompts, n=3, capture=[0.5], progress=False)
    assert traces.latents[2].shape == (6, *family.model.latent_shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)  # three pairs are too few to tell anything
        return fit(traces, estimator="paired", permutations=1)


def test_a_shift_moves_and_none_leaves_the_very_image(family: Saved, directions: DirectionSet) -> None:
    direction = directions.find("woman", 2)
    made = []
    for weight in (None, 0.0, 6.0):
        noise, generators = draw(SEEDS, family.model.latent_shape)
        shifted = noise if weight is None else Intervention((Shift(direction, weight),)).apply(noise)
        images = family.model.generate(PROMPTS, shifted, sampling(family), generators=generators).images
        made.append([image.tobytes() for image in images])
    assert made[0] == made[1]
    assert all(a != b for a, b in zip(made[0], made[2], strict=True))


def test_attached_the_users_own_call_gets_the_same_shift(family: Saved, directions: DirectionSet) -> None:
    direction, pipeline, cls = directions.find("woman", 2), family.model.pipeline, type(family.model.pipeline)
    noise, generators = draw(SEEDS, family.model.latent_shape)
    shifted = Intervention((Shift(direction, 6.0),)).apply(noise)
    ours = family.model.generate(PROMPTS, shifted, sampling(family), generators=generators).images
    untouched = [image.tobytes() for image in bare(family, generators_of(SEEDS))]
    with attach(pipeline, direction, weight=0.0):
        assert [image.tobytes() for image in bare(family, generators_of(SEEDS))] == untouched
    with attach(pipeline, direction, weight=6.0) as attached:
        theirs = bare(family, generators_of(SEEDS))
    assert type(pipeline) is cls
    assert [entry.touched for entry in attached.log] == [True] * len(SEEDS)
    for a, b, before in zip(ours, theirs, untouched, strict=True):
        assert b.tobytes() != before
        # the draw is unscaled and scaled again, which rounds once more
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


def test_directions_are_kept_and_fit_their_model_only(family: Saved, directions: DirectionSet, tmp_path: Path) -> None:
    directions.save(tmp_path / "d.safetensors")
    kept = DirectionSet.load(tmp_path / "d.safetensors").find("woman", 2)
    assert np.array_equal(kept.vector, directions.find("woman", 2).vector)
    change = Intervention((Shift(kept, 1.0),))
    assert check_fit(change, family.model, sampling(family)) == []
    pipeline = family.model.pipeline
    weight = next(family.model.family.module(pipeline).parameters())
    before = weight.detach().clone()
    with torch.no_grad():
        weight += 1e-3
    try:
        other = PipelineModel(pipeline, "another", size=family.tiny.options.get("size"))
        with pytest.raises(EquinoiseError, match="was found on another model"):
            check_fit(change, other, sampling(family))
    finally:
        with torch.no_grad():
            weight.copy_(before)


def test_adapters_are_part_of_the_model(family: Saved, directions: DirectionSet, tmp_path: Path) -> None:
    if not family.tiny.adapters:
        pytest.skip("diffusers loads no LoRA into this pipeline")
    live = load_folder(family.folder, **family.tiny.options)
    folder = save_lora(live.pipeline, tmp_path / "painter")
    bare_weights = family.model.provenance["weights"]
    model = load_folder(family.folder, **family.tiny.options, adapters=(str(folder),))
    (adapter,) = model.provenance["adapters"]
    assert adapter["name"] == "painter"
    assert model.provenance["weights"] == f"{bare_weights}+{adapter['sha256']}"
    noise = draw_noise(SEEDS, model.latent_shape)
    one, other = (
        m.generate(PROMPTS, noise, sampling(family), ("T", 0), False, generators_of(SEEDS)).captured[0]
        for m in (family.model, model)
    )
    assert not torch.equal(one, other)
    change = Intervention((Shift(directions.find("woman", 2), 1.0),))
    with pytest.raises(EquinoiseError, match="fit a direction on this model with adapter painter"):
        check_fit(change, model, sampling(family))

    live.pipeline.load_lora_weights(str(folder), adapter_name="any_name")  # by the user, on the live pipeline
    assert live.provenance["weights"] == model.provenance["weights"]
    live.pipeline.set_adapters("any_name", 0.5)
    assert live.provenance["weights"] not in (model.provenance["weights"], bare_weights)
    live.pipeline.disable_lora()
    assert live.provenance["weights"] == bare_weights


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Engine]:
    """Another process."""
    with Engine(1) as engine:
        yield engine


def test_same_image_in_another_process(family: Saved, elsewhere: Engine, drawn: dict[str, str]) -> None:
    there = {r.job.id: sha256(r.image.tobytes()).hexdigest() for r in elsewhere.run(request_of(family), jobs())}
    assert there == drawn


def test_same_image_when_resumed(family: Saved, drawn: dict[str, str], tmp_path: Path) -> None:
    asked = request_of(family)
    with Engine(model=family.model) as engine:
        make_images(engine, asked, jobs()[:2], RunFolder(tmp_path, {"command": "test"}))  # and then it was cut off
        resumed = make_images(engine, asked, jobs(), run := RunFolder(tmp_path, {"command": "test"}))
    assert len(run.records) == len(resumed) == 5
    for job, digest in drawn.items():
        with Image.open(tmp_path / "images" / f"{job}.png") as image:
            assert sha256(image.tobytes()).hexdigest() == digest
