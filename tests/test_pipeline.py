"""A tiny Stable Diffusion of the real classes: noise by seed, captures, early stop, shifts, padded batches."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from multiprocessing.spawn import get_preparation_data
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import direction

from equinoise import Engine, EquinoiseError, Intervention, ModelSpec, Sampling, Shift
from equinoise.engine import Job, Request
from equinoise.engine.local import _main_module_left_alone
from equinoise.models import load_model
from equinoise.models.base import draw_noise, parse_steps, require_steps
from equinoise.models.pipeline import PipelineModel
from equinoise.steering.compatibility import check_fit

SAMPLING = Sampling(6, 3.0)
PROMPTS = ["a cat", "a dog", "a cat and a dog"]


@pytest.fixture(scope="module")
def model(tiny: Path) -> PipelineModel:
    return load_model(str(tiny))


def test_noise_is_a_function_of_the_seed_alone(model: PipelineModel) -> None:
    noise = draw_noise([5, 6, 7], model.latent_shape)
    assert noise.shape == (3, 4, 8, 8)
    assert torch.equal(noise[1], draw_noise([6], model.latent_shape)[0])
    assert torch.equal(noise[2], torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(7)))


def test_it_is_the_pipelines_own_call(model: PipelineModel) -> None:
    noise = draw_noise([1, 2, 3], model.latent_shape)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    bare = model.pipeline(PROMPTS, generator=generators, num_inference_steps=6, guidance_scale=3.0).images
    ours = model.generate(PROMPTS, noise, SAMPLING).images
    assert ours is not None
    for a, b in zip(ours, bare, strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_scheduler_that_adds_noise_goes_by_the_seed_too(tiny: Path) -> None:
    spec = ModelSpec(str(tiny), scheduler="EulerAncestralDiscrete")
    generators = [torch.Generator().manual_seed(seed) for seed in (4, 5)]
    bare = (
        load_model(spec).pipeline(["a cat"] * 2, generator=generators, num_inference_steps=4, guidance_scale=3.0).images
    )
    for first in ([4, 5], [9, 5]):
        asked = Request(spec, Sampling(4, 3.0), 2)
        with Engine(1) as engine:
            made = list(engine.run(asked, [Job(str(seed), "a cat", seed) for seed in first]))
        assert made[1].image is not None
        assert made[1].image.tobytes() == bare[1].tobytes()


def test_captures_and_early_stop(model: PipelineModel) -> None:
    noise = draw_noise([1, 2, 3], model.latent_shape)
    calls = []
    handle = model.pipeline.unet.register_forward_hook(lambda *_: calls.append(1))
    full = model.generate(PROMPTS, noise, SAMPLING, ("T", 0, 2, 5))
    assert len(calls) == 6
    calls.clear()
    early = model.generate(PROMPTS, noise, SAMPLING, ("T", 0, 2), decode=False)
    handle.remove()
    assert len(calls) == 3
    assert early.images is None
    assert list(full.captured) == ["T", 0, 2, 5]
    assert torch.equal(full.captured["T"], noise)
    for step in (0, 2):
        assert torch.equal(early.captured[step], full.captured[step])
    assert not torch.equal(full.captured[0], full.captured[2])
    only_noise = model.generate(PROMPTS, noise, SAMPLING, ("T",), decode=False)
    assert list(only_noise.captured) == ["T"]


def test_bad_asks_are_one_line(model: PipelineModel, tmp_path: Path) -> None:
    noise = draw_noise([1], model.latent_shape)
    for call, message in [
        (lambda: model.generate(["a", "b"], noise, SAMPLING), "noise has shape"),
        (lambda: model.generate(["a"], noise, SAMPLING, (6,)), "step 6 does not exist"),
        (lambda: load_model(str(tmp_path)), "not a diffusers pipeline"),
        (
            lambda: load_model(
                ModelSpec("emoji", device="cuda:0") if not torch.cuda.is_available() else ModelSpec("emoji", "tpu")
            ),
            "no device",
        ),
        (lambda: load_model(ModelSpec("emoji", dtype="int8")), "no dtype"),
        (lambda: load_model(ModelSpec("emoji", scheduler="Nope")), "no scheduler"),
        (lambda: parse_steps("T,1,one"), "not a step"),
        (lambda: parse_steps("1,1"), "comes twice"),
        (lambda: parse_steps("-1"), "not a step"),
        (lambda: require_steps(["T", 50], 50), "step 50 does not exist"),
    ]:
        with pytest.raises(EquinoiseError, match=message):
            call()


def test_a_pipeline_that_takes_no_latents_is_refused() -> None:
    class Stubborn:
        def __call__(self, prompt: str) -> None: ...

    with pytest.raises(EquinoiseError, match="takes no"):
        PipelineModel(Stubborn(), "stubborn")


def test_hub_names_out_of_reach_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # as without a network, but at once
    with pytest.raises(EquinoiseError, match="cannot load model 'nobody/nothing': the hub cannot be reached"):
        load_model("nobody/nothing")


def test_another_scheduler(tiny: Path) -> None:
    model = load_model(ModelSpec(str(tiny), scheduler="DDIM"))
    assert model.provenance["scheduler"] == "DDIMScheduler"


def request(tiny: Path, size: int) -> Request:
    return Request(ModelSpec(str(tiny)), SAMPLING, size, capture=("T", 2))


def test_images_do_not_depend_on_order_companions_or_workers(tiny: Path) -> None:
    shift = Intervention((Shift(direction(shape=(4, 8, 8)), 2.0),))
    jobs = [Job(str(i), PROMPTS[i % 3], 100 + i, shift if i % 2 else None) for i in range(7)]
    with Engine(1) as engine:
        one = {r.job.id: r for r in engine.run(request(tiny, 4), jobs)}
    with Engine(2) as engine:
        shuffled = {r.job.id: r for r in engine.run(request(tiny, 4), [jobs[i] for i in (6, 2, 0, 5, 1, 3, 4)])}
        alone = next(iter(engine.run(request(tiny, 4), [jobs[5]])))
    for key, result in one.items():
        assert result.image is not None
        assert shuffled[key].image is not None
        assert result.image.tobytes() == shuffled[key].image.tobytes()  # type: ignore[union-attr]
        assert np.array_equal(result.latents[2], shuffled[key].latents[2])
    assert alone.image is not None
    assert alone.image.tobytes() == one["5"].image.tobytes()  # type: ignore[union-attr]


def test_batches_of_another_size_are_close(tiny: Path) -> None:
    jobs = [Job(str(i), "a cat", i) for i in range(3)]
    with Engine(1) as engine:
        runs = [{r.job.id: r for r in engine.run(request(tiny, size), jobs)} for size in (1, 3)]
    for key in runs[0]:
        # Euler's latents reach 600 here, where neighbouring fp16 numbers are 0.5 apart
        assert np.allclose(runs[0][key].latents[2], runs[1][key].latents[2], rtol=1e-3, atol=5e-3)


def test_engine_refuses_nonsense(tiny: Path) -> None:
    with pytest.raises(EquinoiseError, match="--workers 0"):
        Engine(0)
    with Engine(1) as engine, pytest.raises(EquinoiseError, match="--batch-size 0"):
        list(engine.run(request(tiny, 0), [Job("0", "a", 0)]))


UNGUARDED = """
from equinoise.engine import Engine, Job, Request
from equinoise.models import ModelSpec, Sampling

