"""`collect` and `fit`: latents of every class, and the directions that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from equinoise.axes import Axis, load_axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.directions.estimators import Skipped, fit
from equinoise.directions.traces import Traces
from equinoise.engine import Engine
from equinoise.errors import EquinoiseError, warn
from equinoise.models.base import NOISE, Step, default_capture, parse_steps, require_steps
from equinoise.progress import progress
from equinoise.seeds import COLLECT, DETECTED, seed_range
from equinoise.workflows.collecting import Keep, collect, collect_detected
from equinoise.workflows.settings import Session


def collect_traces(
    session: Session,
    axis_name: str,
    prompts: Sequence[str],
    classes: str | None,
    labels: str,
    concept: str | None,
    n: int,
    seed: int | None,
    capture: str | None,
    out: Path,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Collect traces into a folder; `{"images", "denoiser_calls", "captured"}`."""
    axis, steps = load_axis(axis_name), capture_steps(capture, session.sampling.steps)
    require_steps(steps, session.calls)
    if labels not in ("prompted", "detected"):
        raise EquinoiseError(f"--labels {labels}: use prompted or detected")
    detected = labels == "detected"
    if detected and not (concept and concept.strip()):
        raise EquinoiseError("--labels detected needs the neutral prompt to draw: --concept 'a photo of a doctor'")
    if detected and (prompts or classes):
        raise EquinoiseError("--labels detected draws --concept only; leave out --prompt and --classes")
    wanted = prompts_of(axis, prompts, classes)
    default = DETECTED if detected else COLLECT
    seeds = seed_range(default if seed is None else seed, n)
    images = n if detected else n * len(wanted)
    calls = images * (session.calls if detected else _calls(steps))
    if dry_run:
        return session.estimate(images, calls // images)
    about = session.about(
        command="collect",
        axis={axis.name: axis.digest},
        labels=labels,
        concept=concept,
        prompts=None if detected else wanted,
        n=n,
        seed=seeds[0],
        capture=list(steps),
    )
    keep = Keep(out, about)
    with Engine(session.workers, session.spec.device) as engine, progress("collect", images) as tick:
        request, provenance = session.request([axis], steps), session.model.provenance
        if detected and concept:
            traces = collect_detected(engine, request, axis, concept, seeds, provenance, keep, tick)
        else:
            traces = collect(engine, request, axis, wanted, seeds, provenance, keep, tick)
    return {
        "images": images,
        "denoiser_calls": calls,
        "captured": list(traces.latents),
        "labelled": len(traces.labels),
    }


def capture_steps(text: str | None, total: int) -> list[Step]:
    """The steps to capture: as given, fractions of the total included, or `default_capture`.

    Raises:
        EquinoiseError: as `parse_steps`.
    """
    if text is None:
        return default_capture(total)
    steps = parse_steps(text, total)
    for part, step in zip((part.strip() for part in text.split(",")), steps, strict=True):
        if part != NOISE and not part.isdigit() and Fraction(part) * total != step:
            warn(f"step {part} is step {step} of {total}, the denoiser call under way at that fraction")
    return steps


def prompts_of(axis: Axis, given: Sequence[str], classes: str | None = None) -> dict[str, str]:
    """Class → prompt: the axis's own first prompt, or what `CLASS=TEXT` says; only `classes` where given.

    Raises:
        EquinoiseError: not of that form, an unknown class, an empty prompt, or fewer than two classes.
    """
    chosen = [axis.require(name.strip()) for name in classes.split(",")] if classes else list(axis.classes)
    if len(set(chosen)) < 2:
        raise EquinoiseError("--classes needs at least two different classes, such as light,dark")
    prompts = {name: axis.generate[name][0] for name in axis.classes if name in chosen}
    for entry in given:
        name, equals, text = entry.partition("=")
        if not equals or not text.strip():
            raise EquinoiseError(f"--prompt '{entry}' is not CLASS=TEXT, such as {axis.classes[0]}='a photo of …'")
        if axis.require(name) not in prompts:
            raise EquinoiseError(f"--prompt names '{name}', which --classes leaves out")
        prompts[name] = text
    return prompts


def fit_directions(
    folders: Sequence[Path], out: Path, estimator: str, orthogonal_to: Sequence[str] = (), permutations: int = 99
) -> dict[str, Any]:
    """Fit directions from one or more collections into one file."""
    if permutations < 1:
        raise EquinoiseError(f"--permutations {permutations}: at least one is needed")
    found, skipped = DirectionSet(()), list[Skipped]()
    for folder in folders:
        directions, left_out = fit(Traces.load(folder), estimator, permutations=permutations)
        known = {(d.terms[0].origin.label, d.terms[0].origin.step) for d in found.directions}
        again = [d.name for d in directions.directions if (d.terms[0].origin.label, d.terms[0].origin.step) in known]
        if again:
            raise EquinoiseError(f"{folder} gives {again[0]} a second time; fit it into a file of its own")
        found, skipped = found + directions, [*skipped, *left_out]
    if not found.directions:
        raise EquinoiseError(f"no direction can be fitted at {skipped[0].step}: {skipped[0].reason}")
    for entry in skipped:
        warn(f"no direction at step {entry.step}: {entry.reason}")
    found = _orthogonal(found, orthogonal_to)
    found.save(out)
    return {"directions": describe(found), "skipped": [skip.__dict__ for skip in skipped]}


def _orthogonal(found: DirectionSet, others: Sequence[str]) -> DirectionSet:
    if not others:
        return found
    files = [entry.rsplit(":", 1) for entry in others]
    if any(len(parts) != 2 for parts in files):
        raise EquinoiseError("--orthogonal-to takes FILE:CLASS, such as tone.safetensors:dark")
    sets = [(DirectionSet.load(Path(path)), label) for path, label in files]
    return DirectionSet(
        tuple(
            d.orthogonal_to([other.find(label, d.terms[0].origin.step) for other, label in sets])
            for d in found.directions
        )
    )


def describe(directions: DirectionSet) -> list[dict[str, Any]]:
    """The list that `fit` prints."""
    return [_describe(direction) for direction in directions.directions]


def _describe(direction: Direction) -> dict[str, Any]:
    o = direction.terms[0].origin
    return {
        "axis": o.axis,
        "class": o.label,
        "against": o.against,
        "step": o.step,
        "estimator": o.estimator,
        "accuracy": o.accuracy,
        "low": o.low,
        "high": o.high,
        "p": o.p,
    }


def _calls(steps: Sequence[Step]) -> int:
    """Denoiser calls up to the last captured step; the noise itself costs none."""
    return max((int(step) + 1 for step in steps if step != NOISE), default=0)
