"""`plan`: directions, pilots, the choice of a mixture, and one verification on untouched seeds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from equinoise.axes import Axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.directions.estimators import fit
from equinoise.engine import Engine
from equinoise.engine.images import make_images
from equinoise.errors import EquinoiseError, EquinoiseWarning, warn
from equinoise.models.base import NOISE, Step, parse_steps, require_steps
from equinoise.planning.basis import orthonormal_basis
from equinoise.planning.mixture import expected_distance, expected_of, expected_of_parts, extra_of, parts_of
from equinoise.planning.optimise import Chosen, ended_early, summary
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import class_words
from equinoise.understanding.audit import audit_counts
from equinoise.understanding.counts import cross, tally
from equinoise.understanding.targets import Target
from equinoise.workflows.collecting import Keep, collect
from equinoise.workflows.learning import prompts_of
from equinoise.workflows.pilots import draw_pilots
from equinoise.workflows.planned import drawn, look_for, planned_job
from equinoise.workflows.settings import Session, require_concepts
from equinoise.workflows.shifting import check

STEP = 0
"""Directions are taken here unless told otherwise. After the first call the latents of two prompts from the same noise
differ by the model's two predictions there, and that difference is the slope of the log odds of the prompts along the
noise (Tweedie's formula): what a small shift should follow, for one call. docs/plans.md has what was measured."""

ROUND = 100_000
"""Seeds between one round of planning and the next."""

MOST_BEGUN = 3
"""Pilots that are begun for each whole image of their budget, at most: one in four goes to its end, the others go three
tenths of the way at the least, so that there are 2.1."""

PLANNED = "plan"
"""The intervention of a verification's images, all of a mixture taken together."""


@dataclass(frozen=True)
class Ask:
    """What a plan is asked for.

    Attributes:
        concept, targets: what is wanted of which prompt.
        directions: files of directions; none are collected where any is given.
        step: of the directions; None takes step 0, the first call, or what the files have.
        prompts: `CLASS=TEXT` in place of the prompts of the axes' own; of the concept itself they are worth most.
        budget: images in all; one that is stopped early counts for its part of the denoiser calls.
        verify: how many of them are kept for the verification; None keeps half.
        margin: "on target" is a whole interval within the target ± this.
        pairs: seeds that directions are collected from, each drawn for every class.
        selection: whether draws may be selected by an early look.
        round: 0 for a first plan; another number takes pilots and verification from seeds never used before.
    """

    concept: str
    targets: Sequence[Target]
    directions: Sequence[Path] = ()
    step: str | None = None
    budget: int = 1024
    verify: int | None = None
    margin: float = 0.10
    pairs: int = 32
    round: int = 0
    selection: bool = True
    prompts: Sequence[str] = ()

    @property
    def axes(self) -> dict[str, Axis]:
        """Every axis that a target speaks of."""
        return {axis.name: axis for target in self.targets for axis in target.axes}

    @property
    def first_pilot(self) -> int:
        """The seed of the first pilot."""
        return PILOT + ROUND * self.round

    @property
    def verification(self) -> list[int]:
        """The seeds that nothing is learnt from."""
        n = self.budget // 2 if self.verify is None else self.verify
        return seed_range(VERIFY + ROUND * self.round, n, "--verify")

    def check(self) -> None:
        """Raises EquinoiseError where an argument makes no sense."""
        require_concepts([self.concept])
        if not 0 < self.margin < 1:
            raise EquinoiseError(f"--margin {self.margin:g}: a margin is a share between 0 and 1, such as 0.1")
        if not 0 <= self.round < 10:
            raise EquinoiseError(f"--round {self.round}: rounds go from 0 to 9")
        if self.prompts and self.directions:
            raise EquinoiseError("--prompt says what directions are collected from; with --direction none are")
        known = [label for axis in self.axes.values() for label in axis.classes]
        for entry in self.prompts:
            if entry.partition("=")[0] not in known:
                raise EquinoiseError(f"--prompt '{entry}' names no class of the targets: {', '.join(known)}")
        if self.pairs < 2:
            raise EquinoiseError(f"--pairs {self.pairs}: at least two are needed")
        if not 0 < self.budget <= ROUND:
            raise EquinoiseError(f"--budget {self.budget}: from 1 to {ROUND:,} images")
        if len(self.verification) >= self.budget:
            raise EquinoiseError(f"--verify {self.verify} leaves nothing of a budget of {self.budget} for pilots")


@dataclass(frozen=True)
class Bill:
    """Images and denoiser calls, by what they were for; runs that led to no image count among the calls alone."""

    steps: int
    collected: int = 0
    collected_calls: int = 0
    pilots: int = 0
    ended_early: int = 0
    pilots_calls: int | None = None
    verification: int = 0
    verification_calls: int | None = None

    @property
    def equivalent(self) -> float:
        """What collecting took, in whole images."""
        return self.collected_calls / self.steps

    def to_json(self) -> dict[str, Any]:
        """`cost` of the command line."""
        piloting = self.pilots * self.steps if self.pilots_calls is None else self.pilots_calls
        verifying = self.verification * self.steps if self.verification_calls is None else self.verification_calls
        return {
            "images": self.collected + self.pilots + self.verification,
            "denoiser_calls": self.collected_calls + piloting + verifying,
            "directions": {"images": self.collected, "denoiser_calls": self.collected_calls},
            "pilots": {"images": self.pilots, "ended_early": self.ended_early, "denoiser_calls": piloting},
            "verification": {"images": self.verification, "denoiser_calls": verifying},
        }


def plan(session: Session, ask: Ask, out: Path, dry_run: bool = False) -> dict[str, Any]:
    """Make a plan, verify it once, write it; `{"interventions", "expected", "verified", "cost", …}`.

    Everything is kept in the folder `OUT.work` beside the plan; a command that was cut off goes on there.

    Raises:
        EquinoiseError: an argument makes no sense, the budget is too small, or a direction does not fit.
    """
    ask.check()
    bill = _bill(session, ask)
    pilots = ask.budget - len(ask.verification) - int(np.ceil(bill.equivalent))
    if pilots < 1:
        raise EquinoiseError(
            f"--budget {ask.budget}: directions take {bill.equivalent:.0f} and the verification "
            f"{len(ask.verification)}; nothing is left for pilots"
        )
    bill = replace(bill, pilots=pilots, verification=len(ask.verification))
    if dry_run:
        return {**session.estimate(ask.budget, session.sampling.steps), **{"cost": bill.to_json()}}
    if out.is_dir():
        raise EquinoiseError(f"{out} is a folder; name the file of the plan, such as {out}/plan.safetensors")
    work = out.with_name(f"{out.name}.work")
    with Engine(session.workers, session.spec.device) as engine:
        basis = orthonormal_basis(_directions(session, engine, ask, work))
        check(session, [basis.intervention(np.ones(len(basis.directions)))], ask.verification)
        with progress("pilots, at most", pilots) as tick:
            seeds = seed_range(ask.first_pilot, min(ROUND, MOST_BEGUN * pilots), "--budget")
            more = {"margin": ask.margin, "round": ask.round}
            chosen = draw_pilots(
                session, engine, ask.concept, ask.targets, basis, seeds, pilots, ask.margin / 6,
                ask.selection, work / "pilots", more, tick,
            )  # fmt: skip
        parts = parts_of(chosen, basis)
        made = _plan(session, ask, chosen, parts)
        verified = _verify(session, engine, ask, made, work / "verification")
    verifying = verified["drawn"]["denoiser_calls"]
    took, ended = chosen.pilots.took, int(chosen.pilots.ended.sum())
    bill = replace(
        bill,
        pilots=len(took) - ended,
        ended_early=ended,
        pilots_calls=round(took.sum() * session.calls),
        verification_calls=verifying,
    )
    result = _result(ask, made, chosen, parts, verified, bill)
    known = {key: result[key] for key in ("expected", "expected_distance", "feasible", "verified", "verdicts", "cost")}
    known |= {"model": session.model.provenance, "sampling": made.provenance["sampling"], "pilots": summary(chosen)}
    replace(made, provenance=known).save(out)
    for warning in result["warnings"]:
        warn(warning)
    return {**result, "plan": str(out)}


def _bill(session: Session, ask: Ask) -> Bill:
    """What collecting the directions will take."""
    steps = session.sampling.steps
    if ask.directions:
        return Bill(steps)
    step = _collected_step(session, ask)
    images = ask.pairs * sum(len(axis.classes) for axis in ask.axes.values())
    return Bill(steps, images, images * (step + 1))


def _collected_step(session: Session, ask: Ask) -> int:
    if ask.step is None:
        return min(STEP, session.sampling.steps - 1)
    found = parse_steps(ask.step)
    if len(found) != 1 or found[0] == NOISE:
        raise EquinoiseError(f"--step {ask.step}: give one number; where the prompt sets the class, T cannot tell it")
    require_steps(found, session.sampling.steps)
    return int(found[0])


def _directions(session: Session, engine: Engine, ask: Ask, work: Path) -> list[Direction]:
    """For each axis the directions of its classes, collected and fitted or read from files."""
    if ask.directions:
        known: DirectionSet = sum((DirectionSet.load(path) for path in ask.directions), DirectionSet(()))
        found = [d for axis in ask.axes.values() for d in _of_axis(known, axis, ask.step)]
        check(session, [Intervention((Shift(direction, 1.0),)) for direction in found], ())
        return found
    step, found = _collected_step(session, ask), []
    for axis in ask.axes.values():
        own = [entry for entry in ask.prompts if entry.partition("=")[0] in axis.classes]
        prompts, seeds = prompts_of(axis, own), seed_range(COLLECT, ask.pairs, "--pairs")
        about = session.about(
            command="plan", axis={axis.name: axis.digest}, prompts=prompts, n=len(seeds), capture=[step]
        )
        with progress(f"{axis.name}: latents of {len(prompts)} classes", len(seeds) * len(prompts)) as tick:
            keep = Keep(work / "traces" / axis.name, about)
            request, provenance = session.request([axis], (step,)), session.model.provenance
            traces = collect(engine, request, axis, prompts, seeds, provenance, keep, tick)
        with warnings.catch_warnings():  # how well a direction tells classes apart is shown by the pilots' slopes
            warnings.simplefilter("ignore", EquinoiseWarning)
            made, skipped = fit(traces, "paired", permutations=1)
        if skipped:
            raise EquinoiseError(f"no direction of '{axis.name}': {skipped[0].reason}")
        found += _of_axis(made, axis, None)
    return found


def _of_axis(known: DirectionSet, axis: Axis, step: str | None) -> list[Direction]:
    """One direction of two classes or a scale, else one of each class against the rest.

    Raises:
        EquinoiseError: there is none, or none at the step.
    """
    own = [d for d in known.directions if d.terms[0].origin.axis == axis.name and "-vs-" not in d.terms[0].origin.label]
    if not own:
        axes = ", ".join(dict.fromkeys(d.terms[0].origin.axis for d in known.directions))
        raise EquinoiseError(f"no direction of '{axis.name}' was given; the files have {axes}. Fit one, or give none")
    steps: list[Step] = list(dict.fromkeys(d.terms[0].origin.step for d in own))
    wanted = parse_steps(step)[0] if step else STEP if STEP in steps else steps[0]
    at = [d for d in own if d.terms[0].origin.step == wanted]
    if not at:
        raise EquinoiseError(f"no direction of '{axis.name}' at step {wanted}; there are {', '.join(map(str, steps))}")
    return at[:1] if axis.ordered or len(axis.classes) == 2 else at


def _plan(session: Session, ask: Ask, chosen: Chosen, parts: Sequence[tuple[int, Any]]) -> Plan:
    first = ask.first_pilot
    sampling = {"steps": session.sampling.steps, "guidance_scale": session.sampling.guidance_scale}
    return Plan(
        ask.concept,
        {target.name: dict(target.shares) for target in ask.targets},
        tuple(part for _, part in parts),
        words=class_words(ask.axes.values()),
        seeds=tuple(range(first, first + len(chosen.pilots.weights))),
        look=chosen.look,
        provenance={"sampling": sampling},
    )


def _verify(session: Session, engine: Engine, ask: Ask, made: Plan, folder: Path) -> dict[str, Any]:
    """The audit of fresh images under the plan, all its interventions together."""
    axes, seeds = list(ask.axes.values()), ask.verification
    about = session.about(
        command="plan",
        concept=ask.concept,
        axes={axis.name: axis.digest for axis in axes},
        plan=made.digest,
        n=len(seeds),
        seed=seeds[0],
    )
    run, look = RunFolder(folder, about), look_for(made, session)
    jobs = [planned_job(made, str(seed), ask.concept, seed) for seed in seeds]
    with progress("verification", len(jobs)) as tick:
        records = make_images(engine, replace(session.request(axes), look=look), jobs, run, tick)
    found = audit_targets(records, ask.targets, session.asked(ask.concept), session.reader.confusions, ask.concept)
    found["drawn"] = drawn(records, session, look)
    run.finish([job.id for job in jobs], {**found, **session.results(ask.concept)})
    return found


def audit_targets(
    records: Sequence[Record],
    targets: Sequence[Target],
    asked: str | None,
    confusions: Mapping[str, Any],
    concept: str,
) -> dict[str, Any]:
    """The audit object of images under a plan, an audit a target, intersections among them."""
    together = [replace(record, intervention=PLANNED) for record in records]
    for target in targets:
        if len(target.axes) > 1:
            together, _ = cross(together, target.axes)
    counts = tally(together, [target.axis for target in targets], {concept: asked})
    wanted = {target.name: dict(target.shares) for target in targets}
    return audit_counts(counts, wanted, confusions).to_json()


def verdict(audit: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """Does the whole simultaneous interval of every class lie within the target ± margin? Corrected where it can be.

    `on_target`: yes; `off_target`: one lies wholly beyond; `not_shown`: neither.
    """
    corrected = all(found["corrected"] is not None for found in audit["classes"].values())
    low, high = ("corrected_low", "corrected_high") if corrected else ("low", "high")
    rows = [
        (found[low], found[high], audit["target"][name])
        for name, found in audit["classes"].items()
        if found[low] is not None
    ]
    inside = bool(rows) and all(t - margin <= a and b <= t + margin for a, b, t in rows)
    beyond = any(b < t - margin or a > t + margin for a, b, t in rows)
    answer = "on_target" if inside else "off_target" if beyond else "not_shown"
    return {"axis": audit["axis"], "verdict": answer, "margin": margin, "corrected": corrected}


def _result(
    ask: Ask,
    made: Plan,
    chosen: Chosen,
    parts: Sequence[tuple[int, Any]],
    verified: dict[str, Any],
    bill: Bill,
) -> dict[str, Any]:
    expected = expected_of(chosen, parts, ask.targets)
    each, (draws, extra) = expected_of_parts(chosen, parts, ask.targets), extra_of(chosen, parts)
    distances = {target.name: expected_distance(expected, target) for target in ask.targets}
    verdicts = [verdict(found, ask.margin) for found in verified["audits"]]
    return {
        "concept": ask.concept,
        "targets": {target.name: dict(target.shares) for target in ask.targets},
        "interventions": [
            {
                "name": part.name,
                "share": part.share,
                "expected": shares,
                "intrusion_nats": part.intervention.kl_nats,
                "kept": {axis: list(classes) for axis, classes in part.keep.items()},
                "draws": drawn_each,
                "extra_calls": more,
            }
            for (_, part), shares, drawn_each, more in zip(parts, each, draws, extra, strict=True)
        ],
        "expected": expected,
        "expected_distance": distances,
        "feasible": chosen.choice.feasible,
        "verified": verified,
        "verdicts": verdicts,
        "cost": {
            **bill.to_json(),
            "budget": ask.budget,
            "intrusion_nats": made.kl_nats,
            "extra_calls_per_image": sum(part.share * more for (_, part), more in zip(parts, extra, strict=True)),
        },
        "pilots": summary(chosen),
        "warnings": _warnings(ask, chosen, distances, verdicts),
    }


def _warnings(
    ask: Ask, chosen: Chosen, distances: Mapping[str, float], verdicts: Sequence[Mapping[str, Any]]
) -> list[str]:
    said = []
    if not chosen.choice.feasible:
        far = ", ".join(f"{name} {100 * distance:.0f} points" for name, distance in distances.items())
        said.append(
            f"no mixture of what may be done meets the target; this is the nearest, expected to be off by {far}"
        )
    for name, table in chosen.tables.items():
        if any(found.spread > 1 for found in table.fits):
            said.append(f"the pilots disagree with the fitted response of '{name}' more than chance allows")
    ended = ended_early(chosen.pilots)
    if ended["wrong"] * ended["images"] > ask.margin / 6 * ended["checked"] * len(chosen.pilots.weights):
        said.append(
            f"of {ended['checked']} pilots whose classes were certain early and that went on to check it, "
            f"{ended['wrong']} ended otherwise; plan with --no-selection"
        )
    for found in verdicts:
        if found["verdict"] != "on_target":
            how = "off target" if found["verdict"] == "off_target" else "not shown to be on target"
            said.append(f"'{found['axis']}' is {how} within ±{100 * ask.margin:g} points on fresh seeds")
    return said
