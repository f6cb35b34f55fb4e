"""Rejection sampling: exact formulas, the attempts of a seed, and its results on the mixture and the emoji model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran
from factories import direction, origin
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from equinoise import (
    Direction,
    DirectionSet,
    Engine,
    EquinoiseError,
    Intervention,
    ModelSpec,
    Part,
    Plan,
    Sampling,
    Shift,
    load_axis,
)
from equinoise.axes import UNCLEAR_INDEX
from equinoise.detectors import DetectorSpec, load_detector_once
from equinoise.engine import Job, Request
from equinoise.engine.images import make_images
from equinoise.engine.jobs import EarlyCheck, JobResult, Preview
from equinoise.engine.rejection import accepted, attempt_seed, denoiser_calls, sample_by_rejection
from equinoise.models import load_model
from equinoise.models.base import draw_noise
from equinoise.models.mixture import best_direction, shares
from equinoise.planning.candidates import Candidates, Expectation, RejectionSampling, RunCalls
from equinoise.planning.response import JointResponse
from equinoise.planning.solver import Goal, choose
from equinoise.run import RunFolder
from equinoise.steering.attach import attach
from equinoise.steering.early_classifier import (
    Early,
    EarlyClassifier,
    LinearClassifier,
    balanced_accuracy,
    confusion_counts,
    fit_early_classifiers,
    fit_linear,
)
from equinoise.understanding.targets import Target, parse_targets

DOCTOR = "a photo of a doctor"
GENDER, TONE = load_axis("gender"), load_axis("tone")
MIXTURE, STEPS = ModelSpec("mixture"), 10
MANY = 10**9  # images that a confusion was counted on: its smoothing then does not show


@dataclass(frozen=True, eq=False)
class Known(JointResponse):
    """A joint response whose shares are known, whatever the shift."""

    table: tuple[float, ...] = ()

    def expected(self, weights: np.ndarray) -> np.ndarray:
        return np.tile(self.table, (len(weights), 1))

    def sampled(self, weights: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
        return np.tile(self.table, (number, len(weights), 1))


def classifier(
    rates: Mapping[str, Sequence[Sequence[float]]], step: int = 9, most_attempts: int = 10_000
) -> EarlyClassifier:
    """An early classifier with these P(predicted | final), known exactly."""
    counts = {
        axis: tuple((*(int(MANY * p) for p in row), int(MANY * max(0.0, 1 - sum(row)))) for row in rows)
        for axis, rows in rates.items()
    }
    return EarlyClassifier(
        step, tuple(load_axis(axis) for axis in rates), counts, "mixture", most_attempts=most_attempts
    )


def expectation(table: Sequence[float], early: EarlyClassifier, resumable: bool = True) -> Expectation:
    known = Known((), table=tuple(table))
    name = Target(early.axes, {}).name
    margins: dict[str, JointResponse] = {name: known}
    if len(early.axes) == 2:
        cells = np.reshape(table, [len(axis.classes) for axis in early.axes])
        margins |= {a.name: Known((), table=tuple(cells.sum(1 - i))) for i, a in enumerate(early.axes)}
    return Expectation(margins, RejectionSampling(early, known, RunCalls(50, resumable)))


def right(axis: str) -> list[list[float]]:
    return np.eye(len(load_axis(axis).classes)).tolist()


@given(st.floats(0.12, 0.499))
def test_a_classifier_that_is_right_brings_two_classes_to_even_at_the_cost_of_the_formula(p: float) -> None:
    """0.5/p − 1 early runs an image, and the shares are the target exactly."""
    known = expectation((p, 1 - p), classifier({"gender": right("gender")}))
    candidates = known.candidates(np.zeros((1, 1)))
    target = parse_targets(["gender=uniform"], DOCTOR)[0]
    goal = Goal(np.array([0.5, 0.5]), known.expected(target, candidates), known.sampled(target, candidates, 0))
    choice = choose([goal], known.extra_calls(candidates), tolerance=1e-9, least=0)
    assert choice.mixture @ goal.expected == pytest.approx([0.5, 0.5], abs=1e-6)
    assert choice.mixture @ known.attempts(candidates) - 1 == pytest.approx(0.5 / p - 1, abs=1e-5)
    assert choice.mixture @ known.extra_calls(candidates) == pytest.approx((0.5 / p - 1) * 10 / 50, abs=1e-5)


@given(st.floats(0.1, 0.9), st.floats(0.5, 1.0), st.floats(0.5, 1.0), st.integers(1, 6))
def test_a_classifier_that_errs_gives_the_shares_of_the_formula(p: float, woman: float, man: float, most: int) -> None:
    """By Bayes, and with the last of a few attempts taken whatever is predicted: enumerated attempt by attempt."""
    early = classifier({"gender": [[woman, 1 - woman], [1 - man, man]]}, most_attempts=most)
    known, candidates = expectation((p, 1 - p), early), Candidates(np.zeros((1, 1)), ({"gender": ("woman",)},))
    passed, final, reached, attempts = np.array([p * woman, (1 - p) * (1 - man)]), np.zeros(2), 1.0, 0.0
    for attempt in range(most):
        attempts += reached
        final += reached * (np.array([p, 1 - p]) if attempt == most - 1 else passed)
        reached *= 1 - passed.sum()
    target = parse_targets(["gender=uniform"], DOCTOR)[0]
    assert known.expected(target, candidates)[0] == pytest.approx(final, abs=1e-6)
    assert known.attempts(candidates)[0] == pytest.approx(attempts, rel=1e-6)
    assert known.extra_calls(candidates)[0] == pytest.approx((attempts - 1) * 10 / 50, abs=1e-6)
    again = expectation((p, 1 - p), early, resumable=False)
    assert again.extra_calls(candidates)[0] == pytest.approx(attempts * 10 / 50, abs=1e-6)


def test_sets_of_two_axes_accept_by_the_joint_table() -> None:
    """Women who are dark are rare among women: accepted by both axes, against a table enumerated by hand."""
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(10))
    tone = 0.8 * np.eye(5) + 0.04
    early = classifier({"gender": [[0.9, 0.1], [0.2, 0.8]], "tone": tone.tolist()})
    known, accept = expectation(table, early), {"gender": ("woman",), "tone": ("medium-dark", "dark")}
    candidates = Candidates(np.zeros((2, 1)), (accept, {}))
    chance = np.outer([0.9, 0.2], tone[:, 3:].sum(1)).ravel()
    cells = table * chance / (table @ chance)
    both = Target((GENDER, TONE), {})
    assert known.expected(both, candidates)[0] == pytest.approx(cells, abs=1e-6)
    assert known.expected(both, candidates)[1] == pytest.approx(table)
    assert known.expected(Target((TONE,), {}), candidates)[0] == pytest.approx(cells.reshape(2, 5).sum(0), abs=1e-6)
    assert known.expected(Target((GENDER,), {}), candidates)[0] == pytest.approx(cells.reshape(2, 5).sum(1), abs=1e-6)
    assert known.attempts(candidates) == pytest.approx([1 / (table @ chance), 1])
    assert len(Candidates.acceptance_sets([GENDER, TONE])) == 3 * 31 - 1
    assert known.sampled(both, candidates, 3).shape == (3, 2, 10)


@dataclass(frozen=True)
class Oracle:
    """An early classifier that is always right: it reads the last step, where the latents are the picture's."""

    step: int = STEPS - 1
    most_attempts: int = 40

    def preview(self, device: str) -> Preview | None:
        return None

    def predict(self, result: JobResult) -> dict[str, str]:
        import torch

        image = load_model("mixture").decode(torch.from_numpy(result.latents[self.step])[None])
        found = load_detector_once(DetectorSpec("mixture")).probabilities(image, GENDER)[0]
        return {"gender": GENDER.classes[int(found.argmax())]}