engine = Engine(workers=2)
request = Request(ModelSpec("mixture"), Sampling(5, 1.0), 2)
for first in (0, 4):  # the second run uses the processes of the first
    jobs = [Job(str(seed), "a photo of a doctor", seed) for seed in range(first, first + 4)]
    print(sorted(result.job.id for result in engine.run(request, jobs)), len(engine._pool._processes), flush=True)
half = engine.run(request, [Job(str(seed), "a photo of a doctor", seed) for seed in range(64)])
print(next(half).job.prompt, __file__.endswith("script.py"))
"""


def test_a_script_needs_neither_a_guard_nor_a_with_block(tmp_path: Path) -> None:
    """Workers leave the script alone, and end with it although a run is not finished and nothing was closed."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "['0', '1', '2', '3'] 2",
        "['4', '5', '6', '7'] 2",
        "a photo of a doctor True",
    ]
    assert not ran.stderr


def patterns(engine: Engine, change: Intervention | None = None) -> dict[str, bytes]:
    """Images of the mixture, whose workers start at once."""
    asked = Request(ModelSpec("mixture"), Sampling(5, 1.0), 2)
    jobs = [Job(str(i), "a photo of a doctor", i, change) for i in range(5)]
    return {result.job.id: result.image.tobytes() for result in engine.run(asked, jobs) if result.image}


