"""From a name to a model: what is refused and how, schedulers that call more often, sizes, memory, live pipelines."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from conftest import Ran, load_folder
from factories import direction
from hypothesis import given
from hypothesis import strategies as st
from tiny_pipelines import TINY, save_lora, stable_diffusion

from equinoise import (
    Engine,
    EquinoiseError,
    EquinoiseWarning,
    Intervention,
    ModelSpec,
    Sampling,
    Shift,
    collect,
    fit,
    generate,
    load,
    step_at,
)
from equinoise.cli.arguments import size as parse_size
from equinoise.models import TextToImage, load_model
from equinoise.models.base import default_capture, draw, draw_noise, parse_steps
from equinoise.models.identity import hash_weights
from equinoise.models.memory import decode_in_parts, find_batch_size, halve_until_it_fits, place
from equinoise.models.pipeline import PipelineModel
from equinoise.models.worlds import world
from equinoise.steering.compatibility import check_fit

PROMPTS = ["a cat", "a dog"]


@pytest.fixture(scope="module")
def model(tiny: Path) -> PipelineModel:
    return load_folder(tiny)


def only_index(folder: Path, class_name: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": class_name}))
    return folder


@pytest.mark.parametrize(
    ("class_name", "why"),
    [
        ("WanPipeline", "makes video"),
        ("StableVideoDiffusionPipeline", "makes video"),
        ("StableDiffusionInpaintPipeline", "fills masked images in"),
        ("FluxFillPipeline", "fills masked images in"),
        ("StableDiffusionXLImg2ImgPipeline", "starts from an image"),
        ("StableDiffusionControlNetPipeline", "needs a control image"),
        ("AudioLDM2Pipeline", "makes sound"),
        ("PixArtSigmaPipeline", "takes no callback_on_step_end"),
        ("IFPipeline", "takes no latents"),
        ("QwenImagePipeline", "not known here"),
        ("MyOwnPipeline", "is not a pipeline of diffusers"),
        (["my_file", "MyOwnPipeline"], "code of its own"),
    ],
)
def test_pipelines_that_cannot_be_steered(class_name: Any, why: str, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    folder = only_index(tmp_path / "model", class_name)
    ran = cli("generate", folder, "--concept", "a photo of a doctor", "-o", tmp_path / "run")
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert why in line
    assert "use a " in line


def test_checkpoints_that_are_not_read(tiny: Path, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    def refused(name: Path | str, *more: str) -> str:
        ran = cli("generate", name, "--concept", "a photo of a doctor", "-o", tmp_path / "run", *more)
        assert ran.code == 2
        (line,) = ran.err.splitlines()
        return line

    pickled = only_index(tmp_path / "pickled", "StableDiffusionPipeline")
    (pickled / "unet").mkdir()
    (pickled / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "pickled weights (diffusion_pytorch_model.bin), which are never read" in refused(pickled)
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04.")
    assert "is a pickled checkpoint" in refused(tmp_path / "model.ckpt")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "is a single-file checkpoint" in refused(tmp_path / "model.safetensors")
    (tmp_path / "empty").mkdir()
    assert "has no model_index.json" in refused(tmp_path / "empty")
    assert "--revision main is for hub names" in refused(tiny, "--revision", "main")
    assert "cannot load model" in refused(tiny, "--variant", "fp16")
    assert "no hub name either" in refused("no/such/folder")
    (tmp_path / "lora.bin").write_bytes(b"\x80\x04.")
    assert "not a safetensors file" in refused(tiny, "--adapter", str(tmp_path / "lora.bin"))
    assert "holds no safetensors file" in refused(tiny, "--adapter", str(pickled))
    assert "cannot load adapter" in refused(tiny, "--adapter", str(tiny / "unet"))
    assert "cannot load adapter 'no/such/adapter'" in refused(tiny, "--adapter", "no/such/adapter")
    assert "no offload 'some'" in refused(tiny, "--offload", "some")
    assert "needs an accelerator" in refused(tiny, "--offload", "model")
    assert "multiples of 8 pixels" in refused(tiny, "--size", "16x20")
    assert "not HEIGHTxWIDTH" in refused(tiny, "--size", "big")
    assert "give a whole number, or auto" in refused(tiny, "--batch-size", "many")
    assert "does not take it; use DDIM, " in refused(tiny, "--scheduler", "FlowMatchEulerDiscrete")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub client as it is without a network, but at once."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_live_pipelines_are_taken_as_they_are(model: PipelineModel) -> None:
    pipeline = model.pipeline
    bars = dict(pipeline._progress_bar_config)
    live = load_model(pipeline)
    assert live.pipeline is pipeline
    assert live.provenance == {**model.provenance, "name": Path(live.name).name}
    noise = draw_noise([1, 2], live.latent_shape)
    one, other = (m.generate(PROMPTS, noise, Sampling(2, 3.0)).images for m in (live, model))
    assert [a.tobytes() for a in one] == [b.tobytes() for b in other]
    assert pipeline._progress_bar_config == bars
    with pytest.raises(EquinoiseError, match="set its device on the pipeline itself"):
        load(pipeline, device="cpu")


def test_live_pipelines_that_cannot_be_steered() -> None:
    with pytest.raises(EquinoiseError, match="9 channels in and 4 out fills in or edits images"):
        load_model(stable_diffusion(in_channels=9))
    flow = TINY["sd3"].build()
    flow.register_to_config()
    flow.scheduler = type(flow.scheduler).from_config(flow.scheduler.config, stochastic_sampling=True)
    with pytest.raises(EquinoiseError, match="stochastic_sampling goes by no seed"):
        load_model(flow)


def test_a_subclass_belongs_to_its_family(model: PipelineModel) -> None:
    from diffusers import StableDiffusionPipeline

    class Mine(StableDiffusionPipeline):
        """As users write them: a call of its own around that of diffusers, without a default for the guidance."""

        def __call__(
            self,
            *arguments: Any,
            latents: Any = None,
            callback_on_step_end: Any = None,
            num_inference_steps: int = 7,
            guidance_scale: float | None = None,
            **more: Any,
        ) -> Any:
            return super().__call__(
                *arguments,
                latents=latents,
                callback_on_step_end=callback_on_step_end,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                **more,
            )

    mine = Mine(**model.pipeline.components, requires_safety_checker=False)
    assert load_model(mine).family is model.family
    assert load_model(mine).default_steps == 7
    assert PipelineModel(mine, "mine", 0.0).default_guidance == 0.0
    with pytest.raises(EquinoiseError, match="give --guidance-scale"):
        _ = load_model(mine).default_guidance


@pytest.mark.parametrize(("name", "calls"), [("HeunDiscrete", 11), ("PNDM", 7), ("DDIM", 6), ("UniPCMultistep", 6)])
def test_schedulers_that_call_more_often_than_they_step(tiny: Path, name: str, calls: int) -> None:
    model = load_folder(tiny, scheduler=name)
    if name == "PNDM":
        model.pipeline.scheduler.register_to_config(skip_prk_steps=True)
    assert model.calls(6) == calls
    counted: list[int] = []
    handle = model.pipeline.unet.register_forward_hook(lambda *_: counted.append(1))
    noise, generators = draw([1, 2], model.latent_shape)
    made = model.generate(PROMPTS, noise, Sampling(6, 3.0), range(calls), generators=generators)
    handle.remove()
    assert len(counted) == calls
    assert list(made.captured) == list(range(calls))
    assert len(made.timesteps) == calls
    last = model.pipeline(PROMPTS, latents=noise, num_inference_steps=6, guidance_scale=3.0, output_type="latent")
    assert torch.equal(made.captured[calls - 1], last.images)
    with pytest.raises(EquinoiseError, match=f"step {calls} does not exist: {calls} "):
        model.generate(PROMPTS, noise, Sampling(6, 3.0), (calls,))


def test_numbers_of_steps_that_a_scheduler_does_not_take(tiny: Path) -> None:
    model = load_folder(tiny, scheduler="LCM")
    with pytest.raises(EquinoiseError, match="--steps 60: LCMScheduler takes others"):
        model.require_total(60)
    with pytest.raises(EquinoiseError, match="from 1 to 1000"):
        model.require_total(0)


@pytest.mark.parametrize(
    ("family", "steps", "guidance"), [("sd1", 50, 7.5), ("sdxl", 50, 5.0), ("lcm", 4, 8.5), ("sd3", 28, 7.0)]
)
def test_a_family_has_its_own_steps_and_guidance(family: str, steps: int, guidance: float) -> None:
    model = load_model(TINY[family].build())
    assert (model.default_steps, model.default_guidance) == (steps, guidance)
    captured = default_capture(steps)
    assert captured[0] == 0
    assert captured == sorted(set(captured))
    assert captured[-1] < steps
    assert len(captured) == min(10, steps)


@given(st.integers(1, 1000).flatmap(lambda of: st.tuples(st.integers(0, of - 1), st.just(of))), st.integers(1, 1000))
def test_a_fraction_is_the_call_under_way(step: tuple[int, int], total: int) -> None:
    k, of = step
    assert step_at(f"{k}/{of}", of) == k
    found = step_at(f"{k}/{of}", total)
    assert found * of <= k * total < (found + 1) * of


def test_fractions_as_they_are_written() -> None:
    assert parse_steps("T,10,0.2,30/50", 28) == ["T", 10, 5, 16]
    assert default_capture(50) == list(range(0, 50, 5))
    assert step_at(0.58, 50) == 29  # exact, where 0.58 * 50 is 28.999…
    for text, total, message in [
        ("0.2", None, "not a step"),
        ("1.0", 50, "no fraction of a run"),
        ("1/0", 50, "no fraction of a run"),
        ("-0.2", 50, "no fraction of a run"),
        ("0.2,0.21", 4, "comes twice in '0.2,0.21' of 4 steps"),
    ]:
        with pytest.raises(EquinoiseError, match=re.escape(message)):
            parse_steps(text, total)


def test_a_direction_at_another_number_of_steps_says_where_its_step_would_be(model: PipelineModel) -> None:
    found = {"steps": 50, "guidance_scale": 3.0}
    change = Intervention((Shift(direction(shape=model.latent_shape, model=model.provenance, sampling=found), 1.0),))
    (warning,) = check_fit(change, model, Sampling(4, 3.0))
    assert warning.endswith("used at 4: its effect may differ (step 10 of 50 stands for step 0 of 4)")


def test_sizes(tiny: Path) -> None:
    model = load_folder(tiny, size=(16, 32))
    assert model.latent_shape == (4, 8, 16)
    noise = draw_noise([1, 2], model.latent_shape)
    assert model.generate(PROMPTS, noise, Sampling(2, 3.0)).images[0].size == (32, 16)
    assert parse_size("512x768") == (512, 768)


def test_half_precision(tiny: Path) -> None:
    model = load_folder(tiny, dtype="bfloat16")
    noise = draw_noise([1, 2], model.latent_shape)
    made = model.generate(PROMPTS, noise, Sampling(2, 3.0), ("T", 1))
    assert torch.equal(made.captured["T"], noise)
    assert made.captured[1].dtype == torch.float32
    assert model.provenance["dtype"] == "bfloat16"


@pytest.mark.parametrize("how", ["model", "sequential"])
def test_offloaded_pipelines(how: str, tiny: Path, model: PipelineModel) -> None:
    """The hooks that diffusers' offload sets, here with the CPU for an accelerator."""
    noise, asked = draw_noise([1, 2], model.latent_shape), Sampling(3, 3.0)
    expected = model.generate(PROMPTS, noise, asked, ("T", 1))
    offloaded = load_folder(tiny)
    for name in ("text_encoder", "unet", "vae"):
        part = getattr(offloaded.pipeline, name)
        if how == "model":
            cpu_offload_with_hook(part, "cpu")
        else:
            cpu_offload(part, torch.device("cpu"), offload_buffers=True)
    assert offloaded.provenance["weights"] == model.provenance["weights"]
    made = offloaded.generate(PROMPTS, noise, asked, ("T", 1))
    assert [a.tobytes() for a in made.images] == [b.tobytes() for b in expected.images]
    early = offloaded.generate(PROMPTS, noise, asked, (1,), decode=False)
    assert torch.equal(early.captured[1], expected.captured[1])


