"""How early in a run the class of the final image can be predicted; at the noise itself, whether the noise decides it.

    python -m emoji_world.early_look -n 512

For one neutral prompt: how well a linear classifier on the noise, and on the latents at each captured step, predicts
the final class (cross-validated); and how often the detector's answer on the model's own prediction of the final image
agrees with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from emoji_world.tables import Row, show, write_rows
from equinoise import DetectorSettings, Model, load
from equinoise.axes import UNCLEAR, Axis, load_axis
from equinoise.detectors import load_detector, read_label
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.engine import Job
from equinoise.models.base import NOISE, Step
from equinoise.models.pipeline import require_pipeline
from equinoise.progress import progress
from equinoise.runtime.making import making
from equinoise.statistics import wilson

SEED = 8_000_000
STEPS = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=512)
    parser.add_argument("--concept", default="a photo of a doctor")
    parser.add_argument("--axes", default="gender,tone")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    model = load("emoji", device="cpu", detector=DetectorSettings(unclear_below=UNCLEAR_BELOW))
    axes = [load_axis(name) for name in args.axes.split(",")]
    # x̂₀ at a step is solved from the latents on both sides of it
    steps: list[Step] = [NOISE, *sorted({s for step in STEPS for s in (step - 1, step) if s >= 0})]
    jobs = [Job(str(i), args.concept, SEED + i) for i in range(args.n)]
    with making(model) as maker, progress(args.concept, args.n) as tick:
        results = {}
        for result in maker.engine.run(model.request(axes, steps), jobs):
            results[result.job.id] = result
            tick(1)
    ordered = [results[job.id] for job in jobs]
    latents = {step: np.stack([r.latents[step] for r in ordered]).astype(np.float32) for step in steps}
    rows: list[Row] = []
    for axis in axes:
        final = [read_label(r.detections[axis.name], model.detector.spec.threshold(axis.name)) for r in ordered]
        for step in [s for s in steps if s == NOISE or s in STEPS]:
            rows.append(_row(model, axis, step, latents, final))
    show(rows)
    if args.out:
        write_rows(rows, args.out)


def _row(model: Model, axis: Axis, step: Step, latents: dict[Step, NDArray[np.float32]], final: Sequence[str]) -> Row:
    clear = np.array([label != UNCLEAR for label in final])
    labels = np.array(final)[clear]
    linear = _linear(latents[step][clear].reshape(len(labels), -1), labels)
    # at T there is no earlier latent to solve with; the first prediction is read off step 0
    seen = _predicted_labels(model, axis, int(step), latents) if step != NOISE else None
    agreed = int((np.array(seen)[clear] == labels).sum()) if seen is not None else None
    interval = wilson(agreed, len(labels)) if agreed is not None else None
    return {
        "axis": axis.name,
        "step": step,
        "n": len(labels),
        "linear_balanced_accuracy": linear,
        "chance": 1 / len(set(labels)),
        "x0_agreement": agreed / len(labels) if agreed is not None else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _linear(x: NDArray[np.float32], labels: NDArray[np.str_]) -> float | None:
    """Balanced accuracy of a strongly regularised logistic regression, five folds; None where a class is too rare."""
    if min(np.unique(labels, return_counts=True)[1]) < 5:
        return None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, class_weight="balanced", max_iter=500))
    predicted = cross_val_predict(classifier, x, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    return float(balanced_accuracy_score(labels, predicted))


def _predicted_labels(model: Model, axis: Axis, step: int, latents: dict[Step, NDArray[np.float32]]) -> list[str]:
    before = latents[NOISE if step == 0 else step - 1]
    x0 = predicted_original(model, torch.from_numpy(before), torch.from_numpy(latents[step]), step)
    vae = require_pipeline(model.backend).pipeline.vae
    detector = load_detector(model.detector.spec)
    labels: list[str] = []
    for part in torch.split(x0, 64):
        with torch.no_grad():
            decoded = vae.decode(part / vae.config.scaling_factor).sample.clamp(-1, 1)
        pixels = ((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        found = detector.probabilities([Image.fromarray(p) for p in pixels], axis)
        labels += [axis.classes[i] for i in found.argmax(1)]
    return labels


def predicted_original(model: Model, before: Tensor, after: Tensor, step: int) -> Tensor:
    """The model's prediction x̂₀ at a DDIM step, solved from the latents on both sides of it.

    x_t = √ᾱ_t x̂₀ + √(1 − ᾱ_t) ε and x_s = √ᾱ_s x̂₀ + √(1 − ᾱ_s) ε (Song et al. 2021, equation 12 with σ = 0).
    """
    scheduler = require_pipeline(model.backend).pipeline.scheduler
    scheduler.set_timesteps(model.sampling.steps)
    t = int(scheduler.timesteps[step])
    s = t - scheduler.config.num_train_timesteps // model.sampling.steps
    alpha_t = scheduler.alphas_cumprod[t]
    alpha_s = scheduler.alphas_cumprod[s] if s >= 0 else scheduler.final_alpha_cumprod
    ratio = ((1 - alpha_s) / (1 - alpha_t)).sqrt()
    x0: Tensor = (after - ratio * before) / (alpha_s.sqrt() - ratio * alpha_t.sqrt())
    return x0


if __name__ == "__main__":
    main()