def processes(engine: Engine) -> list[BaseProcess]:
    return list(engine._pool._processes.values()) if engine._pool else []


def test_an_engine_is_closed_and_used_again() -> None:
    engine = Engine(1)
    assert not processes(engine)  # none before the first run
    first = patterns(engine)
    before = processes(engine)
    assert len(before) == 1
    engine.close()
    assert not any(process.is_alive() for process in before)
    with engine:
        assert patterns(engine) == first
        again = processes(engine)
    assert not any(process.is_alive() for process in again)
    assert len(first) == 5
    engine.close()


def test_workers_of_an_engine_that_nobody_holds_end() -> None:
    engine = Engine(1)
    patterns(engine)
    (worker,) = processes(engine)
    del engine
    gc.collect()
    worker.join(20)
    assert not worker.is_alive()


def test_a_worker_that_is_killed_is_one_line_and_the_next_run_has_others() -> None:
    with Engine(1) as engine:
        first = patterns(engine)
        (worker,) = processes(engine)
        worker.kill()
        worker.join(20)
        with pytest.raises(EquinoiseError, match="a worker process was killed, most likely for memory"):
            patterns(engine)
        assert patterns(engine) == first


def test_classes_of_the_script_itself_are_refused_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Intervention((Shift(direction(shape=(3, 8, 8)), 2.0),))
    monkeypatch.setattr(Intervention, "__module__", "__main__")
    with Engine(1) as engine, pytest.raises(EquinoiseError, match="cannot import Intervention, which the running"):
        patterns(engine, change)
    with Engine(model=load_model("mixture")) as engine:
        assert len(patterns(engine, change)) == 5


def test_the_main_module_is_shown_again() -> None:
    main = sys.modules["__main__"]
    before = dict(vars(main))
    with _main_module_left_alone():
        assert "init_main_from_path" not in get_preparation_data("worker")
        assert "init_main_from_name" not in get_preparation_data("worker")
    assert dict(vars(main)) == before


def test_directions_of_other_models_and_settings(model: PipelineModel) -> None:
    shape = model.latent_shape
    ours = direction(shape=shape, model=model.provenance, sampling={"steps": 6, "guidance_scale": 3.0})
    assert check_fit(Intervention((Shift(ours, 1),)), model, SAMPLING) == []
    elsewhere = check_fit(Intervention((Shift(ours, 1),)), model, Sampling(6, 5.0))
    assert elsewhere == ["woman@10 was found at guidance_scale 3.0, and is used at 5.0: its effect may differ"]
    with pytest.raises(EquinoiseError, match="has shape"):
        check_fit(Intervention((Shift(direction(), 1),)), model, SAMPLING)
    with pytest.raises(EquinoiseError, match="found on another model"):
        check_fit(Intervention((Shift(direction(shape=shape), 1),)), model, SAMPLING)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_workers_end_with_a_command_that_is_killed() -> None:
    script = (
        "import time; from equinoise.engine import Engine, Job, Request\n"
        "from equinoise.models import ModelSpec, Sampling\n"
        "jobs = [Job(str(seed), 'a photo of a doctor', seed) for seed in range(4)]\n"
        "with Engine(2) as engine:\n"
        "    list(engine.run(Request(ModelSpec('mixture'), Sampling(5, 1.0), 2), jobs))\n"
        "    print(*engine._pool._processes, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        workers = command.stdout.readline().split()
        assert len(workers) == 2
        assert all(map(_runs, workers))
        command.kill()
    deadline = time.monotonic() + 20
    while any(map(_runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, workers))


def _runs(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
