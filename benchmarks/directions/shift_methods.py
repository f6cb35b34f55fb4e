"""Methods that `benchmarks.directions.shifts` compares: how a direction is found, and how the noise is moved along it.

After the first denoiser call the latents of two prompts from the same noise differ by the model's two predictions,
times a number of the sampler's, so that their mean difference *is* that of the model's conditional predictions there.
At later steps the latents of the two prompts differ; "conditional" takes both predictions at those of the neutral
prompt. "own prompts" are of the concept itself ("a photo of a woman doctor"), "general" ones of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats
from torch import Tensor

from benchmarks.common import fit_quickly
from benchmarks.plans.bench import PAIRS, Bench, concept_of
from equinoise import (
    Axis,
    Direction,
    DirectionSet,
    Intervention,
    Sampling,
    Shift,
    class_prompts,
    collect,
    draw_noise,
    load_axis,
    step_at,
)
from equinoise.models.base import NOISE, Generated, HeldLatents, Step
from equinoise.models.pipeline import PipelineModel, require_pipeline
from equinoise.seeds import COLLECT, seed_range

DETECTED_N = 256
Tensors = dict[str, Tensor]
LATER = "0.4"
"""Of the run, where a direction is not from the first call."""
RIDGE = 1.0
"""On a Gram matrix of mean diagonal 1: half way from the support vector machine to the difference of means."""
PART = 64


def directions(bench: Bench, axis: Axis, label: str, role: str) -> dict[str, Direction]:
    """Method → unit direction towards a class (on a scale its last), for one axis and the concept of a role."""
    concept, late = concept_of(role), step_at(LATER, bench.model.sampling.steps)
    other = load_axis("tone" if axis.name == "gender" else "gender")

    def of(found: DirectionSet, step: int) -> Direction:
        return found.find(label if not axis.ordered else axis.classes[-1], step)

    own = of(bench.directions(axis, concept), bench.step)
    beside = bench.directions(other, concept).find(other.classes[-1], bench.step)
    return {
        "own prompts": own,
        "own prompts, later": of(bench.directions(axis, concept, step=late), late),
        "own prompts, later, svm": of(bench.directions(axis, concept, "svm", late), late),
        "own prompts, later, shrunk": shrunk(bench, axis, label, role, late),
        "own prompts, orthogonalised": own.orthogonal_to([beside]),
        "general": of(bench.directions(axis), bench.step),
        "general, later": of(bench.directions(axis, step=late), late),
        "general, later, svm": of(bench.directions(axis, estimator="svm", step=late), late),
        "conditional, later": conditional(bench, axis, label, role, late),
        "detected at T": detected(bench, axis, label, role, NOISE),
        "detected, later": detected(bench, axis, label, role, late),
    }


def shifts(found: Mapping[str, Direction], nats: float) -> dict[str, Intervention]:
    """Method → intervention of so many nats; along the concept's own direction also truncation."""
    weight = float(np.sqrt(2 * nats))
    made = {name: Intervention((Shift(direction, weight),)) for name, direction in found.items()}
    bound = optimize.brentq(lambda a: -stats.norm.logsf(a) - nats, -8, 8)
    made["own prompts, truncated"] = Intervention((Shift(found["own prompts"], float(bound), "truncate"),))
    return made


def reflected(found: Mapping[str, Direction]) -> dict[str, Intervention]:
    """The reflection, whose KL divergence is log 2 whatever the weight, and two other methods at as many nats."""
    beside = ("own prompts", "own prompts, truncated")
    return {
        **{name: change for name, change in shifts(found, float(np.log(2))).items() if name in beside},
        "own prompts, reflected": Intervention((Shift(found["own prompts"], 0.0, "reflect"),)),
    }


def shrunk(bench: Bench, axis: Axis, label: str, role: str, step: int) -> Direction:
    """Ridge regression of the score on the latents, in the dual, seeds centred: α = (K + λI)⁻¹ y."""
    traces = bench.traces(axis, concept_of(role), step)
    x = traces.latents[step].reshape(len(traces.labels), -1).astype(np.float64)
    towards = np.where(np.arange(len(axis.classes)) == axis.classes.index(label), 1.0, -1.0)
    scores = (np.linspace(-1, 1, len(axis.classes)) if axis.ordered else towards)[traces.labels]
    for seed in np.unique(traces.seeds):
        rows = traces.seeds == seed
        x[rows] -= x[rows].mean(0)
        scores[rows] -= scores[rows].mean()
    gram = x @ x.T
    gram /= np.trace(gram) / len(gram)
    alpha = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), scores)
    return _like(bench, axis, label, role, x.T @ alpha)


