"""A diffusion whose score is exactly known: a labelled Gaussian mixture, with formulas for what an audit measures.

Model, detector and formulas are public, to check statistics and methods against: the expected values are known, and
measurements on its images have no other error than that of sampling. `equinoise audit mixture …` runs it as any model.

>>> from equinoise.models.mixture import best_direction, shares
>>> round(shares("a photo of a doctor", "gender")["woman"], 3)
0.22
>>> direction = best_direction("a photo of a doctor", "gender", "woman")
>>> round(shares("a photo of a doctor", "gender", shift=0.77 * direction)["woman"], 2)
0.5
"""

from equinoise.models.mixture.detector import MixtureDetector
from equinoise.models.mixture.directions import best_direction, detected_cosine, discriminant, mean_difference
from equinoise.models.mixture.embeddings import MixtureEncoder
from equinoise.models.mixture.formulas import line_shares, quadrature_shares, shares
from equinoise.models.mixture.model import MixtureModel, velocity

__all__ = [
    "MixtureDetector",
    "MixtureEncoder",
    "MixtureModel",
    "best_direction",
    "detected_cosine",
    "discriminant",
    "line_shares",
    "mean_difference",
    "quadrature_shares",
    "shares",
    "velocity",
]