def asked(batch_size: int = 32, early: EarlyCheck | None = None) -> Request:
    detector = DetectorSpec("mixture", unclear_below=0.0)
    return Request(MIXTURE, Sampling(STEPS, 1.0), batch_size, detector=detector, axes=(GENDER,), early_classifier=early)


def women(n: int, first: int = 100) -> list[Job]:
    return [Job(str(seed), DOCTOR, seed, accept={"gender": ("woman",)}) for seed in range(first, first + n)]


def test_every_image_shows_an_accepted_class_and_costs_what_the_formula_says() -> None:
    with Engine(model=load_model("mixture")) as engine:
        records = make_images(engine, asked(64, Oracle()), women(160))
    assert all(record.labels["gender"] == "woman" for record in records)
    attempts = np.array([len(record.draws or ()) for record in records])
    p = shares(DOCTOR, "gender")["woman"]
    assert attempts.mean() == pytest.approx(1 / p, abs=4 * ((1 - p) / p**2 / 160) ** 0.5)
    for record in records[:20]:
        assert record.draws is not None
        assert all(list(attempt) == ["seed", "seen", "kept"] for attempt in record.draws)
        seeds = [attempt_seed(record.seed, k) for k in range(len(record.draws))]
        assert [attempt["seed"] for attempt in record.draws] == seeds
        assert [attempt["kept"] for attempt in record.draws] == [*[False] * (len(record.draws) - 1), True]


