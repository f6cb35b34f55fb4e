"""The closed-form mixture against its formulas: python -m benchmarks.mixture

(a) Measured shares of every prompt and axis against the formula, with the exact binomial p-value of each.
(b) Cosine of estimated directions with the optimal one, by step; other seeds for each class, and the same
    seeds for all. At T the labels are detected on the neutral prompt.
(c) Share against weight, measured and by formula.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats

from benchmarks.common import keep
from benchmarks.directions.estimators import rows_of
from emoji_world.tables import Row, show
from equinoise import Engine, EquinoiseWarning, Model, Sampling, Traces, collect, draw_noise, load, load_axis
from equinoise.directions.estimators import ESTIMATORS, LATENT_SCALE
from equinoise.models.base import NOISE, Step
from equinoise.models.mixture import MixtureDetector, MixtureModel, best_direction, detected_cosine, shares
from equinoise.models.mixture import formulas as theory
from equinoise.results.base import Value
from equinoise.seeds import VERIFY, seed_range

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
PERSON, DOCTOR = "a photo of a person", "a photo of a doctor"
ENGINEER, FARMER, BUILDING = "a photo of an engineer", "a photo of a farmer", "a photo of a building"
EXPLICIT = (
    ("a photo of a woman", ("gender", "tone")),
    ("a photo of a person with dark skin", ("gender", "tone")),
    ("a photo of a woman doctor", ("gender", "tone")),
    ("a photo of a dark-skinned woman doctor", ("gender", "tone")),
    ("a photo of a woman engineer", ("gender", "tone")),
    ("a photo of a hut", ("house",)),
)
STEPS: list[Step] = [0, 10, 25, 40, 49]
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
UNCLEAR_BELOW = 0.6


class Compared(Value):
    """The share of a class as measured and by formula, and the p-value of an exact binomial test."""

    label: str = Field(alias="class")
    measured: float
    formula: float
    p: float
    clear: int


class AskedPrompt(Value):
    """A prompt, an axis, a guidance scale, and how the expected shares are computed: `formula` or `quadrature`."""

    prompt: str
    axis: str
    guidance: float
    how: str


class ByPrompt(Compared, AskedPrompt):
    """A class of an axis of a prompt."""


class Shifted(Value):
    """A prompt, a direction and a weight along it."""

    case: str
    along: str
    w: float


class ByWeight(Compared, Shifted):
    """A class under a shift."""


def counts(prompt: str, axes: Sequence[str], seeds: Sequence[int], guidance: float, shift: Array) -> dict[str, Counts]:
    """Axis → images of each class, and those that are unclear; in parts, so that pictures need little memory."""
    found = {axis: np.zeros(len(load_axis(axis).classes) + 1, np.int64) for axis in axes}
    for part in (seeds[start : start + 512] for start in range(0, len(seeds), 512)):
        noise = draw_noise(part, shift.shape) + torch.from_numpy(shift).float()
        made = MixtureModel().generate([prompt] * len(part), noise, Sampling(50, guidance))
        for axis in axes:
            read = MixtureDetector().probabilities(made.images or [], load_axis(axis))
            label = np.where(read.max(axis=1) >= UNCLEAR_BELOW, read.argmax(axis=1), read.shape[1])
            found[axis] += np.bincount(label, minlength=read.shape[1] + 1)
    return found


def compared(found: Counts, expected: Mapping[str, float]) -> list[Compared]:
    """Measured and expected share of each class."""
    clear = int(found[:-1].sum())
    return [
        Compared(
            label=name,
            measured=int(count) / clear,
            formula=share,
            p=float(stats.binomtest(int(count), clear, min(max(share, 0.0), 1.0)).pvalue),
            clear=clear,
        )
        for name, count, share in zip(expected, found[:-1], expected.values(), strict=True)
    ]


def by_prompt(n: int) -> list[ByPrompt]:
    people = [PERSON, DOCTOR, "a photo of a teacher", ENGINEER, FARMER]
    neutral = [*((prompt, ("gender", "tone")) for prompt in people), (BUILDING, ("house",))]
    asked = [(prompt, axes, 1.0) for prompt, axes in [("", ("gender", "tone")), *neutral, *EXPLICIT]]
    asked += [(prompt, axes, 2.0) for prompt, axes in neutral]
    rows, nothing = [], np.zeros(MixtureModel().latent_shape)
    for prompt, axes, guidance in asked:
        found = counts(prompt, axes, seed_range(VERIFY, n), guidance, nothing)
        for axis in axes:
            expected = shares(prompt, axis, guidance=guidance, unclear_below=UNCLEAR_BELOW)
            how = "formula" if theory.on_a_line(theory.planted(prompt, axis)) else "quadrature"
            about = AskedPrompt(prompt=prompt, axis=axis, guidance=guidance, how=how)
            rows += [ByPrompt(**dict(about), **dict(one)) for one in compared(found[axis], expected)]
    return rows


CASES: tuple[tuple[str, str, str, str, Mapping[str, str]], ...] = (
    # case, axis, neutral prompt, class, prompts by class (none: the catalogue's)
    ("two classes on a line", "gender", PERSON, "woman", {}),
    ("five ordered classes", "tone", PERSON, "dark", {}),
    (
        "gender depends on tone",
        "gender",
        ENGINEER,
        "woman",
        {c: f"a photo of a {c} engineer" for c in ("woman", "man")},
    ),
    ("anisotropic", "gender", FARMER, "woman", {c: f"a photo of a {c} farmer" for c in ("woman", "man")}),
    ("four corners of a simplex", "house", BUILDING, "hut", {}),
)


def by_estimator(model: Model, engine: Engine, n: int) -> list[Row]:
    """Cosines of estimated directions with the best one, by step; n images a direction."""
    rows: list[Row] = []
    for case, name, neutral, label, prompts in CASES:
        axis = load_axis(name)
        best = best_direction(neutral, name, label)
        each = n // len(axis.classes)
        traces = collect(model, axis, prompts=prompts, n=2 * each, capture=STEPS, engine=engine)
        same = rows_of(traces, range(each), range(each))
        tried = [("mean", "same", same), ("paired", "same", same), ("svm", "same", same)]
        if len(axis.classes) == 2:
            other = rows_of(traces, range(each), range(each, 2 * each))
            tried += [("mean", "other", other), ("svm", "other", other)]
        for estimator, which, sample in tried:
            cosines = {f"step {step}": _cosine(sample, estimator, step, label, best) for step in STEPS}
            rows.append({"case": case, "estimator": estimator, "seeds": which, "images": len(sample.labels), **cosines})
    return rows


def _cosine(traces: Traces, estimator: str, step: Step, label: str, best: Array) -> float:
    """With the best direction; the direction is estimated as `fit` does, without its slow cross-validation."""
    x = traces.latents[step].reshape(len(traces.labels), -1).astype(np.float64)
    x -= x.mean(axis=0)
    gram = x @ x.T / LATENT_SCALE**2
    if traces.ordered:
        scores = np.linspace(-1, 1, len(traces.classes))[traces.labels]
    else:
        scores = np.where(traces.labels == traces.classes.index(label), 1.0, -1.0)
    found = x.T @ ESTIMATORS[estimator](gram, scores, traces.seeds)
    return float(found @ best.ravel() / np.linalg.norm(found))


def by_detection(model: Model, engine: Engine, n: int) -> list[Row]:
    """Directions in the noise itself, from n images of the neutral prompt with detected labels."""
    rows: list[Row] = []
    for prompt in (PERSON, DOCTOR, ENGINEER, FARMER):
        traces = collect(model, "gender", concept=prompt, labels="detected", n=n, capture=[NOISE], engine=engine)
        best, women = best_direction(prompt, "gender", "woman"), shares(prompt, "gender")["woman"]
        exact = theory.on_a_line(theory.planted(prompt, "gender"))
        rows.append(
            {
                "prompt": prompt,
                "images": len(traces.labels),
                "theory (mean)": detected_cosine(women, len(traces.labels)) if exact else None,
                **{e: _cosine(traces, e, NOISE, "woman", best) for e in ("mean", "svm")},
            }
        )
    return rows


def by_weight(n: int) -> list[ByWeight]:
    gender = best_direction(DOCTOR, "gender", "woman")
    rng = np.random.default_rng(0)
    chance = rng.standard_normal(gender.shape)
    chance -= (chance * gender).sum() * gender
    oblique = 0.6 * gender + 0.8 * chance / np.linalg.norm(chance)
    cases = (
        ("doctor, two classes", DOCTOR, "gender", "woman", "best", gender),
        ("doctor, two classes", DOCTOR, "gender", "woman", "cosine 0.6 to best", oblique),
        ("doctor, ordered", DOCTOR, "tone", "dark", "best", best_direction(DOCTOR, "tone", "dark")),
        ("doctor, ordered", DOCTOR, "tone", "medium", "best for dark", best_direction(DOCTOR, "tone", "dark")),
        ("engineer, dependent", ENGINEER, "gender", "woman", "best", best_direction(ENGINEER, "gender", "woman")),
        ("engineer, dependent", ENGINEER, "gender", "woman", "gender pattern", gender),
        ("farmer, anisotropic", FARMER, "gender", "woman", "best", best_direction(FARMER, "gender", "woman")),
        ("farmer, anisotropic", FARMER, "gender", "woman", "mean difference", gender),
        ("building, simplex", BUILDING, "house", "hut", "best", best_direction(BUILDING, "house", "hut")),
    )
    rows = []
    for case, prompt, axis, label, along, d in cases:
        for w in WEIGHTS:
            found = counts(prompt, [axis], seed_range(VERIFY, n), 1.0, w * d)[axis]
            expected = shares(prompt, axis, w * d, 1.0, UNCLEAR_BELOW)
            about = Shifted(case=case, along=along, w=w)
            rows += [ByWeight(**dict(about), **dict(one)) for one in compared(found, expected) if one.label == label]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=4_096, help="images a share")
    parser.add_argument("--images", type=int, default=2_000, help="images a direction")
    args = parser.parse_args()
    warnings.simplefilter("ignore", EquinoiseWarning)
    model = load("mixture", batch_size=256)
    by_share = by_prompt(args.n)
    show(by_share)
    with Engine() as engine:
        prompted, detected = by_estimator(model, engine, args.images), by_detection(model, engine, args.images)
    show(prompted)
    show(detected)
    weighted = by_weight(args.n)
    show(weighted)
    tests = {"shares": [row.p for row in by_share], "weights": [row.p for row in weighted]}
    for name, found in tests.items():
        p = np.array(found)
        print(f"{name}: {len(p)} exact binomial tests, smallest p {p.min():.4f} (with Bonferroni "
              f"{min(1.0, len(p) * p.min()):.2f}), {np.mean(p < 0.05):.1%} below 0.05")  # fmt: skip
    keep({"shares": by_share, "cosines": prompted, "cosines_detected": detected, "weights": weighted}, "mixture")


if __name__ == "__main__":
    main()
