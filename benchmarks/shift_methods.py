"""Ways to a shift, for `benchmarks.shifts`: how the direction was found, and how the noise is moved along it.

After the first denoiser call the latents of two prompts from the same noise differ by the model's two predictions,
times a number of the sampler's: "paired, first call" *is* the difference of the model's conditional predictions there.
Later the two prompts' latents have gone apart; "conditional" takes both predictions at those of the neutral prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats
from torch import Tensor

from benchmarks.common import RUNS
from benchmarks.plan_bench import Bench, concept_of
from emoji_world.captions import noun_phrases, toned_phrases, with_article
from equinoise.axes import Axis, load_axis
from equinoise.mitigation import Direction, Intervention, Shift, fit
from equinoise.mitigation.collect import Keep, collect_detected
from equinoise.models.base import NOISE, Generated, Held, Sampling, Step, draw_noise, step_at
from equinoise.models.pipeline import PipelineModel, require_pipeline
from equinoise.seeds import COLLECT, DETECTED, seed_range

PAIRS, DETECTED_N = 32, 256
RIDGE = 1.0
"""On a Gram matrix of mean diagonal 1: half way from the support vector machine to the difference of means."""
PART = 64


def directions(bench: Bench, axis: Axis, label: str, role: str) -> dict[str, Direction]:
    """Method → unit direction towards a class (on a scale its last), for one axis and the concept of a role."""
    other = load_axis("tone" if axis.name == "gender" else "gender")
    early, sooner = step_at("0", bench.session.sampling.steps), step_at("0.2", bench.session.sampling.steps)
    paired = {step: _found(bench, axis, label, step, "paired") for step in (early, sooner, bench.step)}
    beside = _found(bench, other, other.classes[-1], bench.step, "paired")
    own = {name: _named(axis, name, role) for name in axis.classes}
    return {
        "paired": paired[bench.step],
        "paired, first call": paired[early],
        "paired, sooner": paired[sooner],
        "svm": _found(bench, axis, label, bench.step, "svm"),
        "shrunk": shrunk(bench, axis, label),
        "orthogonalised": paired[bench.step].orthogonal_to([beside]),
        "own prompts": _found(bench, axis, label, bench.step, "paired", own, f"{axis.name}-{role}"),
        "conditional": conditional(bench, axis, label),
        "detected at T": detected(bench, axis, label, role, NOISE),
        "detected": detected(bench, axis, label, role, bench.step),
    }


def shifts(found: Mapping[str, Direction], nats: float) -> dict[str, Intervention]:
    """Method → intervention of so many nats; along the paired direction also the truncated draw."""
    weight = float(np.sqrt(2 * nats))
    made = {name: Intervention((Shift(direction, weight),)) for name, direction in found.items()}
    bound = optimize.brentq(lambda a: -stats.norm.logsf(a) - nats, -8, 8)
    made["paired, truncated"] = Intervention((Shift(found["paired"], float(bound), "truncate"),))
    return made


def reflected(found: Mapping[str, Direction]) -> dict[str, Intervention]:
    """The reflection has log 2 nats whatever the weight: beside it what else is done with as many."""
    return {
        **{name: change for name, change in shifts(found, float(np.log(2))).items() if name.startswith("paired")},
        "paired, reflected": Intervention((Shift(found["paired"], 0.0, "reflect"),)),
    }


def _found(
    bench: Bench,
    axis: Axis,
    label: str,
    step: int,
    estimator: str,
    prompts: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Direction:
    made = bench.directions(axis, prompts, name, estimator, PAIRS, step)
    return made.find(label if not axis.ordered else axis.classes[-1], step)


def _named(axis: Axis, label: str, role: str) -> str:
    """'a photo of a woman doctor', 'a photo of a dark-skinned doctor'."""
    noun = noun_phrases(role, label if axis.name == "gender" else None)[0]
    return f"a photo of {with_article(noun if axis.name == 'gender' else toned_phrases(noun, label)[0])}"


def shrunk(bench: Bench, axis: Axis, label: str) -> Direction:
    """Ridge regression of the score on the latents, in the dual, seeds centred: α = (K + λI)⁻¹ y."""
    traces = bench.traces(axis)
    x = traces.latents[bench.step].reshape(len(traces.labels), -1).astype(np.float64)
    towards = np.where(np.arange(len(axis.classes)) == axis.classes.index(label), 1.0, -1.0)
    scores = (np.linspace(-1, 1, len(axis.classes)) if axis.ordered else towards)[traces.labels]
    for seed in np.unique(traces.seeds):
        rows = traces.seeds == seed
        x[rows] -= x[rows].mean(0)
        scores[rows] -= scores[rows].mean()
    gram = x @ x.T
    gram /= np.trace(gram) / len(gram)
    alpha = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), scores)
    like = _found(bench, axis, label, bench.step, "paired")
    return Direction.unit((x.T @ alpha).reshape(like.vector.shape), like.terms[0].origin)


def detected(bench: Bench, axis: Axis, label: str, role: str, step: Step) -> Direction:
    """Difference of means over images of the neutral prompt itself, labelled by the detector."""
    session, steps = bench.session, (NOISE, bench.step)
    about = bench.about(concept=concept_of(role), axis=axis.digest, n=DETECTED_N)
    keep = Keep(RUNS / bench.home / f"detected-{axis.name}-{role}", about)
    request, seeds = session.request([axis], steps), seed_range(DETECTED, DETECTED_N)
    traces = collect_detected(bench.engine, request, axis, concept_of(role), seeds, session.model.provenance, keep)
    return fit(traces, "mean", [step], permutations=0)[0].find(label if not axis.ordered else axis.classes[-1], step)


@torch.inference_mode()
def conditional(bench: Bench, axis: Axis, label: str) -> Direction:
    """Mean difference of the predicted noise under the two ends' prompts, at the latents of "a photo of a person".

    The sampler subtracts the predicted noise, so the latents go the other way than the difference of predictions does.
    """
    model, session = require_pipeline(bench.session.model), bench.session
    ends = (axis.classes[-1], axis.classes[0]) if axis.ordered else (label, next(c for c in axis.classes if c != label))
    seeds, total = seed_range(COLLECT, PAIRS), np.zeros(model.latent_shape)
    for start in range(0, len(seeds), PART):
        noise = draw_noise(seeds[start : start + PART], model.latent_shape)
        texts = ["a photo of a person"] * len(noise)
        latents = model.generate(texts, noise, session.sampling, [bench.step], decode=False).captured[bench.step]
        seen = [_predicted(model, latents, axis.generate[end][0], bench.step, session.sampling.steps) for end in ends]
        total += (seen[1] - seen[0]).sum(0).double().cpu().numpy()
    like = _found(bench, axis, label, bench.step, "paired")
    return Direction.unit(total, like.terms[0].origin)


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
        held: Held | None = None,
    ) -> Generated:
        """As of `TextToImage`; nothing can be captured or predicted, and no run goes on from held latents."""
        pipe: Any = self._model.pipeline

        def move(_: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
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