def test_attempts_are_a_function_of_the_seed_alone(tmp_path: Path) -> None:
    """Whatever the batch, the company, the workers, and where a run was cut off."""
    oracle = Oracle()
    with Engine(model=load_model("mixture")) as engine:
        whole = make_images(engine, asked(8, oracle), women(12), RunFolder(tmp_path / "a", {"x": 1}))
        shard = make_images(engine, asked(8, oracle), women(5, 107))
        other = make_images(engine, asked(5, oracle), women(12))
    assert [r.draws for r in whole[7:]] == [r.draws for r in shard]
    assert [r.draws for r in whole] == [r.draws for r in other]
    with Engine(2) as engine:
        cut = RunFolder(tmp_path / "b", {"x": 1})
        make_images(engine, asked(8, oracle), women(12)[4:9], cut)
        make_images(engine, asked(8, oracle), women(12), cut)
    for record in whole:
        assert (tmp_path / "a" / record.file).read_bytes() == (tmp_path / "b" / record.file).read_bytes()


def test_a_first_attempt_that_is_accepted_is_the_seeds_own_image() -> None:
    with Engine(model=load_model("mixture")) as engine:
        ready = sample_by_rejection(engine, asked(16, Oracle()), women(24))
        first = [replace(job, accept={}, attempts=(), held=None) for job in ready if len(job.attempts) == 1]
        bare = {r.job.id: r for r in engine.run(asked(16), first)}
    assert first
    assert all(job.noise_seed == job.seed for job in first)
    assert all(bare[job.id].detections["gender"]["woman"] > 0.5 for job in first)


def test_the_last_attempt_is_taken_whatever_is_predicted() -> None:
    with Engine(model=load_model("mixture")) as engine:
        ready = sample_by_rejection(engine, asked(16, Oracle(most_attempts=2)), women(24))
    assert {len(job.attempts) for job in ready} == {1, 2}
    assert {job.attempts[-1].accepted for job in ready if len(job.attempts) == 2} == {True, False}


def test_rejection_sampling_needs_an_early_classifier() -> None:
    assert accepted({}, {})
    assert accepted({"gender": ("woman",)}, {"gender": "woman", "tone": "dark"})
    assert not accepted({"gender": ("woman",), "tone": ("light",)}, {"gender": "woman", "tone": "dark"})
    with pytest.raises(EquinoiseError, match="give an early classifier"):
        sample_by_rejection(Engine(model=load_model("mixture")), asked(16), women(1))


def test_calls_are_counted() -> None:
    assert denoiser_calls(0, 50, None, True) == 50
    assert denoiser_calls(1, 50, Oracle(step=4), True) == 50
    assert denoiser_calls(3, 50, Oracle(step=4), True) == 60
    assert denoiser_calls(3, 50, Oracle(step=4), False) == 65


