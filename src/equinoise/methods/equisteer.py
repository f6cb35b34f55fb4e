"""EquiSteer: what cross-attention says of the classes is taken out, and the drawn class put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equinoise.engine import Job
from equinoise.methods.attention import Responses, Vectors, largest_responses, mean_outputs
from equinoise.methods.base import Brief, Method, NoFormError, Prepared, Setup
from equinoise.methods.denoiser import Place, attention_changed, has_cross_attention, rows_of
from equinoise.models.base import Sampling, TextToImage

IMAGES = 32
"""Images of each class, and without one, in either half of the set-up."""


def prepare_equisteer(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """c ← c − QQᵀc + m·v for each output c of cross-attention, scaled back to its length (equations 5, 7 and 8).

    v[step, layer, class] is the unit difference of mean outputs under prompts that name the class and prompts that
    name the other (of more classes: none); Q spans them; m is the mean, over images whose prompts name the class, of
    the largest response ⟨c, v⟩ among an image's places. Only conditional rows are changed. At the first step one
    layer's largest response is a gate: above the middle between named and neutral prompts the image is left alone. That
    layer is the one which tells the two apart best. The strength multiplies both terms.

    Set-up: two runs of prompts that name each class, and of prompts that name none.

    Raises:
        NoFormError: the model has no cross-attention of its own.
    """
    if not has_cross_attention(brief.model.backend):
        raise NoFormError(f"{EQUI_STEER.title}: text reaches this model's images by no cross-attention of its own")
    steered = setup.once("equisteer", lambda trial: _steered(brief, trial))
    change = Scaled(steered, float(strength or 0.0))
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds], change, shown={"gate": steered.gate.layer})


EQUI_STEER = Method(
    name="equisteer",
    title="EquiSteer",
    source="Gaintseva et al. 2026, arXiv 2607.01147",
    changes="attention",
    published=1.0,
    strengths=(0.5, 1.0, 1.5),
    prepare=prepare_equisteer,
)


@dataclass(frozen=True)
class Gate:
    """The layer whose first responses decide, and class → the response above which an image is left alone."""

    layer: str
    thresholds: Mapping[str, float]


def choose_gate(named: Mapping[str, Responses], neutral: Responses) -> Gate:
    """The layer that tells named from neutral prompts best at the first step: thresholds half-way between the means.

    Args:
        named: class → place → class → (n,) largest responses of images whose prompts name the first class.
        neutral: place → class → (n,), of images whose prompts name none.
    """
    first = [place for place in neutral if place.call == 0]

    def apart(place: Place, label: str) -> float:
        own, other = named[label][place][label], neutral[place][label]
        return float((own.mean() - other.mean()) / max(np.sqrt(own.var() + other.var()), 1e-12))

    best = max(first, key=lambda place: min(apart(place, label) for label in named))
    middle = {
        label: float(found[best][label].mean() + neutral[best][label].mean()) / 2 for label, found in named.items()
    }
    return Gate(best.layer, middle)


def steering_vectors(
    means: Mapping[str, Vectors], neutral: Vectors | None
) -> Mapping[Place, Mapping[str, NDArray[np.float32]]]:
    """Place → class → unit vector: of two classes their difference and its opposite, of more each against neutral."""
    labels = list(means)
    found = {}
    for place in means[labels[0]]:
        if neutral is None:
            gap = means[labels[0]][place] - means[labels[1]][place]
            gaps = [gap, -gap]
        else:
            gaps = [means[label][place] - neutral[place] for label in labels]
        units = [gap / max(float(np.linalg.norm(gap)), 1e-12) for gap in gaps]
        found[place] = {label: unit.astype(np.float32) for label, unit in zip(labels, units, strict=True)}
    return found


def span(vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """An orthonormal basis (r, d) of the span of vectors (d,)."""
    _, sizes, rows = np.linalg.svd(np.stack(list(vectors.values())).astype(np.float64), full_matrices=False)
    return rows[sizes > 1e-6].astype(np.float32)


def steer(outputs: Tensor, taken: NDArray[np.float32], towards: NDArray[np.float32], strength: float) -> Tensor:
    """Outputs (n, places, d) without their part in the span of a basis (r, d), with (n, d) added, at the old length."""
    basis = torch.from_numpy(taken).to(outputs.device)
    plain = outputs.float()
    moved = plain - strength * (plain @ basis.T) @ basis
    moved = moved + strength * torch.from_numpy(towards).to(outputs.device)[:, None, :]
    lengths = plain.norm(dim=-1, keepdim=True) / moved.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    steered: Tensor = moved * lengths
    return steered


@dataclass(frozen=True, eq=False)
class Steered:
    """Vectors and magnitudes by place and class, a basis of the vectors' span by place, and the gate."""

    vectors: Mapping[Place, Mapping[str, NDArray[np.float32]]]
    bases: Mapping[Place, NDArray[np.float32]]
    sizes: Mapping[str, Mapping[Place, float]]
    gate: Gate


