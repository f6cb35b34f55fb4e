"""`plan`: directions, pilots, the choice of a mixture, and one verification on fresh seeds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from equinoise.axes import Axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.directions.estimators import fit
from equinoise.engine import Engine
from equinoise.errors import EquinoiseError, EquinoiseWarning, warn
from equinoise.models.base import Step
from equinoise.no_picture import describe
from equinoise.planning.basis import Basis
from equinoise.planning.candidates import RunCalls
from equinoise.planning.mixture import Mixture
from equinoise.planning.optimise import Problem, RejectionSettings, SearchSettings, Solution
from equinoise.planning.question import Directions, PlanQuestion
from equinoise.prompts import choose_prompts
from equinoise.results.audits import AuditResult
from equinoise.results.plans import (
    AxisPrompts,
    CallCount,
    PilotCallCount,
    PlanCost,
    PlanningCalls,
    PlanResult,
    TargetVerdict,
)
from equinoise.run import RunFolder, start_run
from equinoise.runtime.applying import apply_plan
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import Maker, check_interventions, making
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.plan import Plan
from equinoise.steering.prompt_filter import class_words
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import cross, tally
from equinoise.understanding.targets import WantedTargets, plan_targets
from equinoise.workflows.collecting import Collecting, TraceFolder
from equinoise.workflows.pilots import PilotRun

PLANNED = "plan"
"""The intervention of a verification's images, all of a mixture taken together."""