def test_a_classifier_on_latents_is_found_where_it_is_better() -> None:
    """Classes that lie along a pattern in the latents, and predicted images that are mere chance."""
    rng = np.random.default_rng(0)
    final, pattern = rng.integers(0, 5, 200), rng.standard_normal((4, 3, 3))
    latents = (rng.standard_normal((200, 4, 3, 3)) + 2 * (final - 2)[:, None, None, None] * pattern).astype(np.float16)
    early = Early({3: {"tone": np.eye(5)[rng.integers(0, 5, 200)]}}, {3: latents})
    found = fit_early_classifiers([TONE], {"tone": final}, early, "mixture")
    assert [one.step for one in found] == [3]
    assert set(found[0].classifiers) == {"tone"}
    assert balanced_accuracy(found[0].confusions["tone"]) > 0.8
    told = [found[0].classifiers["tone"].predict(row) for row in latents]
    assert np.mean([name == TONE.classes[k] for name, k in zip(told, final, strict=True)]) > 0.8
    better = fit_early_classifiers(
        [TONE], {"tone": final}, Early({3: {"tone": np.eye(5)[final]}}, {3: latents}), "mixture"
    )
    assert not better[0].classifiers
    assert better[0].preview("cpu") == Preview((3,), (TONE,), DetectorSpec("mixture", "cpu"))
    assert found[0].preview("cpu") is None


def test_a_reading_with_a_lean_is_weighed_anew(tmp_path: Path) -> None:
    """A detector that calls most women men while the image is blurred, but gives them more of a chance."""
    rng = np.random.default_rng(0)
    final = (rng.random(300) < 0.8).astype(np.int64)
    odds = np.where(final == 0, 1.0, 3.0) + 0.5 * rng.standard_normal(300)
    seen = np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)
    found = fit_early_classifiers([GENDER], {"gender": final}, Early({3: {"gender": seen}}, {}), "mixture")[0]
    assert set(found.readings) == {"gender"}
    assert balanced_accuracy(found.confusions["gender"]) > 0.95
    shown = [{"gender": dict(zip(GENDER.classes, map(float, row), strict=True))} for row in seen]
    results = [JobResult(Job("1", DOCTOR, 1), None, {}, {}, {3: row}) for row in shown]
    told = [found.predict(result)["gender"] for result in results]
    assert np.mean([name == GENDER.classes[k] for name, k in zip(told, final, strict=True)]) > 0.95
    plan = rejecting(early_classifier=found)
    plan.save(tmp_path / "a")
    again = Plan.load(tmp_path / "a").early_classifier
    assert again is not None
    assert [again.predict(result)["gender"] for result in results] == told


def test_a_classifier_needs_two_classes_and_says_so() -> None:
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((40, 2, 2)).astype(np.float16)
    assert fit_linear(GENDER, np.zeros(40, np.int64), latents) is None
    final = (latents[:, 0, 0] > 0).astype(np.int64)
    final[:3] = UNCLEAR_INDEX
    counts, found = fit_linear(GENDER, final, latents) or pytest.fail("no classifier")
    assert np.sum(counts) == 37
    assert found.vectors.shape == (2, 2, 2)
    assert not fit_early_classifiers([GENDER], {"gender": np.zeros(40, np.int64)}, Early({}, {3: latents}), "mixture")


def test_unclear_predictions_have_a_column_and_unclear_ends_no_row() -> None:
    final, predicted = np.array([0, 0, 1, -1, 1]), np.array([0, -1, 1, 0, 0])
    assert confusion_counts(GENDER, final, predicted) == ((1, 0, 1), (1, 1, 0))


def rejecting(**fields: object) -> Plan:
    told = classifier({"gender": [[0.9, 0.1], [0.2, 0.8]]})
    vectors = np.random.default_rng(0).standard_normal((2, 4, 3, 3)).astype(np.float32)
    told = replace(told, classifiers={"gender": LinearClassifier(GENDER.classes, vectors, (0.5, -0.5))})
    shift = Intervention((Shift(direction(), 2.0),))
    parts = (Part(Intervention(), 0.5, {"gender": ("woman",)}), Part(shift, 0.5))
    known = {"concept": DOCTOR, "targets": {"gender": {"woman": 0.5, "man": 0.5}}, "parts": parts}
    known["early_classifier"] = told
    return Plan(**{**known, **fields})  # type: ignore[arg-type]