def _steered(brief: Brief, setup: Setup) -> Steered:
    """What prompts that name each class, and none, show in cross-attention."""
    model, labels = brief.model, brief.axis.classes
    neutral = [brief.concept] * IMAGES
    named = {
        label: [brief.contrasts[index % len(brief.contrasts)][label] for index in range(IMAGES)] for label in labels
    }
    seeds, fresh = brief.pilots(IMAGES), brief.pilots(IMAGES, IMAGES)
    means = {label: mean_outputs(model, prompts, seeds) for label, prompts in named.items()}
    vectors = steering_vectors(means, mean_outputs(model, neutral, seeds) if len(labels) > 2 else None)
    seen = {label: largest_responses(model, prompts, fresh, vectors) for label, prompts in named.items()}
    without = largest_responses(model, neutral, fresh, vectors)
    setup.spend((2 * len(labels) + 1 + (len(labels) > 2)) * IMAGES * model.calls)
    sizes = {
        label: {place: float(rows[label].mean()) for place, rows in found.items()} for label, found in seen.items()
    }
    bases = {place: span(found) for place, found in vectors.items()}
    return Steered(vectors, bases, sizes, choose_gate(seen, without))


@dataclass(frozen=True, eq=False)
class Scaled:
    """The steering at a strength, for the drawn class of each image."""

    steered: Steered
    strength: float
    name: str = "steered cross-attention"

    @contextmanager
    def during(self, model: TextToImage, jobs: Sequence[Job], noise: Tensor, sampling: Sampling) -> Iterator[Tensor]:
        """See `PipelineChange`.

        Raises:
            NoFormError: the run has more denoiser calls than the vectors were found for.
        """
        found, wanted = self.steered, [job.wanted for job in jobs]
        open_ = torch.ones(len(jobs), dtype=torch.bool)

        def change(place: Place, outputs: Tensor) -> Tensor:
            if place not in found.vectors:
                raise NoFormError(f"EquiSteer was set up for fewer denoiser calls than {place.call + 1}")
            rows = rows_of(len(outputs), len(jobs), "conditional")
            own = outputs[rows]
            if place.call == 0 and place.layer == found.gate.layer:
                open_.copy_(~above(own, found.vectors[place], found.gate.thresholds).cpu())
            towards = np.stack([found.sizes[label][place] * found.vectors[place][label] for label in wanted])
            made = steer(own, found.bases[place], towards, self.strength).to(outputs.dtype)
            changed = outputs.clone()
            changed[rows] = torch.where(open_.to(own.device)[:, None, None], made, own)
            return changed

        with attention_changed(model, change):
            yield noise


def above(outputs: Tensor, vectors: Mapping[str, NDArray[np.float32]], thresholds: Mapping[str, float]) -> Tensor:
    """(n,) whether the largest response to the vector of any class is above its threshold."""
    found = torch.zeros(len(outputs), dtype=torch.bool, device=outputs.device)
    for label, vector in vectors.items():
        largest = (outputs.float() @ torch.from_numpy(vector).to(outputs.device)).amax(dim=1)
        found |= largest > thresholds[label]
    return found