def test_adapters_do_not_hide_the_weights_below(tiny: Path, tmp_path: Path) -> None:
    pipeline = load_folder(tiny).pipeline
    bare = hash_weights(pipeline.unet)
    folder = save_lora(pipeline, tmp_path / "lora")
    pipeline.load_lora_weights(str(folder), adapter_name="a")
    assert hash_weights(pipeline.unet) == bare
    pipeline.fuse_lora()
    assert hash_weights(pipeline.unet) != bare
    with pytest.raises(EquinoiseError, match="is given twice; give each once"):
        load_folder(tiny, adapters=(str(folder), f"{folder}/../lora"))


def test_batches_are_halved_until_they_fit(model: PipelineModel) -> None:
    tried: list[int] = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    assert halve_until_it_fits(attempt, 8) == 4
    assert tried == [8, 4]
    with pytest.raises(EquinoiseError, match="not even one image fits"):
        halve_until_it_fits(lambda size: attempt(size + 5), 1)
    assert find_batch_size(model, Sampling(2, 3.0)) == 16


def test_a_batch_that_does_not_fit_is_one_line(model: PipelineModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    settings = load(model.pipeline, steps=2, guidance_scale=3.0, batch_size=2)
    monkeypatch.setattr(model.pipeline.unet, "forward", full)
    with pytest.raises(EquinoiseError, match="a batch of 2 does not fit the accelerator's memory; use a smaller"):
        collect(settings, "gender", n=2, capture=[0], progress=False)


@pytest.mark.parametrize(
    ("offload", "expected"),
    [
        ("none", ["to cuda:0", "slicing"]),
        ("model", ["model cuda:0", "slicing", "tiling"]),
        ("sequential", ["sequential cuda:0", "slicing", "tiling"]),
    ],
)
def test_where_a_pipeline_is_put_on_an_accelerator(offload: str, expected: list[str]) -> None:
    """Which of diffusers' methods are called; there is no accelerator to call them on."""
    done: list[str] = []
    vae = SimpleNamespace(enable_slicing=lambda: done.append("slicing"), enable_tiling=lambda: done.append("tiling"))
    pipeline = SimpleNamespace(
        to=lambda device: done.append(f"to {device}"),
        enable_model_cpu_offload=lambda device: done.append(f"model {device}"),
        enable_sequential_cpu_offload=lambda device: done.append(f"sequential {device}"),
        vae=vae,
    )
    place(pipeline, "cuda:0", offload)
    assert done == expected


def test_autoencoders_decode_in_parts_where_they_can(model: PipelineModel) -> None:
    vae = type(model.pipeline.vae).from_config(model.pipeline.vae.config)
    decode_in_parts(vae, tiles=True)
    assert vae.use_slicing
    assert vae.use_tiling
    decode_in_parts(torch.nn.Identity(), tiles=True)


def test_settings_reach_another_process(tiny: Path) -> None:
    spec = ModelSpec(str(tiny), size=(16, 32))
    model: TextToImage = load_model(replace(spec, scheduler="DDIM"), size=(32, 32))
    assert model.latent_shape == (4, 16, 16)
    assert model.provenance["scheduler"] == "DDIMScheduler"


def test_the_verbs_run_on_a_folder_of_another_family(tmp_path: Path) -> None:
    """Traces of both classes from the same seeds, directions, and images under a shift, in this process."""
    model = load(TINY["sdxl"].save(tmp_path / "tiny-sdxl"), steps=5, device="cpu", batch_size=4)
    with Engine(model=model.backend) as engine, warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)  # nothing tells classes apart in random weights
        traces = collect(model, "gender", n=6, capture=[0.2], engine=engine, progress=False)
        directions = fit(traces, estimator="paired", permutations=9)
        shift = Shift(directions.find("woman", 1), weight=3.0)
        made = generate(model, "a photo of a doctor", n=8, intervention=shift, engine=engine, progress=False)
    assert len(made.images) == 8
    assert {image.size for image in made.images} == {(16, 16)}
    assert {record.intervention for record in made.run.records} == {"woman@1=3"}