def test_a_plan_with_rejection_sampling_is_kept_whole(tmp_path: Path) -> None:
    plan = rejecting()
    plan.save(tmp_path / "a")
    again = Plan.load(tmp_path / "a")
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert again.digest == plan.digest
    assert again.early_classifier is not None
    assert again.early_classifier.digest == plan.early_classifier.digest  # type: ignore[union-attr]
    assert again.name == "0.5 none, kept if woman + 0.5 woman@10=2"
    assert {again.part(seed).name for seed in range(2)} == {"none, kept if woman", "woman@10=2"}
    other = replace(plan, parts=(replace(plan.parts[0], accept={"gender": ("man",)}), plan.parts[1]))
    assert other.digest != plan.digest


def test_what_no_early_classifier_predicts_cannot_be_accepted() -> None:
    with pytest.raises(EquinoiseError, match="does not predict gender woman"):
        rejecting(early_classifier=None)
    with pytest.raises(EquinoiseError, match="does not predict tone dark"):
        rejecting(parts=(Part(Intervention(), 1.0, {"tone": ("dark",)}),))


def test_attach_refuses_a_plan_with_rejection_sampling(tiny: Path) -> None:
    with pytest.raises(EquinoiseError, match="plan with --no-selection") as refused:
        attach(load_model(str(tiny)), rejecting())
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rejection")


