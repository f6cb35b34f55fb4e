"""Text projection: what tells the classes apart is projected out of the prompt's embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equinoise.methods.base import Brief, Method, Prepared, Setup
from equinoise.methods.text import TextEdit, class_differences


def prepare_projection(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """P = (λM + I)⁻¹ on every token, M the mean outer product of unit differences of paired prompts (equation 9).

    The pairs are the concept and the axis's own prompts, with one class named and with another. The strength is λ.

    Set-up: the closed form; no image is made.
    """
    matrix = calibration_matrix(class_differences(brief.model.backend, brief.contrasts), float(strength or 0.0))
    edit = TextEdit("text projection", "conditional", matrix.astype(np.float32))
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds], edit)


PROJECTION = Method(
    name="projection",
    title="text projection",
    source="Chuang et al. 2023, arXiv 2302.00070",
    changes="text",
    published=500.0,
    strengths=(1.0, 30.0, 500.0),
    prepare=prepare_projection,
)


def calibration_matrix(differences: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """P = (λM + I)⁻¹ for unit differences (m, d); the identity at λ = 0.

    >>> calibration_matrix(np.array([[1.0, 0.0]]), 1.0)
    array([[0.5, 0. ],
           [0. , 1. ]])
    """
    mean = differences.T @ differences / len(differences)
    return np.asarray(np.linalg.inv(strength * mean + np.eye(mean.shape[0])), np.float64)