def test_a_folder_states_its_world(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    assert world(str(tmp_path)) is None
    assert world("nobody/nothing") is None
    file.write_text('{"guidance_scale": 2.5, "roles": {"doctor": {"names": ["doctor"], "detect": []}}, "more": 1}')
    stated = world(str(tmp_path))
    assert stated is not None
    assert (stated.guidance_scale, stated.roles["doctor"].names, stated.note) == (2.5, ("doctor",), None)
    assert stated.to_json() == {"guidance_scale": 2.5, "roles": {"doctor": {"names": ["doctor"], "detect": []}}}
    for text, where in [
        ("[]", "the file"),
        ('{"roles": {"doctor": {"names": 3, "detect": []}}}', "roles.doctor.names"),
    ]:
        file.write_text(text)
        with pytest.raises(EquinoiseError, match=f"world.json is damaged: {where}: ") as refused:
            world(str(tmp_path))
        assert "\n" not in str(refused.value)


def test_an_audit_of_a_single_file_checkpoint_says_how_to_convert_it(tmp_path: Path, cli: Callable[..., Ran]) -> None:
    (tmp_path / "dreamshaper_8.safetensors").write_bytes(b"\x02" + b"\0" * 7 + b"{}")
    ran = cli("audit", tmp_path / "dreamshaper_8.safetensors", "--concept", "a cat", "--axis", "gender", "--json")
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert "is a single-file checkpoint; convert it once" in line
    assert "from_single_file(FILE).save_pretrained(FOLDER)" in line