@pytest.fixture
def made(cli: Callable[..., Ran], folder: Path) -> Path:
    """A plan on the mixture that has nothing but rejection sampling: its direction moves no class."""
    out = folder / "plan.safetensors"
    if not out.exists():
        aside, best = np.random.default_rng(0).standard_normal((3, 8, 8)), best_direction(DOCTOR, "gender", "woman")
        aside -= (aside * best).sum() * best
        about = origin(model=load_model("mixture").provenance, sampling={"steps": STEPS, "guidance_scale": 1.0})
        DirectionSet((Direction.unit(aside, about),)).save(folder / "aside.safetensors")
        ran = cli(
            "plan", "mixture", "--concept", DOCTOR, "--target", "gender=uniform", "--direction",
            folder / "aside.safetensors", "--budget", 560, "--verify", 400, *FAST, "-o", out, "--json",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        (folder / "plan.json").write_text(ran.out)
    return out


FAST = ("--steps", STEPS, "--batch-size", 64, "--workers", 1)


def test_a_plan_by_rejection_sampling_alone_meets_its_target(made: Path, folder: Path) -> None:
    result, plan = Ran(0, (folder / "plan.json").read_text(), "").json, Plan.load(made)
    assert plan.uses_rejection_sampling
    assert plan.early_classifier is not None
    assert result["feasible"]
    assert result["pilots"]["look"]["step"] == plan.early_classifier.step
    audit, drawn = result["verified"]["audits"][0], result["verified"]["drawn"]
    assert audit["classes"]["woman"]["share"] == pytest.approx(0.5, abs=0.1)
    assert drawn["extra_calls_per_image"] == pytest.approx(result["cost"]["extra_calls_per_image"], rel=0.4)
    assert result["cost"]["verification"]["denoiser_calls"] == drawn["denoiser_calls"] > 400 * STEPS
    assert result["interventions"][0].keys() >= {"kept", "draws", "extra_calls"}


def test_generate_and_audit_sample_as_the_plan_says(made: Path, folder: Path, cli: Callable[..., Ran]) -> None:
    common = ("mixture", "--concept", DOCTOR, "--plan", made, "-n", 24, *FAST, "--json")
    ran = cli("generate", *common, "-o", folder / "g")
    assert ran.code == 0, ran.err
    assert ran.json["drawn"]["selected"] > 0
    assert any(image["draws"] > 1 for image in ran.json["images"])
    plan = Plan.load(made)
    assert all(image["intervention"] == plan.part(image["seed"]).name for image in ran.json["images"])
    audit = cli("audit", *common, "--axis", "gender", "--seed", 5_000_000)
    assert audit.code == 0, audit.err
    assert audit.json["drawn"] == ran.json["drawn"]  # the same seeds


def test_a_prompt_that_names_the_class_is_left_alone_to_the_byte(
    made: Path, folder: Path, cli: Callable[..., Ran]
) -> None:
    named = ("generate", "mixture", "--concept", "a photo of a woman doctor", "-n", 8, *FAST, "--json")
    planned, bare = cli(*named, "--plan", made, "-o", folder / "named"), cli(*named, "-o", folder / "bare")
    assert planned.code == 0, planned.err
    assert "goes through untouched: 'a photo of a woman' names gender 'woman'" in planned.err
    assert {image["intervention"] for image in planned.json["images"]} == {"none"}
    assert planned.json["drawn"]["selected"] == 0
    for ours, theirs in zip(planned.json["images"], bare.json["images"], strict=True):
        assert Path(ours["file"]).read_bytes() == Path(theirs["file"]).read_bytes()


def test_other_settings_than_the_plans_are_warned_of_and_another_model_refused(
    made: Path, folder: Path, cli: Callable[..., Ran]
) -> None:
    audit = ("audit", "mixture", "--concept", DOCTOR, "--axis", "gender", "-n", 8, "--batch-size", 8, "--workers", 1)
    ran = cli(*audit, "--plan", made, "--steps", 20, "--guidance-scale", 1.5, "--json")
    assert ran.code == 0, ran.err
    assert "the plan was made at steps 10, and is used at 20" in ran.err
    assert "the plan was made at guidance_scale 1.0, and is used at 1.5" in ran.err
    plan = Plan.load(made)
    stranger = {**plan.provenance, "model": {**plan.provenance["model"], "weights": "other"}}
    replace(plan, parts=(Part(Intervention(), 1.0),), provenance=stranger).save(folder / "other.safetensors")
    ran = cli(*audit, "--plan", folder / "other.safetensors")
    assert ran.code == 2
    assert "made on another model" in ran.err


def test_the_emoji_model_continues_accepted_attempts_from_held_latents(folder: Path) -> None:
    """Accepted images are bit for bit those of their noise from the start, and show the accepted class."""
    told = EarlyClassifier(5, (GENDER,), {"gender": ((9, 1, 0), (1, 9, 0))}, "emoji", most_attempts=6)
    request = Request(
        ModelSpec("emoji"), Sampling(12, 2.0), 4, detector=DetectorSpec("emoji"), axes=(GENDER,), early_classifier=told
    )
    jobs = [Job(str(seed), "a photo of a teacher", seed, accept={"gender": ("woman",)}) for seed in range(4)]
    with Engine(model=load_model("emoji")) as engine:
        records = make_images(engine, request, jobs, run := RunFolder(folder / "emoji", {"x": 2}))
        last = [Job(f"w{record.id}", record.prompt, record.draws[-1]["seed"]) for record in records if record.draws]
        whole = make_images(
            engine, replace(request, early_classifier=None), last, again := RunFolder(folder / "whole", {"x": 2})
        )
    for ours, theirs in zip(records, whole, strict=True):
        assert (run.path / ours.file).read_bytes() == (again.path / theirs.file).read_bytes()
    assert sum(record.labels["gender"] == "woman" for record in records) >= 3
    assert draw_noise([attempt_seed(0, 1)], (1,)).shape == (1, 1)


def nats_to_even(p: float, cosine: float) -> tuple[float, float]:
    """What it takes to bring a class on a line from p to one half: by a constant shift, by a truncated draw."""
    grid = stats.norm.ppf((np.arange(40_000) + 0.5) / 40_000)
    below, rest = stats.norm.ppf(1 - p), (1 - cosine**2) ** 0.5

    def missing(threshold: float) -> float:
        """How much the share under a draw above the threshold lacks to one half."""
        u = stats.norm.isf(stats.norm.sf(threshold) * stats.norm.cdf(grid))
        told = (cosine * u > below) if rest < 1e-9 else stats.norm.sf((below - cosine * u) / rest)
        return 0.5 - float(np.mean(told))

    constant = Shift(direction(), float(below / cosine)).kl_nats
    return constant, Shift(direction(), optimize.brentq(missing, -3, 7), "truncate").kl_nats


def test_a_truncated_draw_takes_more_nats_for_the_same_share() -> None:
    assert nats_to_even(0.1, 1.0) == pytest.approx((0.82, 1.61), abs=0.01)
    constant, truncated = nats_to_even(0.1, 0.5)
    assert constant == pytest.approx(3.28, abs=0.01)
    assert truncated == pytest.approx(4.32, abs=0.01)
