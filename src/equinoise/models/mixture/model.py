"""The mixture behind the `TextToImage` interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from math import ceil, prod

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from equinoise.errors import EquinoiseError
from equinoise.models.base import (
    NOISE,
    Generated,
    HeldLatents,
    ModelSpec,
    Provenance,
    Sampling,
    Step,
    require_noise,
    require_steps,
)
from equinoise.models.mixture import flow, world
from equinoise.models.mixture.flow import Array
from equinoise.models.mixture.pictures import from_coordinates, to_coordinates, to_pictures
from equinoise.models.mixture.prompts import prompt_law

MOST_STEPS = 1000
FINEST = 48
"""Least number of Runge–Kutta steps of an image: where fewer denoising steps are asked for, each is divided."""


class MixtureModel:
    """A rectified flow of a Gaussian mixture whose velocity is known exactly; a deterministic sampler on a CPU.

    Whatever the prompt, x_t = (1 − t) x₀ + t ε with t falling evenly from 1 to 0 in `steps` steps of order 4, each
    divided so that there are at least 48: shares are the mixture's and not the step's, at 5 steps as at 50. Coordinates
    that carry no meaning are moved in closed form.
    """

    name = "mixture"

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> MixtureModel:
        """The mixture, where the spec asks for nothing that it does not have.

        Raises:
            EquinoiseError: a device other than the CPU, a precision other than float32, or any other setting.
        """
        if spec.device not in ("cpu", "auto"):
            raise EquinoiseError(f"the mixture runs on the CPU only, in milliseconds; leave out --device {spec.device}")
        if spec.dtype not in (None, "float32"):
            raise EquinoiseError(f"the mixture has no {spec.dtype} form; leave out --dtype")
        if spec.scheduler:
            raise EquinoiseError(f"the mixture follows its own exact flow; leave out --scheduler {spec.scheduler}")
        for field in fields(spec)[4:]:
            if getattr(spec, field.name) != field.default:
                raise EquinoiseError(f"the mixture has no {field.name} to choose; leave out --{field.name}")
        return cls()

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(colours, height, width)."""
        return world.LATENT_SHAPE

    @property
    def default_guidance(self) -> float:
        """1: the shares are then the planted ones."""
        return world.GUIDANCE

    @property
    def default_steps(self) -> int:
        """50, as everywhere; any other number gives the same shares."""
        return 50

    @property
    def provenance(self) -> Provenance:
        """Name and schedule; `weights` is a hash of the world's tables."""
        return {
            "name": self.name,
            "pipeline": "mixture",
            "scheduler": "rectified flow, Runge-Kutta 4",
            "prediction_type": "velocity",
            "dtype": "float32",
            "latent_shape": list(self.latent_shape),
            "weights": world.digest(),
        }

    def require_total(self, steps: int) -> None:
        """Check the number of steps.

        Raises:
            EquinoiseError: not from 1 to 1000.
        """
        if not 1 <= steps <= MOST_STEPS:
            raise EquinoiseError(f"--steps {steps}: {self.name} takes from 1 to {MOST_STEPS} denoising steps")

    def calls(self, steps: int) -> int:
        """One a step.

        Raises:
            EquinoiseError: not from 1 to 1000.
        """
        self.require_total(steps)
        return steps

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
        """Follow the flow from the given noise; see `TextToImage.generate`. The flow is deterministic.

        x̂₀ at step k is E[x₀ | x_t] = x_t − t·v(x_t, t) at the t where step k begins, in closed form.

        Raises:
            EquinoiseError: prompts and noise do not match, a prompt names no subject of the world, or a captured step
                does not exist.
        """
        require_noise(noise, prompts, self)
        self.require_total(sampling.steps)
        require_steps([*capture, *predict, *([held.step] if held else [])], sampling.steps)
        captured: dict[Step, Tensor] = {NOISE: noise.float().cpu()} if NOISE in capture else {}
        predicted: dict[int, Tensor] = {}
        laws = {prompt: prompt_law(prompt) for prompt in prompts}
        done, start = (held.step + 1, held.tensor) if held else (0, noise)
        y, rest = to_coordinates(start.double().cpu().numpy().reshape(len(prompts), prod(self.latent_shape)))
        rest = rest / flow.free_scale(1 - done / sampling.steps)
        ends = {int(step) + 1 for step in capture if step != NOISE} | set(predict)
        for end in sorted(ends | ({sampling.steps} if decode else set())):
            y, done = _moved(laws, prompts, y, sampling, done, end), end
            latents = from_coordinates(y) + flow.free_scale(1 - done / sampling.steps) * rest
            shaped = torch.from_numpy(latents.astype(np.float32)).reshape(noise.shape)
            if done - 1 in capture:
                captured[done - 1] = shaped
            if done in predict:
                predicted[done] = _expected(prompts, shaped, 1 - done / sampling.steps, sampling.guidance_scale)
        return Generated(to_pictures(latents) if decode else None, captured, {}, predicted)

    @property
    def resumable(self) -> bool:
        """True: the flow depends on the latents alone. Latents held in single precision may change its last bits."""
        return True

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """The pictures of final latents (n, 3, 8, 8)."""
        return to_pictures(latents.double().cpu().numpy().reshape(len(latents), prod(self.latent_shape)))


def _expected(prompts: Sequence[str], latents: Tensor, t: float, guidance: float) -> Tensor:
    """E[x₀ | x_t] (n, 3, 8, 8), prompt by prompt."""
    x, result = latents.double().numpy(), torch.empty_like(latents)
    for prompt in dict.fromkeys(prompts):
        rows = [index for index, other in enumerate(prompts) if other == prompt]
        result[rows] = torch.from_numpy(x[rows] - t * velocity(prompt, x[rows], t, guidance)).float()
    return result


def velocity(prompt: str, latents: Array, t: float, guidance: float = 1.0) -> Array:
    """v(x, t) = E[ε − x₀ | x_t = x] of a prompt's law, guided as asked: (n, 3, 8, 8) for latents of that shape."""
    y, rest = to_coordinates(latents.reshape(len(latents), -1))
    field = flow.guided(prompt_law(prompt), prompt_law(""), guidance, world.COORDINATES)
    moved: Array = from_coordinates(field(y, t)) + flow.free_velocity(rest, t)
    return moved.reshape(latents.shape)


def _moved(
    laws: dict[str, flow.Law], prompts: Sequence[str], y: Array, sampling: Sampling, done: int, until: int
) -> Array:
    """Coordinates (12, n) after `until` of the steps, from those after `done`; prompt by prompt."""
    parts = ceil(FINEST / sampling.steps)
    times = [1 - k / (sampling.steps * parts) for k in range(done * parts, until * parts + 1)]
    result = np.empty_like(y)
    for prompt, law in laws.items():
        rows = [index for index, other in enumerate(prompts) if other == prompt]
        field = flow.guided(law, prompt_law(""), sampling.guidance_scale, world.COORDINATES)
        result[:, rows] = flow.integrate(field, y[:, rows], times)
    return result
