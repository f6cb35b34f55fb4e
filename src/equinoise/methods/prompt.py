"""Prompt intervention: the prompt names the class that was drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from equinoise.engine import Job
from equinoise.methods.base import Brief, Method, Prepared, Setup

PILOTS = 64
"""Images of each named prompt."""
CALIBRATED = 1.0


def prepare_prompt(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """A class is drawn for each image and named in its prompt.

    As published (Bansal et al. 2022, arXiv 2210.15230, among others) the classes are named in the target's shares.
    Tuned, they are named so often that the shares that are *shown* meet the target: see `naming_shares`.

    Set-up: as published nothing is set up; calibrated, 64 images of each named prompt.
    """
    labels = brief.axis.classes
    shares = np.array([brief.target[label] for label in labels])
    if strength == CALIBRATED:
        shares = naming_shares(np.array([_shown(brief, setup, label) for label in labels]), shares)

    def job(seed: int) -> Job:
        label = brief.wanted(seed, shares.tolist())
        return brief.job(seed, prompt=brief.prompts[label], wanted=label)

    named = {f"names {label}": float(share) for label, share in zip(labels, shares, strict=True)}
    return Prepared(lambda seeds: [job(seed) for seed in seeds], shown=named)


PROMPT_INTERVENTION = Method(
    name="prompt",
    title="prompt intervention",
    source="Bansal et al. 2022, arXiv 2210.15230",
    changes="prompt",
    published=0.0,
    strengths=(CALIBRATED,),
    prepare=prepare_prompt,
)


def naming_shares(shown: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares q of naming under which the target is shown: q ≥ 0 with Σq = 1 and Σ_k q_k·shown[k] nearest to it.

    Of two classes this is q·a + (1 − q)(1 − b) = target, where a prompt shows what it names with probability a and b.

    Args:
        shown: (K, K), row k the shares of the classes in images whose prompt names class k.
        target: (K,) wanted shares.

    >>> naming_shares(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.5, 0.5])).round(4)
    array([0.4286, 0.5714])
    """
    heavy = 1e3  # the sum is held to 1 by a row of the least squares that weighs this much
    shares, _ = nnls(np.vstack([shown.T, np.full(len(target), heavy)]), np.append(target, heavy))
    return np.asarray(shares / shares.sum(), np.float64)


def _shown(brief: Brief, setup: Setup, label: str) -> Sequence[float]:
    """The shares of the classes under the prompt that names one."""
    jobs = [Job(f"{label}-{seed}", brief.prompts[label], seed) for seed in brief.pilots(PILOTS)]
    seen = Counter(record.labels[brief.axis.name] for record in setup.make(f"named {label}", jobs))
    counts = np.array([seen[each] for each in brief.axis.classes], np.float64)
    return list(counts / max(counts.sum(), 1))