def plan(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concept: str,
    *,
    targets: WantedTargets,
    budget: int = 1024,
    verify: int | None = None,
    margin: float = 0.1,
    directions: Directions | None = None,
    step: Step | None = None,
    prompts: Mapping[str, str] | None = None,
    pairs: int = 8,
    round: int = 0,
    rejection: bool = True,
    detector: str | DetectorSettings | None = None,
    out: str | Path | None = None,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> PlanResult:
    """The mixture of interventions that meets the targets at the least cost, verified once on fresh seeds.

    Args:
        model: as `load` gives it.
        concept: a neutral prompt, such as "a photo of a doctor".
        targets: axis → "uniform", class → share or a CSV file; see `understanding.targets.WantedTargets`.
        budget: images in all, for directions, pilots and verification; a run that is stopped early counts for its part
            of the denoiser calls.
        verify: how many of these verify the plan on seeds that nothing is learnt from; default half.
        margin: "on target" is a whole interval within the target ± this.
        directions: known ones; none are collected where any is given.
        step: of the directions; default 0, the first denoiser call, or what the files have.
        prompts: class → prompt that directions are collected from, in place of those made from the concept
            (`prompts.class_prompts`). The result's `prompts` say which were used and why.
        pairs: seeds that directions are collected from, each for every class.
        round: 0 for a first plan; 1 to 9 plan again on seeds never used before.
        rejection: whether runs may be stopped by an early check and begun again with other noise.
        detector: what reads the images, where that is not the model's own.
        out: a path ending in .safetensors is the file of the plan, and the work is kept in FILE.work beside it; any
            other path is a run folder with plan.safetensors, traces, pilots and verification. A plan that was cut off
            resumes there. Without `out` the verification is kept in memory.
        engine, progress: as of `audit`.

    Raises:
        EquinoiseError: an argument makes no sense, the budget is too small, a direction does not fit, or the place
            holds something else.
    """
    (concept,) = require_concepts(concept)
    question = PlanQuestion(
        concept, tuple(plan_targets(targets, concept)), budget=budget, verify=verify, margin=margin,
        directions=directions, step=step, prompts=prompts or {}, pairs=pairs, round=round, rejection=rejection,
    )  # fmt: skip
    model = model.reading_with(detector, question.axes)
    question.calls(model.sampling.steps)  # a budget that is too small is refused before anything is made
    with _place(out) as place, making(model, engine, progress) as maker:
        result = _Planning(maker, question, place).run()
    for warning in result.warnings:
        warn(warning)
    return result


def plan_cost(model: Model, question: PlanQuestion, workers: int | None = None) -> Estimate:
    """What a plan would take at most."""
    require_concepts(question.concept)
    calls = question.calls(model.sampling.steps)
    found = model.estimate(question.budget, model.sampling.steps, workers)
    return found.model_copy(update={"cost": calls.to_json()})


@dataclass(frozen=True)
class _Place:
    """Where the plan goes (None: nowhere), where its work is kept, and whether the verification is kept there too."""

    file: Path | None
    work: Path

    @property
    def verification(self) -> Path | None:
        return self.work / "verification" if self.file else None


@contextmanager
def _place(out: str | Path | None) -> Iterator[_Place]:
    if out is None:
        with TemporaryDirectory(prefix="equinoise-plan-") as folder:
            yield _Place(None, Path(folder))
        return
    path = Path(out)
    if path.suffix == ".safetensors":
        if path.is_dir():
            raise EquinoiseError(f"{path} is a folder; name the file of the plan, such as {path}/plan.safetensors")
        yield _Place(path, path.with_name(f"{path.name}.work"))
    elif path.exists() and not path.is_dir():
        raise EquinoiseError(f"{path} is a file; name a folder for the plan, or a file that ends in .safetensors")
    else:
        yield _Place(path / "plan.safetensors", path)


@dataclass(frozen=True)
class _Planning:
    """A plan in the making."""

    maker: Maker
    question: PlanQuestion
    place: _Place

    @property
    def model(self) -> Model:
        return self.maker.model

    @property
    def calls(self) -> PlanningCalls:
        """What planning may take."""
        return self.question.calls(self.model.sampling.steps)

    def run(self) -> PlanResult:
        """Directions, pilots, solution, plan, verification."""
        asked, known = self.question, self.question.known_directions()
        prompts = None if known else {axis.name: self._prompts(axis) for axis in asked.axes}
        basis = Basis.spanning(self._given(known) if known else self._collected(prompts or {}))
        check_interventions(self.model, [basis.intervention(np.ones(len(basis.directions)))], asked.verification_seeds)
        solution = self._solution(basis)
        mixture = Mixture.rounded(solution, basis)
        made = Plan(
            asked.concept,
            asked.shares,
            mixture.parts,
            words=class_words(asked.axes),
            seeds=tuple(asked.pilot_seeds(self.calls.pilots.images)[: len(solution.pilots)]),
            early_classifier=solution.early_classifier,
            provenance={"sampling": self.model.to_json()["sampling"]},
        )
        verified = self._verified(made)
        result = self._result(made, solution, mixture, verified).model_copy(update={"prompts": prompts})
        whole = replace(made, provenance={**self._measured(result), **made.provenance})
        if self.place.file:
            whole.save(self.place.file)
        return result.model_copy(update={"file": str(self.place.file) if self.place.file else None}).with_plan(whole)

    def _prompts(self, axis: Axis) -> AxisPrompts:
        """What the directions of an axis are collected from: as given, else made from the concept, else its own."""
        given = self.question.given_prompts(axis)
        found = choose_prompts(axis, self.question.concept, given)
        note = f"{axis.name}: prompts given for {', '.join(given)}" if given else found.note
        return AxisPrompts(origin="given" if given else found.origin, note=note, prompts=dict(found.prompts))

    def _given(self, known: DirectionSet) -> list[Direction]:
        """For each axis the directions of its classes."""
        found = [d for axis in self.question.axes for d in self.question.of_axis(known, axis)]
        check_interventions(self.model, [Intervention((Shift(direction, 1.0),)) for direction in found], ())
        return found

    def _collected(self, prompts: Mapping[str, AxisPrompts]) -> list[Direction]:
        """For each axis the directions of its classes, fitted on latents of its prompts."""
        step, seeds = self.question.collected_step(self.model.sampling.steps), self.question.direction_seeds
        found: list[Direction] = []
        for axis in self.question.axes:
            said = prompts[axis.name].prompts
            about = {
                "command": "plan",
                "axis": {axis.name: axis.digest},
                "prompts": said,
                "n": len(seeds),
                "capture": [step],
                **self.model.to_json(),
            }
            folder = TraceFolder(self.place.work / "traces" / axis.name, about)
            traces = Collecting(axis, said, (step,)).run(self.maker, seeds, folder)
            with warnings.catch_warnings():  # how well a direction separates classes is shown by the pilots' slopes
                warnings.simplefilter("ignore", EquinoiseWarning)
                made = fit(traces, "paired", permutations=1)
            if made.skipped:
                raise EquinoiseError(f"no direction of '{axis.name}': {made.skipped[0].reason}")
            found += self.question.of_axis(made, axis)
        return found

    def _solution(self, basis: Basis) -> Solution:
        """The mixture that the pilots lead to."""
        asked, model, pilots = self.question, self.model, self.calls.pilots.images
        checks = PilotRun.check_steps(model) if asked.rejection else ()
        calls = RunCalls(model.calls, model.backend.resumable)
        rejection = RejectionSettings(calls, model.detector.spec.name) if checks else None
        settings = SearchSettings(pilots, precision=asked.margin / 6, rejection=rejection)
        problem = Problem(asked.targets, basis, settings, model.detector.confusions(asked.axes))
        about = {
            "command": "plan",
            "concept": asked.concept,
            "axes": {axis.name: axis.digest for axis in asked.axes},
            "targets": asked.shares,
            "directions": {d.name: d.digest for d in basis.directions},
            "pilots": pilots,
            "looks": list(checks),
            "early_checks": list(checks),
            "margin": asked.margin,
            "round": asked.round,
            **model.to_json(),
        }
        run = RunFolder(self.place.work / "pilots", about)
        return PilotRun(self.maker, asked.concept, problem, checks, run).explore(asked.pilot_seeds(pilots))

    def _verified(self, made: Plan) -> AuditResult:
        """The audit of fresh images under the plan, all its interventions together."""
        asked, model, seeds = self.question, self.model, self.question.verification_seeds
        about = {
            "command": "plan",
            "concept": asked.concept,
            "axes": {axis.name: axis.digest for axis in asked.axes},
            "plan": made.digest,
            "n": len(seeds),
            "seed": seeds[0],
            **model.to_json(),
        }
        run, applied = start_run(self.place.verification, about), apply_plan(made, model, [asked.concept], seeds)
        jobs = [applied.job(str(seed), asked.concept, seed) for seed in seeds]
        maker = replace(self.maker, early_classifier=applied.early_classifier)
        records = maker.make("verification", jobs, asked.axes, run)
        role, together = model.detector.role(asked.concept), [replace(r, intervention=PLANNED) for r in records]
        for target in asked.targets:
            if len(target.axes) > 1:
                together, _ = cross(together, target.axes)
        counts = tally(together, [target.axis for target in asked.targets], {asked.concept: role})
        found = Measures(asked.shares, model.detector.confusions(asked.axes)).audit(counts)
        found = found.model_copy(update={"drawn": applied.attempts(records)})
        return found.with_run(run.finish([job.id for job in jobs], found.to_json(), model.world_json(), role))

    def _result(self, made: Plan, solution: Solution, mixture: Mixture, verified: AuditResult) -> PlanResult:
        asked, targets = self.question, self.question.targets
        distances = {target.name: mixture.distance(target) for target in targets}
        verdicts = tuple(TargetVerdict.judge(audit, asked.margin) for audit in verified.audits)
        none = describe(record.no_picture for record in verified.run.records)
        result = PlanResult(
            concept=asked.concept,
            targets=asked.shares,
            interventions=mixture.info(targets),
            expected={target.name: mixture.expected(target) for target in targets},
            expected_distance=distances,
            feasible=solution.choice.feasible,
            verified=verified,
            verdicts=verdicts,
            cost=self._cost(made, solution, mixture, verified),
            pilots=solution.info,
            warnings=(*_warnings(asked, solution, distances, verdicts), *([none] if none else [])),
        )
        return result.with_run(verified.run)

    def _cost(self, made: Plan, solution: Solution, mixture: Mixture, verified: AuditResult) -> PlanCost:
        pilots, stopped = solution.pilots, solution.pilots.stopped_early.images
        piloting = PilotCallCount(
            images=len(pilots) - stopped,
            ended_early=stopped,
            stopped_early=stopped,
            denoiser_calls=round(float(pilots.spent.sum()) * self.model.calls),
        )
        taken = verified.drawn.denoiser_calls if verified.drawn else 0
        verifying = CallCount(images=len(self.question.verification_seeds), denoiser_calls=taken)
        return PlanCost(
            **dict(PlanningCalls.total(self.calls.directions, piloting, verifying)),
            budget=self.question.budget,
            intrusion_nats=made.kl_nats,
            kl_nats=made.kl_nats,
            extra_calls_per_image=mixture.extra_calls_per_image,
        )

    def _measured(self, result: PlanResult) -> Mapping[str, object]:
        """What the file of the plan says of how it was made and what was measured."""
        found = result.to_json()
        keys = ("expected", "expected_distance", "feasible", "verified", "verdicts", "cost", "pilots")
        return {**{key: found[key] for key in keys}, "model": self.model.backend.provenance}


def _warnings(
    asked: PlanQuestion, solution: Solution, distances: Mapping[str, float], verdicts: Sequence[TargetVerdict]
) -> tuple[str, ...]:
    said = []
    if not solution.choice.feasible:
        far = ", ".join(f"{name} {100 * distance:.0f} points" for name, distance in distances.items())
        said.append(
            f"no mixture of what may be done meets the target; this is the nearest, expected to be off by {far}"
        )
    for name, response in solution.responses.items():
        if any(part.fit.widened > 1 for part in response.responses):
            said.append(f"the pilots disagree with the fitted response of '{name}' more than chance allows")
    stopped, pilots = solution.pilots.stopped_early, len(solution.pilots)
    if stopped.wrong * stopped.images > asked.margin / 6 * stopped.checked * pilots:
        said.append(
            f"of {stopped.checked} pilots whose classes were certain early and that went on to check it, "
            f"{stopped.wrong} ended otherwise; plan with --no-rejection"
        )
    for found in verdicts:
        if found.verdict != "on_target":
            how = "off target" if found.verdict == "off_target" else "not shown to be on target"
            said.append(f"'{found.axis}' is {how} within ±{100 * asked.margin:g} points on fresh seeds")
    return tuple(said)