def _like(bench: Bench, axis: Axis, label: str, role: str, vector: NDArray[np.float64]) -> Direction:
    """A vector as a direction, with the origin of the concept's own direction."""
    own = bench.directions(axis, concept_of(role))
    like = own.find(label if not axis.ordered else axis.classes[-1], bench.step)
    return Direction.unit(vector.reshape(like.vector.shape), like.origin)


def detected(bench: Bench, axis: Axis, label: str, role: str, step: Step) -> Direction:
    """Difference of means over images of the neutral prompt itself, labelled by the detector."""
    steps = (NOISE, step_at(LATER, bench.model.sampling.steps))
    traces = collect(
        bench.model, axis, concept=concept_of(role), labels="detected", n=DETECTED_N, capture=steps,
        out=bench.home / f"detected-{axis.name}-{role}", engine=bench.engine,
    )  # fmt: skip
    return fit_quickly(traces, "mean", [step]).find(label if not axis.ordered else axis.classes[-1], step)


@torch.inference_mode()
def conditional(bench: Bench, axis: Axis, label: str, role: str, step: int) -> Direction:
    """Mean difference of the predicted noise under the two ends' prompts, at the latents of the neutral one.

    The sampler subtracts the predicted noise, so the latents go the other way than the difference of predictions does.
    """
    model, sampling = require_pipeline(bench.model.backend), bench.model.sampling
    said = class_prompts(concept_of(role), axis).prompts
    ends = (axis.classes[-1], axis.classes[0]) if axis.ordered else (label, next(c for c in axis.classes if c != label))
    seeds, total = seed_range(COLLECT, PAIRS), np.zeros(model.latent_shape)
    for start in range(0, len(seeds), PART):
        noise = draw_noise(seeds[start : start + PART], model.latent_shape)
        texts = [concept_of(role)] * len(noise)
        latents = model.generate(texts, noise, sampling, [step], decode=False).captured[step]
        seen = [_predicted(model, latents, said[end], step, sampling.steps) for end in ends]
        total += (seen[1] - seen[0]).sum(0).double().cpu().numpy()
    return _like(bench, axis, label, role, total)


def _predicted(model: PipelineModel, latents: Tensor, text: str, step: int, steps: int) -> Tensor:
    """The noise that the model sees under a prompt at the call after a step."""
    pipe: Any = model.pipeline
    pipe.scheduler.set_timesteps(steps)
    time = pipe.scheduler.timesteps[step + 1]
    inside = latents.to(pipe.unet.device, pipe.unet.dtype)
    words, _ = pipe.encode_prompt([text] * len(latents), pipe.unet.device, 1, False)
    made = pipe.unet(inside, time, encoder_hidden_states=words).sample
    kept = pipe.scheduler.alphas_cumprod[int(time)].to(made)
    if pipe.scheduler.config.prediction_type == "v_prediction":
        made = kept.sqrt() * made + (1 - kept).sqrt() * inside
    noise: Tensor = made.float()
    return noise


class Midway:
    """A pipeline that adds σ·w·d after some of its denoiser calls instead of to the initial noise.

    σ = √(1 − ᾱ) is the standard deviation of the noise that the latents still hold, so that |w|²/2 is again how many
    nats that noise is moved by; over several steps the squares of the weights add up to the same.
    """

    def __init__(self, model: PipelineModel, added: NDArray[np.float32], steps: Sequence[int]) -> None:
        """`added` is w·d (*latent_shape)."""
        self._model = model
        self._added = torch.from_numpy(added) / len(steps) ** 0.5
        self._steps = frozenset(steps)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(
        self,
        prompts: Sequence[str],
        noise: Tensor,
        sampling: Sampling,
        capture: Sequence[Step] = (),
        decode: bool = True,
        generators: list[torch.Generator] | None = None,
        predict: Sequence[int] = (),
        held: HeldLatents | None = None,
    ) -> Generated:
        """As of `TextToImage`; nothing can be captured or predicted, and no run goes on from held latents."""
        pipe: Any = self._model.pipeline

        def move(_: Any, step: int, time: Any, tensors: Tensors) -> Tensors:
            if step not in self._steps:
                return {}
            latents, times = tensors["latents"], pipe.scheduler.timesteps
            spread = float((1 - pipe.scheduler.alphas_cumprod[int(times[step + 1])]) ** 0.5)
            return {"latents": latents + spread * self._added.to(latents)}

        pipe.set_progress_bar_config(disable=True)
        made = pipe(
            prompt=list(prompts),
            latents=self._model.family.to_pipeline(noise, pipe),
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
            callback_on_step_end=move,
            generator=generators,
        )
        return Generated(list(made.images), {})
