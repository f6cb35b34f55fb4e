"""The closed-form mixture against its formulas: python -m benchmarks.mixture

(a) Measured shares of every prompt and axis against the formula, with the exact binomial p-value of each.
(b) Cosine of estimated directions with the optimal one, by step; other seeds for each class, as scripts without shared
    seeds have it, and the same seeds for all. At T the labels are detected on the neutral prompt.
(c) Share against weight, measured and by formula.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import keep, tabulate
from benchmarks.estimators import rows_of
from equinoise.axes import Axis, load_axis
from equinoise.directions.estimators import ESTIMATORS
from equinoise.directions.traces import Traces
from equinoise.engine import Engine
from equinoise.errors import EquinoiseWarning
from equinoise.models import Sampling
from equinoise.models.base import NOISE, Step, draw_noise
from equinoise.models.mixture import MixtureDetector, MixtureModel, best_direction, detected_cosine, shares
from equinoise.models.mixture import formulas as theory
from equinoise.runtime.model import Session, open_session
from equinoise.seeds import COLLECT, DETECTED, VERIFY, seed_range
from equinoise.workflows.collecting import collect, collect_detected

Array = NDArray[np.float64]
Rows = list[dict[str, Any]]
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


def counts(prompt: str, axes: Sequence[str], seeds: Sequence[int], guidance: float, shift: Array) -> dict[str, Any]:
    """Axis → images of each class, and those that are unclear; in parts, so that pictures need little memory."""
    found: dict[str, Any] = {axis: np.zeros(len(load_axis(axis).classes) + 1, int) for axis in axes}
    for part in (seeds[start : start + 512] for start in range(0, len(seeds), 512)):
        noise = draw_noise(part, shift.shape) + torch.from_numpy(shift).float()
        made = MixtureModel().generate([prompt] * len(part), noise, Sampling(50, guidance))
        for axis in axes:
            read = MixtureDetector().probabilities(made.images or [], load_axis(axis))
            label = np.where(read.max(axis=1) >= UNCLEAR_BELOW, read.argmax(axis=1), read.shape[1])
            found[axis] += np.bincount(label, minlength=read.shape[1] + 1)
    return found


def compared(found: Array, expected: Mapping[str, float], only: str | None = None) -> Rows:
    """Measured and expected share of each class, and the p-value of an exact binomial test."""
    clear = int(found[:-1].sum())
    return [
        {
            "class": name,
            "measured": int(count) / clear,
            "formula": share,
            "p": float(stats.binomtest(int(count), clear, min(max(share, 0.0), 1.0)).pvalue),
            "clear": clear,
        }
        for name, count, share in zip(expected, found[:-1], expected.values(), strict=True)
        if only in (None, name)
    ]


def by_prompt(n: int) -> Rows:
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
            about = {"prompt": prompt, "axis": axis, "guidance": guidance, "how": how}
            rows += [{**about, **row} for row in compared(found[axis], expected)]
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


def by_estimator(session: Session, engine: Engine, n: int) -> Rows:
    """n images in all; the SVM and the mean with other seeds are of as many."""
    rows: Rows = []
    for case, name, neutral, label, prompts in CASES:
        axis = load_axis(name)
        best = best_direction(neutral, name, label)
        each = n // len(axis.classes)
        given = prompts or {c: axis.generate[c][0] for c in axis.classes}
        seeds = seed_range(COLLECT, 2 * each)
        traces = collect(engine, session.request([axis], STEPS), axis, given, seeds, session.model.provenance)
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
    """Of the direction that `fit` finds, without its cross-validation, which takes most of the time."""
    x = traces.latents[step].reshape(len(traces.labels), -1).astype(np.float64)
    x -= x.mean(axis=0)
    gram = x @ x.T
    if traces.ordered:
        scores = np.linspace(-1, 1, len(traces.classes))[traces.labels]
    else:
        scores = np.where(traces.labels == traces.classes.index(label), 1.0, -1.0)
    found = x.T @ ESTIMATORS[estimator](gram * len(gram) / np.trace(gram), scores, traces.seeds)
    return float(found @ best.ravel() / np.linalg.norm(found))


def by_detection(session: Session, engine: Engine, n: int) -> Rows:
    """Directions in the noise itself, from n images of the neutral prompt with detected labels."""
    rows: Rows = []
    gender: Axis = load_axis("gender")
    for prompt in (PERSON, DOCTOR, ENGINEER, FARMER):
        request = session.request([gender], [NOISE])
        seeds = seed_range(DETECTED, n)
        traces = collect_detected(engine, request, gender, prompt, seeds, session.model.provenance)
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


def by_weight(n: int) -> Rows:
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
    rows: Rows = []
    for case, prompt, axis, label, along, d in cases:
        for w in WEIGHTS:
            found = counts(prompt, [axis], seed_range(VERIFY, n), 1.0, w * d)[axis]
            expected = shares(prompt, axis, w * d, 1.0, UNCLEAR_BELOW)
            rows += [{"case": case, "along": along, "w": w, **row} for row in compared(found, expected, label)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=4_096, help="images a share")
    parser.add_argument("--images", type=int, default=2_000, help="images a direction")
    args = parser.parse_args()
    warnings.simplefilter("ignore", EquinoiseWarning)
    session = open_session("mixture", batch_size=256)
    results: dict[str, Rows] = {"shares": by_prompt(args.n)}
    tabulate(results["shares"])
    with Engine(session.workers) as engine:
        results["cosines"] = by_estimator(session, engine, args.images)
        results["cosines_detected"] = by_detection(session, engine, args.images)
    tabulate(results["cosines"])
    tabulate(results["cosines_detected"])
    results["weights"] = by_weight(args.n)
    tabulate(results["weights"])
    for name in ("shares", "weights"):
        p = np.array([row["p"] for row in results[name]])
        print(f"{name}: {len(p)} exact binomial tests, smallest p {p.min():.4f} (with Bonferroni "
              f"{min(1.0, len(p) * p.min()):.2f}), {np.mean(p < 0.05):.1%} below 0.05")  # fmt: skip
    keep(results, "mixture")


if __name__ == "__main__":
    main()
